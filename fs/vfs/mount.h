/*
 * Mounts and mount namespaces. A path is a place in the mount tree: a mount
 * and a dentry of its super block. A mount namespace is a tree of mounts with
 * a root; CLONE_NEWNS copies it.
 */
#pragma once
#include "base/ns.h"
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
	bool locked; /* came from a more privileged namespace: stays where it is, flags and all */
	_Atomic u32 expiry;  /* umount2(MNT_EXPIRE) marked it and nobody used it since */
	_Atomic s32 writers; /* files open for writing through it */
	TAILQ_ENTRY(mount) ns_link;
	TAILQ_HEAD(, mount) children;
	TAILQ_ENTRY(mount) child_link;
	LIST_ENTRY(mount) hash_link; /* by (parent, mountpoint) */
	/* Work of one change of the tree: its copy; what it held before it was taken out. */
	struct mount *copy, *gone_parent;
	struct dentry *gone_mountpoint;
};

static inline u64 mount_flags(const struct mount *m)
{
	return m ? __atomic_load_n(&m->flags, __ATOMIC_RELAXED) : 0;
}

#define MOUNTS_MAX 100000 /* per namespace, as /proc/sys/fs/mount-max: -ENOSPC */

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

struct mount *mount_get(struct mount *m);
void mount_put(struct mount *m);

/* Either member may be NULL. */
struct path path_get(struct path p);
void path_put(struct path p);
bool path_equal(struct path a, struct path b);

/* A namespace whose root is sb. One reference each. */
must_check int mount_ns_create(struct super *sb, u64 flags, struct user_ns *owner,
                               struct mount_ns **out);
/* Copies every mount of ns; into the hands of another user namespace, locked. root and cwd, within
 * ns, move to the copies (references too). */
must_check int mount_ns_clone(struct mount_ns *ns, struct user_ns *owner, struct mount_ns **out,
                              struct path *root, struct path *cwd);
struct ns *mount_ns_base(struct mount_ns *ns);
struct mount_ns *mount_ns_of(struct ns *n); /* of kind NS_MNT */
struct mount_ns *mount_ns_get(struct mount_ns *ns);
void mount_ns_put(struct mount_ns *ns);
struct path mount_ns_root(struct mount_ns *ns); /* +1 */

/* Mounts sb at `at` (on top of what is there). */
must_check int mount_attach(struct mount_ns *ns, struct path at, struct super *sb, u64 flags);
/*
 * mount --bind: src's dentry becomes the root of a new mount at `at`. recursive: MS_REC. src
 * may have no mount: an object that has no other name.
 */
must_check int mount_bind(struct mount_ns *ns, struct path at, struct path src, u64 flags,
                          bool recursive);
must_check int mount_move(struct mount_ns *ns, struct path from, struct path to);
/*
 * mount(MS_REMOUNT): new flags for the mount at `at`; bind: only for it (MS_BIND), else for
 * the super block too, with its options in data. -EINVAL if `at` is not a mount's root,
 * -EBUSY if files are open for writing and it is to become read-only.
 */
must_check int mount_remount(struct mount_ns *ns, struct path at, u64 flags, bool bind,
                             const char *data);
/*
 * pivot_root(2): new_root becomes the namespace's root, the mount of `root` goes to put_old.
 * The tasks' own roots and cwds are the caller's to move.
 */
must_check int mount_pivot_root(struct mount_ns *ns, struct path root, struct path new_root,
                                struct path put_old);
/* Something is mounted on d in ns: it cannot be removed or renamed there (-EBUSY). */
bool mount_is_mountpoint(struct mount_ns *ns, struct dentry *d);
/* d is being removed: what other namespaces have mounted on it goes, lazily. */
void mount_detach_all_at(struct dentry *d);
/* umount2 flags: MNT_DETACH etc. -EINVAL if `at` is not a mount's root, -EBUSY in use. */
must_check int mount_detach(struct mount_ns *ns, struct path at, int flags);
/* The topmost mount at p, if any: *p replaced (references moved) and true. */
bool mount_follow_down(struct path *p);
/* At a mount's root: *p becomes the mountpoint in the parent mount; false at the top. */
bool mount_follow_up(struct path *p);

/* p is base or below it, across mounts. */
bool path_is_below(struct path p, struct path base);

/* For /proc/PID/mounts and mountinfo: calls fn for each, in order, with a held mount. */
void mount_ns_each(struct mount_ns *ns, bool (*fn)(struct mount *m, void *arg), void *arg);

/*
 * The absolute name of p as seen from root into buf, as d_path has it:
 * " (deleted)" behind an unlinked one, "(unreachable)" in front when it is not below root.
 * Returns the start of the string within buf, or NULL with size too small. reachable may be
 * NULL. Links of /proc skip the prefix (PATH_UNREACHABLE) as Linux does; getcwd shows it.
 */
#define PATH_UNREACHABLE "(unreachable)"
char *path_name(struct path p, struct path root, char *buf, size_t size, bool *reachable);
/* The name of d from the root of its super block, whatever is mounted: as path_name otherwise. */
char *dentry_path(struct dentry *d, char *buf, size_t size);
