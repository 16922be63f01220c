/*
 * What the files of this folder share and nobody else calls.
 */
#pragma once
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/mount.h"
#include "fs/vfs/walk.h"

/* super.c: a live inode more or less; the last one after the last user frees the super block. */
void super_inode_new(struct super *sb);
void super_inode_gone(struct super *sb);
/* anon.c: the super block of inodes without names; lives for ever. */
struct super *anon_super(void);

/* dentry.c: the read side of the cache's lock, for walks over several names. */
struct lock *dcache_read_lock(void);
/* The hashed child without a reference, valid while the read lock is held. */
struct dentry *dcache_peek(struct dentry *parent, const char *name, size_t len);

/* permission.c */
must_check int sticky_check(struct inode *dir, struct inode *victim, const struct cred *c);
u32 mode_without_privilege(const struct attr *a, const struct cred *c);
/* c has the capability over i. */
bool inode_capable(struct inode *i, const struct cred *c, int cap);
/* Before a write or truncation by the caller: drops set-ID bits it may not keep. */
must_check int inode_remove_privs(struct inode *i);

/* The largest file. */
#define FILE_SIZE_MAX ((u64)INT64_MAX)
/* f could not be opened after all: forget its ops, so that file_put calls no release. */
void file_unopen(struct file *f);
/* Counts f among the writers, or -ETXTBSY, -EROFS. */
must_check int file_get_write(struct file *f);
void file_put_write(struct file *f);

/* namei.c: the directory (its mutex is held) has been removed. */
void inode_set_dead(struct inode *dir);
/* namei.c: helpers of the namespace operations. */
/* Where a name is to be made: a write lock on the directory, its negative dentry. */
struct new_name {
	struct path parent;    /* held */
	struct dentry *dentry; /* held; negative */
	char name[NAME_LEN_MAX + 1];
};
must_check int new_name_begin(struct path base, const char *name, bool is_dir, int flags,
                              struct new_name *n);
void new_name_end(struct new_name *n);
/* Owner, group and mode of a new entry in dir: setgid directories, umask. */
void create_init(struct create *c, struct inode *dir, u32 mode);
/* The caller may add a name to dir: -ENOENT (removed), -EACCES. */
must_check int may_create(struct inode *dir);
/* The caller may remove victim from dir; for a directory (is_dir) or something else. */
must_check int may_delete(struct inode *dir, struct dentry *victim, bool is_dir);
/* Relatime and its relatives for what path names. */
void path_accessed(struct path p, struct inode *i);
u32 caller_umask(void);
