/*
 * Super blocks: one mounted file system instance, shared by all its mounts.
 * A file system type is a name and a constructor (fs/vfs/fs_types.c lists them).
 *
 * Life: `ref` counts users (mounts, the constructor, singletons' owners). When the
 * last one is gone, the cached dentries and the root inode go; each other inode
 * holds the memory (not the use) of its super block, so ops->release runs when the
 * last inode has been freed.
 */
#pragma once
#include "base/lock.h"
#include "base/mutex.h"
#include "base/ref.h"
#include "base/types.h"

struct inode;
struct dentry;
struct super;
struct statfs;
struct kernel;

struct super_ops {
	/*
	 * The last reference is gone: free the object that embeds the inode. Runs in any
	 * context that may drop one, a directory's mutex included: it takes no mutex. Required.
	 */
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
	struct inode *root;                   /* owned; set by the constructor */
	_Atomic u32 inodes;                   /* live inodes, + 1 while ref lives */
	_Atomic(struct dentry *) root_dentry; /* of the one dentry tree; made by the first mount */
	_Atomic s32 writers;                  /* files open for writing */
	struct mutex rename_mutex;            /* cross-directory renames */
	void *priv;
};

struct fs_type {
	const char *name;
	/* data: mount(2) options. *out with one reference. */
	int (*mount)(const struct fs_type *type, const char *source, u64 flags, const char *data,
	             struct super **out);
	bool nodev;        /* as in /proc/filesystems */
	bool only_initial; /* not for the root of another user namespace to mount */
};

/* Gives sb a device number and one reference. sb is heap memory, freed by super_put after
 * ops->release. */
must_check int super_init(struct super *sb, const struct super_ops *ops, const char *type,
                          const char *source, u32 magic, u64 flags);
/* Internal flag for super_init: its inodes serve an overlay, so they rank RANK_INODE_LOWER. */
#define SB_LOWER (1ULL << 40)
/*
 * Another: lookup and revalidate both ask whoever has the truth, and leave the attributes of
 * what they find as current as getattr would.
 */
#define SB_ASKS (1ULL << 41)
/* Another: who would make a name hears that there is none, before it is asked what he may do
 * (proc). */
#define SB_NO_NEGATIVE (1ULL << 42)
/* Another: its names and attributes change by calls of the VFS alone (fs/vfs/name_epoch.h). */
#define SB_LASTS (1ULL << 43)
/*
 * Another: all changes of attributes are made by inode_attr_change or inode_replace_attr_locked, on
 * the inode itself or on one whose attributes its getattr copies by inode_attr_for.
 */
#define SB_TELLS (1ULL << 44)
struct super *super_get(struct super *sb);
void super_put(struct super *sb);

/* The dentry of sb->root, +1; NULL: no memory. */
struct dentry *super_root_dentry(struct super *sb);

/* Startup only, before any guest runs. */
void fs_type_register(const struct fs_type *type);
const struct fs_type *fs_type_find(const char *name);
void fs_type_each(void (*fn)(const struct fs_type *t, void *arg), void *arg);
