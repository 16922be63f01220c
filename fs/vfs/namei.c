/*
 * Making names: mknod, mkdir, symlink, link; and the rules that all changes of
 * a directory share. Order of checks and errors as in fs/namei.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include "base/caller.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/vfs_internal.h"

u32 caller_umask(void)
{
	struct fs_context *fs = caller()->fs;

	if (!fs)
		return 0;
	lock_guard(&fs->lock);
	return fs->umask;
}

int vfs_want_write(struct path path)
{
	struct super *sb = dentry_inode(path.dentry)->sb;

	if ((mount_flags(path.mnt) | __atomic_load_n(&sb->flags, __ATOMIC_RELAXED)) & MS_RDONLY)
		return -EROFS;
	return 0;
}

void inode_set_dead(struct inode *dir)
{
	atomic_store(&dir->dead, true);
	inode_set_nlink(dir, 0);
}

int may_create(struct inode *dir)
{
	if (atomic_load(&dir->dead))
		return -ENOENT;
	return inode_permission(dir, caller_cred(), MAY_WRITE | MAY_EXEC);
}

int may_delete(struct inode *dir, struct dentry *victim, bool is_dir)
{
	struct inode *i = dentry_inode(victim);
	struct fs_context *fs = caller()->fs;
	int err;

	if (!i)
		return -ENOENT;
	err = inode_permission(dir, caller_cred(), MAY_WRITE | MAY_EXEC);
	if (!err)
		err = sticky_check(dir, i, caller_cred());
	if (err)
		return err;
	if (is_dir != inode_is_dir(i))
		return is_dir ? -ENOTDIR : -EISDIR;
	return fs && mount_is_mountpoint(fs->ns, victim) ? -EBUSY : 0;
}

void create_init(struct create *c, struct inode *dir, u32 mode)
{
	const struct cred *cred = caller_cred();
	struct attr d;

	inode_attr(dir, &d);
	*c = (struct create){.mode = mode, .uid = cred->fsuid, .gid = cred->fsgid};
	if (!(d.mode & S_ISGID))
		return;
	/* A setgid directory hands its group down, and the bit itself to directories. */
	c->gid = d.gid;
	if (S_ISDIR(mode))
		c->mode |= S_ISGID;
	/* Who is not in that group may not make programs that run with it. */
	else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	         !cred_in_group(cred, c->gid) && !cred_has_cap_over(cred, d.uid, d.gid, CAP_FSETID))
		c->mode &= ~(u32)S_ISGID;
}

int new_name_begin(struct path base, const char *name, bool is_dir, int flags, struct new_name *n)
{
	struct inode *dir;
	bool slash, special;
	int err = walk_parent(base, name, flags, &n->parent, n->name, &slash);

	if (err)
		return err;
	special = n->name[0] == '/' || strcmp(n->name, ".") == 0 || strcmp(n->name, "..") == 0;
	if (special) {
		path_put(n->parent);
		return -EEXIST;
	}
	dir = dentry_inode(n->parent.dentry);
	mutex_acquire(&dir->mutex);
	err = walk_child(n->parent, n->name, true, &n->dentry);
	if (err) {
		mutex_release(&dir->mutex);
		path_put(n->parent);
		return err;
	}
	if (dentry_inode(n->dentry))
		err = -EEXIST;
	else if (slash && !is_dir)
		err = -ENOENT;
	else
		err = vfs_want_write(n->parent);
	if (err)
		new_name_end(n);
	return err;
}

void new_name_end(struct new_name *n)
{
	mutex_release(&dentry_inode(n->parent.dentry)->mutex);
	dentry_put(n->dentry);
	path_put(n->parent);
}

/* Between new_name_begin and _end. */
static int make(struct new_name *n, struct create *c)
{
	struct inode *dir = dentry_inode(n->parent.dentry), *i;
	int err = may_create(dir);

	if (err)
		return err;
	if (!dir->ops->create)
		return -EPERM;
	err = dir->ops->create(dir, n->name, c, &i);
	if (err)
		return err;
	dentry_instantiate(n->dentry, i);
	notify_name(dir, n->name, IN_CREATE, 0, i);
	inode_put(i);
	return 0;
}

static int make_node(struct path base, const char *name, u32 mode, u64 rdev, const char *target,
                     struct path *out)
{
	struct new_name n;
	struct create c;
	int err = new_name_begin(base, name, S_ISDIR(mode), 0, &n);

