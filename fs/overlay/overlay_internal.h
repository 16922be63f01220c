/*
 * The objects of overlay.
 *
 * An overlay inode stands for one object of the merged tree and holds the real
 * inodes behind it: `lower` (for directories all of `lowers`), and `upper` once there
 * is one, which is set once and never changes. What must outlive the inode, because a
 * lookup could not find it out again, is in an origin record of the super block: which
 * lower object an upper one was copied from (its inode number, its other hard links), the
 * lower directories of a renamed one, and how many links are left.
 *
 * Locks, in this order:
 *   the overlay directories' mutexes, held by the VFS
 *   oi->copy      one copy-up of this inode (RANK_OVERLAY_COPY)
 *   ov->commit    one change of the upper tree; guards places (parent, name); taken after every
 *                 copy-up that the change needs
 *   upper and lower inodes' mutexes (RANK_INODE_LOWER), two only under ov->commit
 *   ov->lock      which inode shows a real one, origins, and cached listings
 */
#pragma once
#include <sys/queue.h>
#include "base/hash_table.h"
#include "base/mutex.h"
#include "base/ref.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"

/* In the upper layer's root, invisible in the view: where copies grow until they are whole. */
#define OVERLAY_WORK ".moat-work"

struct overlay_inode;
struct overlay_origin;
struct overlay_list;

struct overlay {
	struct super sb;
	struct super *upper;  /* held; NULL: read-only */
	struct super **lower; /* held */
	unsigned nlower;
	struct inode *work;    /* upper's work directory; held */
	_Atomic u64 work_next; /* names in it */
	bool redirects;        /* the upper layer is of an earlier day: directories may be moved */
	bool user_xattr;       /* user.overlay.* because trusted.overlay.* is refused */
	struct mutex commit;
	struct lock lock;
	struct hash_table by_upper, by_lower; /* origins; guarded by lock, as are the next */
	struct overlay_inode *dying;          /* queue of overlay_inode_free */
	bool burying;
};

struct overlay_origin {
	struct hash_node upper_link, lower_link;
	struct inode *upper;   /* held; NULL until copied up */
	struct inode *lower;   /* held */
	struct inode **lowers; /* directories: the array, held */
	unsigned nlowers;
	/* Names left in the view, guarded by ov->commit; 0: goes with the inode. */
	u32 nlink;
	u64 kept; /* != 0: name in the work directory that keeps a copy alive for other links */
};

struct overlay_inode {
	struct inode inode;
	_Atomic(struct inode *) upper;
	struct inode *lower;   /* NULL: born in the upper layer */
	struct inode **lowers; /* &lower, or of a merged directory an array */
	unsigned nlowers;
	struct mutex copy;
	struct lock sync; /* while attributes are copied from the real inode */
	/* Guarded by ov->commit: where a copy goes. NULL for the root and for the nameless. */
	struct overlay_inode *parent; /* held */
	char *name;                   /* first_name, or owned heap */
	/* Guarded by ov->lock. */
	struct overlay_origin *origin;
	struct overlay_list *list; /* merged listing, if it is still true */
	_Atomic u64 version;       /* of a directory's contents */
	struct overlay_inode *next_dying;
	char first_name[];
};

static inline struct overlay *overlay_of(const struct inode *i)
{
	return container_of(i->sb, struct overlay, sb);
}
static inline struct overlay_inode *to_overlay(const struct inode *i)
{
	return container_of(i, struct overlay_inode, inode);
}
static inline struct inode *overlay_upper(const struct overlay_inode *o)
{
	return atomic_load_explicit(&o->upper, memory_order_acquire);
}
/* What the inode's content and attributes are today. Borrowed. */
static inline struct inode *overlay_real(const struct overlay_inode *o)
{
	struct inode *u = overlay_upper(o);

	return u ? u : o->lower;
}
/* More than one real directory shows through. */
static inline bool overlay_is_merged(const struct overlay_inode *o)
{
	return o->nlowers + (overlay_upper(o) != NULL) > 1;
}

/* The real inodes of an object to be; references. It stays where it is, as lowers may be &one. */
struct overlay_stack {
	struct inode *upper;
	struct inode **lowers;
	unsigned n;
	struct inode *one;
};
/* Takes over the reference, also without memory. */
must_check int overlay_stack_push(struct overlay_stack *st, struct inode *lower);

/* --- table.c: inodes, origins ------------------------------------------------------- */

void overlay_tables_init(struct overlay *ov);
void overlay_tables_destroy(struct overlay *ov);
/*
 * The inode of a stack, found or made, with a reference. Takes over the stack's
 * references, also on failure. parent and name: its place if it has none yet; ov->commit
 * is not held.
 */
must_check int overlay_obtain(struct overlay *ov, struct overlay_stack *st,
                              struct overlay_inode *parent, const char *name,
                              struct overlay_inode **out);
void overlay_stack_drop(struct overlay_stack *st);
void overlay_inode_free(struct inode *i);
/* What is remembered of an upper inode: its lower ones are added to st. False: nothing. */
must_check int overlay_recall(struct overlay *ov, struct overlay_stack *st);
/* o's origin record, made if need be. NULL: no memory. */
struct overlay_origin *overlay_origin_get(struct overlay *ov, struct overlay_inode *o);
/* The copy of o is complete. o's origin exists. Takes over upper. */
void overlay_set_upper(struct overlay *ov, struct overlay_inode *o, struct inode *upper);
/* The view's inode number for an entry of a layer. */
u64 overlay_ino(const struct overlay *ov, const struct super *layer, u64 ino);
u64 overlay_entry_ino(struct overlay *ov, const struct super *layer, u64 ino);
/* Copies the real inode's attributes to the view's. */
void overlay_sync_attr(struct overlay_inode *o);
/* The place where a copy of o goes; name NULL: none. ov->commit is held. */
must_check int overlay_set_place(struct overlay_inode *o, struct overlay_inode *parent,
                                 const char *name);
