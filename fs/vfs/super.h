/*
 * Super blocks: one mounted file system instance, shared by all its mounts.
 * A file system type is a name and a constructor (fs/vfs/fs_types.c lists them).
 */
#pragma once
#include "base/lock.h"
#include "base/mutex.h"
#include "base/ref.h"
#include "base/types.h"

struct inode;
struct super;
struct statfs;
struct kernel;

struct super_ops {
	/* The last reference is gone: free the object that embeds the inode. Required. */
	void (*inode_free)(struct inode *i);
	int (*statfs)(struct super *sb, struct statfs *out); /* -ENOSYS */
	/* Frees the fs's own state; every inode is gone. */
	void (*release)(struct super *sb);
	/* remount with new flags/options; absent: flags only. */
	int (*remount)(struct super *sb, u64 flags, const char *data);
	/* Options as /proc/mounts shows them, after the flags: ",size=64k". */
	void (*show_options)(struct super *sb, char *buf, size_t n);
};

struct super {
	struct ref ref;
	const struct super_ops *ops;
	const char *type;   /* "tmpfs" */
	const char *source; /* owned copy: device column of /proc/mounts */
	u32 dev;            /* st_dev, from super_init */
	u32 magic;          /* f_type */
	u64 flags;          /* SB_RDONLY = MS_RDONLY, ... */
	_Atomic u64 next_ino;
	struct inode *root;        /* owned */
	struct mutex rename_mutex; /* cross-directory renames */
	void *priv;
};

struct fs_type {
	const char *name;
	/* data: mount(2) options. *out with one reference. */
	int (*mount)(const struct fs_type *type, const char *source, u64 flags, const char *data,
	             struct super **out);
	bool nodev; /* as in /proc/filesystems */
};

/* Gives sb a device number and one reference. sb is heap memory, freed by super_put after
 * ops->release. */
must_check int super_init(struct super *sb, const struct super_ops *ops, const char *type,
                          const char *source, u32 magic, u64 flags);
struct super *super_get(struct super *sb);
void super_put(struct super *sb);

void fs_type_register(const struct fs_type *type);
const struct fs_type *fs_type_find(const char *name);
void fs_type_each(void (*fn)(const struct fs_type *t, void *arg), void *arg);
