/*
 * Mounts and mount namespaces. A path is a place in the mount tree: a mount
 * and a dentry of its super block. A mount namespace is a tree of mounts with
 * a root; CLONE_NEWNS copies it.
 */
#pragma once
#include "base/ref.h"
#include "base/types.h"
#include "fs/vfs/dentry.h"
#include <sys/queue.h>

struct super;
struct mount_ns;

struct mount {
	struct ref ref;
	struct super *sb;          /* held */
	struct dentry *root;       /* of this mount; held. A bind mount's may lie deep in sb */
	struct mount *parent;      /* held; NULL for a namespace's root. RANK_MOUNTS */
	struct dentry *mountpoint; /* in parent; held */
	struct mount_ns *ns;       /* NULL once detached */
	u64 flags; /* MS_RDONLY, NOSUID, NODEV, NOEXEC, NOATIME, RELATIME of this mount */
	u32 id;
	TAILQ_ENTRY(mount) ns_link;
	TAILQ_HEAD(, mount) children;
	TAILQ_ENTRY(mount) child_link;
};

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

struct path path_get(struct path p);
void path_put(struct path p);
bool path_equal(struct path a, struct path b);

/* A namespace whose root is sb. One reference each. */
must_check int mount_ns_create(struct super *sb, u64 flags, struct mount_ns **out);
must_check int mount_ns_clone(struct mount_ns *ns, struct mount_ns **out, struct path *root,
                              struct path *cwd);
struct mount_ns *mount_ns_get(struct mount_ns *ns);
void mount_ns_put(struct mount_ns *ns);
struct path mount_ns_root(struct mount_ns *ns); /* +1 */

/* Mounts sb at `at` (on top of what is there). */
must_check int mount_attach(struct mount_ns *ns, struct path at, struct super *sb, u64 flags);
/* mount --bind: src's dentry becomes the root of a new mount at `at`. recursive: MS_REC. */
must_check int mount_bind(struct mount_ns *ns, struct path at, struct path src, u64 flags,
                          bool recursive);
must_check int mount_move(struct mount_ns *ns, struct path from, struct path to);
/* umount2 flags: MNT_DETACH etc. -EINVAL if `at` is not a mount's root, -EBUSY in use. */
must_check int mount_detach(struct mount_ns *ns, struct path at, int flags);
/* The topmost mount at p, if any: *p replaced (references moved) and true. */
bool mount_follow_down(struct path *p);
/* At a mount's root: *p becomes the mountpoint in the parent mount; false at the top. */
bool mount_follow_up(struct path *p);

/* For /proc/PID/mounts and mountinfo: calls fn for each, in order, with a held mount. */
void mount_ns_each(struct mount_ns *ns, bool (*fn)(struct mount *m, void *arg), void *arg);

/*
 * The absolute name of p as seen from root into buf, as d_path has it:
 * " (deleted)" behind an unlinked one, "(unreachable)" in front when it is not below root.
 * Returns the start of the string within buf, or NULL with size too small.
 */
char *path_name(struct path p, struct path root, char *buf, size_t size, bool *reachable);
