/*
 * rename(2) and renameat2(2).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include "base/caller.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/vfs_internal.h"

struct rename_side {
	struct path parent;
	struct dentry *dentry;
	char name[NAME_LEN_MAX + 1];
	bool slash;
};

static struct inode *dir_of(const struct rename_side *s)
{
	return dentry_inode(s->parent.dentry);
}

static bool is_special(const char *name)
{
	return name[0] == '/' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/*
 * Both directories, ancestor first; unrelated ones by address. While
 * rename_mutex is held no directory of the super block changes its parent, so
 * 'ancestor' stays true.
 */
static void lock_dirs(struct rename_side *a, struct rename_side *b)
{
	struct inode *first = dir_of(a), *second = dir_of(b);

	if (first == second) {
		mutex_acquire(&first->mutex);
		return;
	}
	mutex_acquire(&first->sb->rename_mutex);
	if (dentry_is_below(a->parent.dentry, b->parent.dentry) ||
	    (!dentry_is_below(b->parent.dentry, a->parent.dentry) && second < first)) {
		first = dir_of(b);
		second = dir_of(a);
	}
	mutex_acquire(&first->mutex);
	mutex_acquire_nested(&second->mutex);
}

static void unlock_dirs(struct rename_side *a, struct rename_side *b)
{
	struct inode *first = dir_of(a), *second = dir_of(b);

	mutex_release(&first->mutex);
	if (first == second)
		return;
	mutex_release(&second->mutex);
	mutex_release(&first->sb->rename_mutex);
}

/* What the names alone decide, fs/namei.c:do_renameat2 after its lookups. */
static int check_names(const struct rename_side *from, const struct rename_side *to, u32 flags)
{
	struct inode *old = dentry_inode(from->dentry), *new = dentry_inode(to->dentry);

	if (!old)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && new)
		return -EEXIST;
	if (flags & RENAME_EXCHANGE) {
		if (!new)
			return -ENOENT;
		if (!inode_is_dir(new) && to->slash)
			return -ENOTDIR;
	}
	if (!inode_is_dir(old) && (from->slash || (!(flags & RENAME_EXCHANGE) && to->slash)))
		return -ENOTDIR;
	/* A directory cannot go below itself, nor replace one that it is in. */
	if (dentry_is_below(to->parent.dentry, from->dentry))
		return -EINVAL;
	if (new &&dentry_is_below(from->parent.dentry, to->dentry))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

/* Rights, fs/namei.c:vfs_rename. */
static int check_rights(const struct rename_side *from, const struct rename_side *to, u32 flags)
{
	struct inode *old = dentry_inode(from->dentry), *new = dentry_inode(to->dentry);
	const struct cred *c = caller_cred();
	bool is_dir = inode_is_dir(old), exchange = flags & RENAME_EXCHANGE;
	int err = may_delete(dir_of(from), from->dentry, is_dir);

	if (err)
		return err;
	if (!new)
		err = may_create(dir_of(to));
	else
		err = may_delete(dir_of(to), to->dentry, exchange ? inode_is_dir(new) : is_dir);
	if (err)
		return err;
	if (!dir_of(from)->ops->rename)
		return -EPERM;
	/* A directory that changes its parent has its ".." rewritten. */
	if (dir_of(from) != dir_of(to)) {
		if (is_dir)
			err = inode_permission(old, c, MAY_WRITE);
		if (!err && exchange && inode_is_dir(new))
			err = inode_permission(new, c, MAY_WRITE);
	}
	return err;
}

static int rename_op(struct rename_side *from, struct rename_side *to, u32 flags)
{
	struct inode *old = dentry_inode(from->dentry), *new = dentry_inode(to->dentry);
	bool replaces_dir = new &&inode_is_dir(new) && !(flags & RENAME_EXCHANGE);
	int err;

	/* As in rmdir: nothing may appear in a directory that is being replaced. */
	if (replaces_dir)
		mutex_acquire_nested(&new->mutex);
	err = dir_of(from)->ops->rename(dir_of(from), from->name, old, dir_of(to), to->name, new,
	                                flags & ~(u32)RENAME_NOREPLACE);
	if (replaces_dir) {
		if (!err)
			inode_set_dead(new);
		mutex_release(&new->mutex);
	}
	return err;
}

static void move_dentries(struct rename_side *from, struct rename_side *to, u32 flags)
{
	if (flags & RENAME_EXCHANGE) {
		dentry_exchange(from->dentry, to->dentry);
		return;
	}
	dentry_unhash(to->dentry);
	/* Without memory for the name the cache forgets it: the file system knows. */
	if (dentry_move(from->dentry, to->parent.dentry, to->name, strlen(to->name)) != 0)
		dentry_unhash(from->dentry);
}

static void notify_move(struct inode *i, struct rename_side *from, struct rename_side *to)
{
	u32 cookie = notify_cookie();

	notify_name(dir_of(from), from->name, IN_MOVED_FROM, cookie, i);
	notify_name(dir_of(to), to->name, IN_MOVED_TO, cookie, i);
	notify_event(i, NULL, IN_MOVE_SELF);
}

static int rename_locked(struct rename_side *from, struct rename_side *to, u32 flags)
{
	struct inode *old, *new;
	int err = walk_child(from->parent, from->name, true, &from->dentry);

	if (!err)
		err = walk_child(to->parent, to->name, true, &to->dentry);
	if (!err)
		err = check_names(from, to, flags);
	if (err)
		return err;
	old = inode_get(dentry_inode(from->dentry));
	new = dentry_inode(to->dentry) ? inode_get(dentry_inode(to->dentry)) : NULL;
	/* Two links of one file: rename(2) does nothing, successfully. */
	if (old != new) {
		err = check_rights(from, to, flags);
		if (!err)
			err = rename_op(from, to, flags);
		if (!err) {
			move_dentries(from, to, flags);
			notify_move(old, from, to);
			if (flags & RENAME_EXCHANGE)
				notify_move(new, to, from);
			else if (new && !inode_is_dir(new))
				notify_event(new, NULL, IN_ATTRIB);
		}
	}
	inode_put(old);
	inode_put(new);
	return err;
}

int vfs_rename(struct path oldbase, const char *oldname, struct path newbase, const char *newname,
               u32 flags)
{
	struct rename_side from = {.dentry = NULL}, to = {.dentry = NULL};
	int err;

	if (flags & ~(u32)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	err = walk_parent(oldbase, oldname, 0, &from.parent, from.name, &from.slash);
	if (err)
		return err;
	err = walk_parent(newbase, newname, 0, &to.parent, to.name, &to.slash);
	if (err) {
		path_put(from.parent);
		return err;
	}
	if (from.parent.mnt != to.parent.mnt)
		err = -EXDEV;
	else if (is_special(from.name))
		err = -EBUSY;
	else if (is_special(to.name))
		err = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	else
		err = vfs_want_write(from.parent);
	if (!err) {
		lock_dirs(&from, &to);
		err = rename_locked(&from, &to, flags);
		unlock_dirs(&from, &to);
		/* What was replaced: outside the locks, as this may be its end. */
		if (!err && !(flags & RENAME_EXCHANGE)) {
			dentry_prune(to.dentry);
			mount_detach_all_at(to.dentry);
		}
	}
	dentry_put(from.dentry);
	dentry_put(to.dentry);
	path_put(from.parent);
	path_put(to.parent);
	return err;
}
