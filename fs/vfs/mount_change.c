/*
 * Changes of the mount tree: attach, bind, move, detach, remount, pivot_root.
 * Each checks and changes under mounts_lock, and drops references after it.
 */
#include <errno.h>
#include <sys/mount.h>
#include "fs/vfs/inode.h"
#include "fs/vfs/mount_internal.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/super.h"

static bool same_kind(struct dentry *a, struct dentry *b)
{
	return inode_is_dir(dentry_inode(a)) == inode_is_dir(dentry_inode(b));
}

/* May something with this root be mounted at p (already the topmost)? */
static int check_mountpoint(struct mount_ns *ns, struct path p, struct dentry *root)
{
	if (!p.mnt || p.mnt->ns != ns)
		return -EINVAL;
	if (atomic_load(&p.dentry->unhashed))
		return -ENOENT;
	return same_kind(p.dentry, root) ? 0 : -ENOTDIR;
}

/*
 * rmdir holds the mutex of the directory that it removes: with it held here,
 * nothing can be mounted on a directory that is about to go.
 */
static struct mutex *mountpoint_lock(struct path at)
{
	struct inode *i = dentry_inode(at.dentry);

	if (!i || !inode_is_dir(i))
		return NULL;
	mutex_acquire(&i->mutex);
	return &i->mutex;
}

static void mountpoint_unlock(struct mutex *m)
{
	if (m)
		mutex_release(m);
}

/* Puts the tree in *list (its first is the top) at `at`; on failure it is dropped. */
static int graft(struct mount_ns *ns, struct path at, struct mount_list *list)
{
	struct mount *top = TAILQ_FIRST(list), *m;
	struct mutex *dir = mountpoint_lock(at);
	struct path p;
	u32 n = 0;
	int err;

	lock_acquire(&mounts_lock);
	TAILQ_FOREACH (m, list, ns_link)
		n++;
	p = at.mnt ? mount_peek_top(at) : at;
	err = check_mountpoint(ns, p, top->root);
	/* The same file system right on top of itself: do_add_mount(). */
	if (!err && p.mnt->sb == top->sb && p.mnt->root == p.dentry && top->root == p.dentry)
		err = -EBUSY;
	if (!err && ns->count + n > MOUNTS_MAX)
		err = -ENOSPC;
	if (!err) {
		mount_place(top, p.mnt, p.dentry);
		while ((m = TAILQ_FIRST(list))) {
			TAILQ_REMOVE(list, m, ns_link);
			mount_ns_add(ns, m);
		}
	} else {
		/* Give up the places within the copy, or they would hold each other. */
		TAILQ_FOREACH (m, list, ns_link) {
			if (m->parent)
				mount_unplace(m);
		}
	}
	lock_release(&mounts_lock);
	mountpoint_unlock(dir);
	mount_drop_list(list);
	return err;
}

static int mount_root_at(struct mount_ns *ns, struct path at, struct super *sb, struct dentry *root,
                         u64 flags)
{
	struct mount_list list = TAILQ_HEAD_INITIALIZER(list);
	struct mount *m = mount_create(super_get(sb), dentry_get(root), flags);

	if (!m)
		return -ENOMEM;
	TAILQ_INSERT_TAIL(&list, m, ns_link);
	return graft(ns, at, &list);
}

int mount_attach(struct mount_ns *ns, struct path at, struct super *sb, u64 flags)
{
	struct dentry *root = super_root_dentry(sb);
	int err = root ? mount_root_at(ns, at, sb, root, flags) : -ENOMEM;

	if (root)
		dentry_put(root);
	return err;
}

int mount_bind(struct mount_ns *ns, struct path at, struct path src, u64 flags, bool recursive)
{
	struct mount_list list = TAILQ_HEAD_INITIALIZER(list);
	int err;

	if (!src.mnt)
		return mount_root_at(ns, at, dentry_inode(src.dentry)->sb, src.dentry, flags);
	if (!src.mnt->ns)
		return -EINVAL;
	err = mount_copy_tree(src.mnt, src.dentry, recursive, &list, NULL);
	if (err)
		return err;
	/* Relatime is what the source has; what is asked for can only be added. */
	TAILQ_FIRST(&list)->flags |= mount_flags_effective(flags | MS_STRICTATIME);
	return graft(ns, at, &list);
}

int mount_move(struct mount_ns *ns, struct path from, struct path to)
{
	struct mount *m = from.mnt, *up;
	struct mutex *dir;
	struct path p;
	int err;

	if (!m || from.dentry != m->root)
		return -EINVAL;
	dir = mountpoint_lock(to);
	lock_acquire(&mounts_lock);
	p = to.mnt ? mount_peek_top(to) : to;
	err = m->ns != ns || !m->parent || m->locked ? -EINVAL : check_mountpoint(ns, p, m->root);
	for (up = p.mnt; !err && up; up = up->parent) {
		if (up == m)
			err = -ELOOP;
	}
	if (!err) {
		mount_unplace(m);
		mount_place(m, p.mnt, p.dentry);
	}
	lock_release(&mounts_lock);
	mountpoint_unlock(dir);
	if (!err)
		mount_drop_place(m);
	return err;
}

/* The namespace's reference and the caller's own are no use. */
static bool in_use(struct mount *m)
{
	return !TAILQ_EMPTY(&m->children) || ref_count(&m->ref) > 2;
}

