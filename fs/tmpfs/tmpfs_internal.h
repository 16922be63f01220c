/*
 * tmpfs from within: nodes, directories, file data.
 *
 * Locks: a node's inode.mutex guards its names (directory), its data (regular
 * file) and its extended attributes; attributes have their own lock. The counts of a
 * super block are atomic.
 */
#pragma once
#include <bsd/sys/tree.h>
#include "base/hash_table.h"
#include "fs/tmpfs/page_map.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"

#define TMPFS_MAGIC 0x01021994
/* What Linux adds to a directory's size for each entry. */
#define DIRENT_SIZE 20

struct tmpfs_super {
	_Atomic u64 max_pages, used_pages;   /* 0: no limit */
	_Atomic u64 max_inodes, used_inodes; /* 0: no limit; extra links count, too */
	u32 mode, uid, gid;                  /* of the root, as the options say */
};

struct dirent_node {
	RB_ENTRY(dirent_node) by_cookie;
	struct hash_node by_name;
	struct inode *inode; /* held */
	u64 cookie;          /* place in the listing; never reused */
	u16 len;
	char name[];
};
RB_HEAD(cookie_tree, dirent_node);

struct tmpfs_dir {
	struct cookie_tree listing;
	struct hash_table names;
	u64 next_cookie;
};

/*
 * File data, in one of two forms. In the sentry's pages: `pages` leads to them.
 * In a host memfd: `pages` has PAGE_KNOWN for each page that is known to exist there (a
 * guest may add others through its mappings at any time), `view` is the sentry's mapping.
 */
struct tmpfs_data {
	struct page_map pages;
	int memfd;  /* -1: in pages */
	int reader; /* the memfd for mappings that only read; -1: there was none yet */
	char *view;
	u64 view_size;
	u64 charged;               /* pages */
	_Atomic u64 writable_maps; /* shared mappings that may write; raised under the mutex */
	_Atomic bool recount;      /* one of them is gone: what exists may have changed */
	u32 seals;
};

struct tmpfs_xattr {
	LIST_ENTRY(tmpfs_xattr) link;
	size_t size;
	char *name;
	char value[];
};
LIST_HEAD(xattr_list, tmpfs_xattr);

struct tmpfs_node {
	struct inode inode;
	struct xattr_list xattrs;
	size_t xattr_bytes;
	union {
		struct tmpfs_dir dir;
		struct tmpfs_data data;
		char *target; /* symbolic link; owned */
	};
};

static inline struct tmpfs_node *node_of(struct inode *i)
{
	return container_of(i, struct tmpfs_node, inode);
}

static inline struct tmpfs_super *fs_of(struct inode *i)
{
	return i->sb->priv;
}

/* tmpfs.c: accounting. -ENOSPC. force: what is there already, whatever the limit. */
must_check int tmpfs_charge(struct tmpfs_super *fs, u64 pages);
void tmpfs_charge_force(struct tmpfs_super *fs, u64 pages);
void tmpfs_uncharge(struct tmpfs_super *fs, u64 pages);
must_check int tmpfs_charge_inode(struct tmpfs_super *fs);
void tmpfs_uncharge_inode(struct tmpfs_super *fs);
/* The super block of memfd and SysV files, which have no names: never mounted, never freed. */
struct super *tmpfs_internal_super(void);

/* node.c: a new inode of any type with nlink 1 (2 for a directory), +1. */
must_check int node_create(struct super *sb, const struct create *c, u64 ino, struct inode **out);
void node_free(struct inode *i);
extern const struct inode_ops tmpfs_dir_ops;

/* dir.c: entries. The directory's mutex is held. */
void dir_init(struct tmpfs_dir *d);
struct dirent_node *dir_find(struct tmpfs_dir *d, const char *name, size_t len);
/* Takes its own reference to inode. -ENOMEM. */
must_check int dir_add(struct tmpfs_dir *d, const char *name, struct inode *inode);
/* Frees the entry and puts its inode. */
void dir_remove(struct tmpfs_dir *d, struct dirent_node *e);
/* Frees all that is below, without recursion. */
void dir_free_tree(struct tmpfs_dir *d);
extern const struct file_ops tmpfs_dir_file_ops;

/* names.c: the inode_ops that change directories. */
int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int tmpfs_create(struct inode *dir, const char *name, const struct create *c, struct inode **out);
int tmpfs_link(struct inode *dir, const char *name, struct inode *target);
int tmpfs_unlink(struct inode *dir, const char *name, struct inode *victim);
int tmpfs_rmdir(struct inode *dir, const char *name, struct inode *victim);
int tmpfs_rename(struct inode *olddir, const char *oldname, struct inode *victim,
                 struct inode *newdir, const char *newname, struct inode *replaced, u32 flags);
int tmpfs_tmpfile(struct inode *dir, const struct create *c, struct inode **out);

/* data.c: a regular file's bytes. The inode's mutex is held. */
void data_init(struct tmpfs_data *d);
void data_free(struct tmpfs_node *n);
must_check ssize_t data_read(struct tmpfs_node *n, struct uio *dst, u64 pos);
/* Extends the size. What was written, -ENOSPC, -ENOMEM or -EFAULT. */
must_check ssize_t data_write(struct tmpfs_node *n, struct uio *src, u64 pos);
must_check int data_set_size(struct tmpfs_node *n, u64 size);
must_check int data_allocate(struct tmpfs_node *n, u64 off, u64 len, bool keep_size);
void data_punch(struct tmpfs_node *n, u64 off, u64 len);
/* SEEK_DATA, SEEK_HOLE: a position or -ENXIO. */
s64 data_seek(struct tmpfs_node *n, u64 off, int whence, u64 size);
/* memfd.c: moves the data to a host memfd. -ENOMEM, -ENOSPC. */
must_check int data_to_memfd(struct tmpfs_node *n);
/* The descriptor for a mapping, data being in a memfd: one that can only be read, unless it writes.
 */
must_check int memfd_for_mapping(struct tmpfs_node *n, bool writes);
/* Makes view and memfd large enough. */
must_check int memfd_resize(struct tmpfs_node *n, u64 size);
/* Is page `index` of a memfd data? If not, *hole_end is where the hole ends. */
bool memfd_page_exists(struct tmpfs_node *n, u64 index, u64 *hole_end);
must_check int memfd_allocate(struct tmpfs_node *n, u64 off, u64 len, bool keep_size);
void memfd_punch(struct tmpfs_node *n, u64 off, u64 len);
/* The end of the file. */
void memfd_close(struct tmpfs_node *n);
/* The guest wrote through a mapping: counts what exists now. */
void memfd_recount(struct tmpfs_node *n);
#define PAGE_KNOWN ((void *)2)
/* Changes what the file is charged with, and st_blocks with it. */
void data_account(struct tmpfs_node *n, s64 pages);
extern const struct file_ops tmpfs_file_ops;

/* xattr.c */
ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int tmpfs_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags);
ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t size);
int tmpfs_removexattr(struct inode *i, const char *name);
void xattrs_free(struct tmpfs_node *n);
/* A write takes a program's capabilities away. The mutex is held. */
void xattr_drop_caps(struct tmpfs_node *n);
