/*
 * The mount tree's inside: one lock for all namespaces, as changes are rare
 * and a lookup holds it for a few instructions.
 *
 * A namespace holds one reference to each of its mounts; a mount holds its
 * parent, its mountpoint, its root and its super block. Taking a mount out of
 * the tree moves the references to parent and mountpoint to gone_*, and the
 * mount to a list that is dropped outside the lock.
 */
#pragma once
#include "base/lock.h"
#include "fs/vfs/mount.h"

TAILQ_HEAD(mount_list, mount);

struct mount_ns {
	struct ns ns;
	struct mount *root;       /* guarded by mounts_lock, like all below */
	struct mount_list mounts; /* in the order of /proc/PID/mountinfo */
	u32 count;
};

extern struct lock mounts_lock;

/* One reference; takes over root and sb. NULL: no memory (both dropped). */
struct mount *mount_create(struct super *sb, struct dentry *root, u64 flags);

/* One without super block and root: for a copy that is filled in under the lock. */
struct mount *mount_alloc(void);
/* Only the flags that a mount of its own keeps, with relatime as the default. */
u64 mount_flags_effective(u64 flags);

/* All that follows: under mounts_lock. */
/* What is mounted at (parent, d), without a reference, or NULL. */
struct mount *mount_peek(const struct mount *parent, const struct dentry *d);
/* What is mounted on d by any parent, in any namespace, or NULL. Looks at every mount. */
struct mount *mount_peek_any(const struct dentry *d);
/* The topmost mount at p, without references. */
struct path mount_peek_top(struct path p);
/* m, with no place yet, goes to (parent, d): takes references. */
void mount_place(struct mount *m, struct mount *parent, struct dentry *d);
/* Takes m from its place; its old references wait in gone_*. */
void mount_unplace(struct mount *m);
void mount_ns_add(struct mount_ns *ns, struct mount *m);
/* The next mount of the tree below top, parents first; NULL at the end. */
struct mount *mount_next(struct mount *m, struct mount *top);
/* Takes m and all below it out of the namespace. */
void mount_take_out(struct mount *top, struct mount_list *gone);
/* Outside the lock: drops what mount_take_out collected. */
void mount_drop_list(struct mount_list *gone);
void mount_drop_place(struct mount *m);

/*
 * Outside the lock: copies top (with `root` as the copy's root) and, if recursive, what is
 * mounted below that dentry; the first of *out is the copy of top. fix (or NULL): paths that
 * move to the copy of their mount. -ENOMEM, or -ENOSPC for more than MOUNTS_MAX.
 */
must_check int mount_copy_tree(struct mount *top, struct dentry *root, bool recursive,
                               struct mount_list *out, struct path *fix[2]);