void overlay_clear_place(struct overlay_inode *o, const struct overlay_inode *parent,
                         const char *name);

/* --- layer.c: calls on real inodes, with their locks -------------------------------------- */

must_check int layer_lookup(struct inode *dir, const char *name, struct inode **out);
must_check int layer_create(struct inode *dir, const char *name, const struct create *c,
                            struct inode **out);
must_check int layer_link(struct inode *dir, const char *name, struct inode *target);
/* Removes a file or an empty directory. */
must_check int layer_remove(struct inode *dir, const char *name, struct inode *victim);
must_check int layer_rename(struct inode *od, const char *oldname, struct inode *victim,
                            struct inode *nd, const char *newname, struct inode *replaced,
                            u32 flags);
must_check int layer_setattr(struct inode *i, const struct setattr *s);
must_check int layer_open(struct inode *i, u32 flags, struct file **out);
/*
 * Every entry but "." and ".."; stops when fn returns an error, which is the result. The
 * directory may be locked meanwhile: fn makes no calls on it.
 */
typedef int layer_entry_fn(void *arg, const char *name, size_t len, u64 ino, u8 type);
must_check int layer_list(struct inode *dir, layer_entry_fn *fn, void *arg);
/* Removes all entries, none of which is a directory with contents; -ENOTEMPTY. */
must_check int layer_clear(struct inode *dir, bool whiteouts_only);
bool layer_is_whiteout(struct inode *i);
must_check int layer_whiteout(struct inode *dir, const char *name);

/* Marks on directories, as overlayfs has them. */
bool layer_is_opaque(struct inode *dir);
must_check int layer_set_opaque(struct overlay *ov, struct inode *dir);
/* Where a renamed directory's lower ones are: path from the layer's root. -ENODATA; malloc'd. */
must_check int layer_redirect(struct inode *dir, char **out);
must_check int layer_set_redirect(struct overlay *ov, struct inode *dir, const char *path);
bool overlay_is_private_xattr(const char *name);

/* --- lookup.c ---------------------------------------------------------------------------- */

int overlay_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
/* 1 if a lower layer has something under that name in d, 0 if not, or -errno. */
must_check int overlay_lower_has(struct overlay_inode *d, const char *name);

/* --- copy_up.c --------------------------------------------------------------------------- */

/*
 * Makes sure that o has an upper inode, and so all its parents. Of a regular file only
 * the first `size` bytes are copied. No lock beyond the overlay directories' mutexes is held.
 */
must_check int overlay_copy_up(struct overlay_inode *o, u64 size);
#define COPY_ALL (~0ULL)
/* A fresh name in the work directory. */
u64 overlay_work_name(struct overlay *ov, char name[24]);
must_check int overlay_copy_attr(struct inode *from, struct inode *to);
must_check int overlay_copy_xattrs(struct inode *from, struct inode *to);

/* --- namespace.c, rename.c, attr.c, file.c, dir.c --------------------------------------------- */

int overlay_create(struct inode *dir, const char *name, const struct create *c, struct inode **out);
int overlay_tmpfile(struct inode *dir, const struct create *c, struct inode **out);
int overlay_link(struct inode *dir, const char *name, struct inode *target);
int overlay_unlink(struct inode *dir, const char *name, struct inode *victim);
int overlay_rmdir(struct inode *dir, const char *name, struct inode *victim);
int overlay_rename(struct inode *olddir, const char *oldname, struct inode *victim,
                   struct inode *newdir, const char *newname, struct inode *replaced, u32 flags);

/* d's contents have changed, in the upper layer: attributes and listings follow. */
void overlay_dir_changed(struct overlay_inode *d);
/* The view has lost a name of o; the upper layer has too. ov->commit is held. */
void overlay_name_lost(struct overlay *ov, struct overlay_inode *o, struct overlay_inode *d,
                       const char *name);
/* Covers name, which u (or NULL) has in the upper directory of d. ov->commit is held. */
must_check int overlay_cover(struct overlay *ov, struct inode *ud, const char *name,
                             struct inode *u);
/*
 * o is about to lose its last name in the layer, but has others in the view: its upper
 * inode gets one in the work directory. ov->commit is held.
 */
must_check int overlay_keep_for_links(struct overlay *ov, struct overlay_inode *o);
/* -ENOTEMPTY, or 0 with all whiteouts of o's upper directory gone if there is one. */
must_check int overlay_empty_dir(struct overlay_inode *o);

int overlay_getattr(struct inode *i);
int overlay_setattr(struct inode *i, const struct setattr *s);
ssize_t overlay_readlink(struct inode *i, char *buf, size_t size);
ssize_t overlay_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int overlay_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags);
ssize_t overlay_listxattr(struct inode *i, char *buf, size_t size);
int overlay_removexattr(struct inode *i, const char *name);

int overlay_open(struct inode *i, struct file *f);
int overlay_open_dir(struct inode *i, struct file *f);
/* 1 if the view of o has no entry, 0 if it has, or -errno. */
must_check int overlay_dir_is_empty(struct overlay_inode *o);
void overlay_list_put(struct overlay_list *l);
