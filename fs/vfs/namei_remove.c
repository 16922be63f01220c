/*
 * Removing names: unlink and rmdir.
 */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include "fs/notify/inotify.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/vfs_internal.h"

/* The directory (held, mutex taken) and the dentry of what is to go (held). */
struct removal {
	struct path parent;
	struct dentry *victim;
	char name[NAME_LEN_MAX + 1];
	bool slash;
};

static int removal_begin(struct path base, const char *name, const int special[3],
                         struct removal *r)
{
	struct inode *dir;
	int err = walk_parent(base, name, 0, &r->parent, r->name, &r->slash);

	if (err)
		return err;
	if (strcmp(r->name, ".") == 0)
		err = special[0];
	else if (strcmp(r->name, "..") == 0)
		err = special[1];
	else if (r->name[0] == '/')
		err = special[2];
	else
		err = vfs_want_write(r->parent);
	if (err) {
		path_put(r->parent);
		return err;
	}
	dir = dentry_inode(r->parent.dentry);
	mutex_acquire(&dir->mutex);
	err = walk_child(r->parent, r->name, true, &r->victim);
	if (err) {
		mutex_release(&dir->mutex);
		path_put(r->parent);
	}
	return err;
}

/* The op has been done (err 0) or not: what follows for caches and watchers. */
static void removal_end(struct removal *r, int err)
{
	struct inode *dir = dentry_inode(r->parent.dentry), *i = dentry_inode(r->victim);
	bool is_dir = i && inode_is_dir(i);

	if (!err)
		dentry_unhash(r->victim);
	mutex_release(&dir->mutex);
	if (!err) {
		if (is_dir)
			/* Its negative children would keep it alive. */
			dentry_prune(r->victim);
		else
			notify_event(i, NULL, IN_ATTRIB);
		mount_detach_all_at(r->victim);
		inode_get(i);
	}
	/* The end of the object, if this is it, comes before the news of the name's. */
	dentry_put(r->victim);
	if (!err) {
		notify_name(dir, r->name, IN_DELETE, 0, i);
		inode_put(i);
	}
	path_put(r->parent);
}

int vfs_unlink(struct path base, const char *name)
{
	static const int special[3] = {-EISDIR, -EISDIR, -EISDIR};
	struct removal r;
	struct inode *dir, *i;
	int err = removal_begin(base, name, special, &r);

	if (err)
		return err;
	dir = dentry_inode(r.parent.dentry);
	i = dentry_inode(r.victim);
	if (!i)
		err = -ENOENT;
	else if (r.slash)
		err = inode_is_dir(i) ? -EISDIR : -ENOTDIR;
	else
		err = may_delete(dir, r.victim, false);
	if (!err)
		err = dir->ops->unlink ? dir->ops->unlink(dir, r.name, i) : -EPERM;
	removal_end(&r, err);
	return err;
}

int vfs_rmdir(struct path base, const char *name)
{
	/* rmdir(2): a path that ends in "." is invalid, in ".." is not empty; "/" is busy. */
	static const int special[3] = {-EINVAL, -ENOTEMPTY, -EBUSY};
	struct removal r;
	struct inode *dir, *i;
	int err = removal_begin(base, name, special, &r);

	if (err)
		return err;
	dir = dentry_inode(r.parent.dentry);
	i = dentry_inode(r.victim);
	err = may_delete(dir, r.victim, true);
	if (!err) {
		/* Nothing may be made in it, or mounted on it, between 'empty' and 'gone'. */
		mutex_acquire_nested(&i->mutex);
		err = dir->ops->rmdir ? dir->ops->rmdir(dir, r.name, i) : -EPERM;
		if (!err)
			inode_set_dead(i);
		mutex_release(&i->mutex);
	}
	removal_end(&r, err);
	return err;
}