	if (err)
		return err;
	if (!target)
		mode &= ~caller_umask();
	create_init(&c, dentry_inode(n.parent.dentry), mode);
	c.rdev = rdev;
	c.target = target;
	err = make(&n, &c);
	if (!err && out)
		*out = path_get((struct path){n.parent.mnt, n.dentry});
	new_name_end(&n);
	return err;
}

int vfs_mknod(struct path base, const char *name, u32 mode, u64 rdev)
{
	/* An overlay's mark for a removed name is no device: anybody may make it. */
	bool whiteout = S_ISCHR(mode) && rdev == 0;

	if ((mode & S_IFMT) == 0)
		mode |= S_IFREG;
	mode &= S_IFMT | 07777;
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return -EPERM;
	case S_IFCHR:
	case S_IFBLK:
		if (!whiteout && !cred_has_cap(caller_cred(), CAP_MKNOD)) {
			struct new_name n;
			int err = new_name_begin(base, name, false, 0, &n);

			/* An existing name comes before the lack of the right. */
			if (err)
				return err;
			err = may_create(dentry_inode(n.parent.dentry));
			new_name_end(&n);
			return err ? err : -EPERM;
		}
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		rdev = 0;
		break;
	default:
		return -EINVAL;
	}
	return make_node(base, name, mode, rdev, NULL, NULL);
}

int vfs_mksocket(struct path base, const char *name, u32 mode, struct path *out)
{
	return make_node(base, name, S_IFSOCK | (mode & 07777), 0, NULL, out);
}

int vfs_mkdir(struct path base, const char *name, u32 mode)
{
	return make_node(base, name, S_IFDIR | (mode & 01777), 0, NULL, NULL);
}

int vfs_symlink(const char *target, struct path base, const char *name)
{
	if (!*target)
		return -ENOENT;
	return make_node(base, name, S_IFLNK | 0777, 0, target, NULL);
}

/*
 * proc_sys_fs(5), protected_hardlinks: not to other people's special, set-ID
 * or unreadable files.
 */
static int may_link(struct inode *i)
{
	const struct cred *c = caller_cred();
	u32 mode = inode_mode(i);

	if (!atomic_load_explicit(&vfs_protection.hardlinks, memory_order_relaxed) ||
	    inode_owner_or_capable(i, c))
		return 0;
	if (!S_ISREG(mode) || (mode & S_ISUID) ||
	    (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
	    inode_permission(i, c, MAY_READ | MAY_WRITE) != 0)
		return -EPERM;
	return 0;
}

static int link_locked(struct path old, struct new_name *n)
{
	struct inode *dir = dentry_inode(n->parent.dentry), *i = dentry_inode(old.dentry);
	struct attr a;
	int err;

	if (old.mnt != n->parent.mnt)
		return -EXDEV;
	err = may_link(i);
	if (!err)
		err = may_create(dir);
	if (err)
		return err;
	if (i->sb != dir->sb)
		return -EXDEV;
	if (!dir->ops->link || inode_is_dir(i))
		return -EPERM;
	inode_attr(i, &a);
	if (a.nlink == 0 && !atomic_load(&i->linkable))
		return -ENOENT;
	err = dir->ops->link(dir, n->name, i);
	if (err)
		return err;
	atomic_store(&i->linkable, false);
	dentry_instantiate(n->dentry, i);
	return 0;
}

int vfs_link(struct path old, struct path base, const char *name)
{
	struct new_name n;
	int err = new_name_begin(base, name, false, 0, &n);

	if (err)
		return err;
	err = link_locked(old, &n);
	if (!err) {
		struct inode *i = dentry_inode(old.dentry);

		notify_event(i, NULL, IN_ATTRIB);
		notify_name(dentry_inode(n.parent.dentry), n.name, IN_CREATE, 0, i);
	}
	new_name_end(&n);
	return err;
}

ssize_t vfs_readlink(struct path path, char *buf, size_t size)
{
	struct inode *i = dentry_inode(path.dentry);
	ssize_t n;

	if (!i->ops->readlink)
		return -EINVAL;
	n = i->ops->readlink(i, buf, size);
	if (n >= 0)
		path_accessed(path, i);
	return n;
}