int mount_detach(struct mount_ns *ns, struct path at, int flags)
{
	struct mount_list gone = TAILQ_HEAD_INITIALIZER(gone);
	struct mount *m = at.mnt;
	int err = 0;

	if ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH)))
		return -EINVAL;
	lock_acquire(&mounts_lock);
	if (!m || at.dentry != m->root || m->ns != ns || !m->parent || m->locked)
		err = -EINVAL;
	else if (!(flags & MNT_DETACH) && in_use(m))
		err = -EBUSY;
	/*
	 * The first MNT_EXPIRE only marks. The mark survives one put, the one with
	 * which this caller gives up its path; each further use takes it back, so that none may
	 * be answered from memory.
	 */
	else if ((flags & MNT_EXPIRE) && atomic_exchange(&m->expiry, 2) == 0) {
		name_epoch_end();
		err = -EAGAIN;
	} else {
		mount_take_out(m, &gone);
	}
	lock_release(&mounts_lock);
	mount_drop_list(&gone);
	return err;
}

/* What a less privileged namespace may not take from a mount that it has inherited. */
#define LOCKED_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)

int mount_remount(struct mount_ns *ns, struct path at, u64 flags, bool bind, const char *data)
{
	struct mount *m = at.mnt;
	struct super *sb;
	int err = 0;

	if (!m || at.dentry != m->root)
		return -EINVAL;
	sb = m->sb;
	if ((flags & MS_RDONLY) && (bind ? atomic_load(&m->writers) : atomic_load(&sb->writers)))
		return -EBUSY;
	if (!bind && sb->ops->remount)
		err = sb->ops->remount(sb, flags, data);
	if (err)
		return err;
	lock_acquire(&mounts_lock);
	if (m->ns != ns)
		err = -EINVAL;
	else if (m->locked && (m->flags & LOCKED_FLAGS & ~flags))
		err = -EPERM;
	else
		__atomic_store_n(&m->flags, mount_flags_effective(flags), __ATOMIC_RELAXED);
	if (!err && !bind)
		__atomic_store_n(&sb->flags, (sb->flags & ~(u64)MS_RDONLY) | (flags & MS_RDONLY),
		                 __ATOMIC_RELAXED);
	if (!err)
		name_epoch_end();
	lock_release(&mounts_lock);
	return err;
}

/* Is p at or below base, climbing mounts and dentries? Under mounts_lock. */
static bool reachable(struct path p, struct path base)
{
	while (p.mnt != base.mnt) {
		if (!p.mnt->parent)
			return false;
		p = (struct path){p.mnt->parent, p.mnt->mountpoint};
	}
	return dentry_is_below(p.dentry, base.dentry);
}

static int check_pivot(struct mount_ns *ns, struct path root, struct path new_root,
                       struct path put_old)
{
	if (root.mnt->ns != ns || new_root.mnt->ns != ns || put_old.mnt->ns != ns)
		return -EINVAL;
	if (atomic_load(&new_root.dentry->unhashed))
		return -ENOENT;
	if (new_root.mnt == root.mnt || put_old.mnt == root.mnt)
		return -EBUSY;
	if (root.dentry != root.mnt->root || new_root.dentry != new_root.mnt->root ||
	    !new_root.mnt->parent || new_root.mnt->locked)
		return -EINVAL;
	if (!reachable(put_old, new_root) || !reachable(new_root, root))
		return -EINVAL;
	return 0;
}

int mount_pivot_root(struct mount_ns *ns, struct path root, struct path new_root,
                     struct path put_old)
{
	struct mount *r = root.mnt, *n = new_root.mnt;
	bool r_placed = false;
	int err;

	if (!inode_is_dir(dentry_inode(new_root.dentry)) ||
	    !inode_is_dir(dentry_inode(put_old.dentry)))
		return -ENOTDIR;
	lock_acquire(&mounts_lock);
	err = check_pivot(ns, root, new_root, put_old);
	if (!err) {
		mount_unplace(n);
		r_placed = r->parent;
		if (r_placed) {
			mount_unplace(r);
			mount_place(n, r->gone_parent, r->gone_mountpoint);
		} else {
			ns->root = n;
		}
		put_old = mount_peek_top(put_old);
		mount_place(r, put_old.mnt, put_old.dentry);
	}
	lock_release(&mounts_lock);
	if (err)
		return err;
	mount_drop_place(n);
	if (r_placed)
		mount_drop_place(r);
	return 0;
}

bool mount_is_mountpoint(struct mount_ns *ns, struct dentry *d)
{
	struct mount *m;
	bool found = false;

	if (!atomic_load_explicit(&d->mounts, memory_order_relaxed))
		return false;
	lock_acquire(&mounts_lock);
	TAILQ_FOREACH (m, &ns->mounts, ns_link) {
		if (m->mountpoint == d) {
			found = true;
			break;
		}
	}
	lock_release(&mounts_lock);
	return found;
}

void mount_detach_all_at(struct dentry *d)
{
	struct mount_list gone = TAILQ_HEAD_INITIALIZER(gone);
	struct mount *m;

	if (!atomic_load_explicit(&d->mounts, memory_order_relaxed))
		return;
	lock_acquire(&mounts_lock);
	while ((m = mount_peek_any(d)))
		mount_take_out(m, &gone);
	lock_release(&mounts_lock);
	mount_drop_list(&gone);
}
