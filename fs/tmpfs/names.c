/*
 * The operations on names. The VFS has checked rights and existence and holds
 * the directories' mutexes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fs/tmpfs/tmpfs_internal.h"

/* n entries more or fewer, and n_dirs of them directories (whose ".." is a link to dir). */
static void dir_changed(struct inode *dir, int n, int n_dirs)
{
	struct timespec now = inode_now();
	struct attr *a = inode_attr_change(dir);

	a->size = (u64)((s64)a->size + n * DIRENT_SIZE);
	a->nlink += (u32)n_dirs;
	a->mtime = a->ctime = now;
	inode_attr_changed(dir);
}

/* The entry for i loses its link; a directory's own two go together. */
static void drop_link(struct inode *i)
{
	struct timespec now = inode_now();
	struct attr *a = inode_attr_change(i);
	u32 left = S_ISDIR(a->mode) ? 0 : a->nlink - 1;

	a->nlink = left;
	a->ctime = now;
	inode_attr_changed(i);
	/* Each link beyond the first was charged as an inode. */
	if (left)
		tmpfs_uncharge_inode(fs_of(i));
}

int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct dirent_node *e = dir_find(&node_of(dir)->dir, name, len);

	if (!e)
		return -ENOENT;
	*out = inode_get(e->inode);
	return 0;
}

int tmpfs_create(struct inode *dir, const char *name, const struct create *c, struct inode **out)
{
	struct inode *i;
	int err = node_create(dir->sb, c, 0, &i);

	if (err)
		return err;
	err = dir_add(&node_of(dir)->dir, name, i);
	if (err) {
		inode_put(i);
		return err;
	}
	dir_changed(dir, 1, S_ISDIR(c->mode));
	*out = i;
	return 0;
}

int tmpfs_tmpfile(struct inode *dir, const struct create *c, struct inode **out)
{
	int err = node_create(dir->sb, c, 0, out);

	if (!err)
		inode_set_nlink(*out, 0);
	return err;
}

int tmpfs_link(struct inode *dir, const char *name, struct inode *target)
{
	struct timespec now = inode_now();
	struct attr a, *changed;
	int err;

	inode_attr(target, &a);
	/* mm/shmem.c:shmem_link: a link costs a dentry, so it counts as an inode; but the
	 * first one of an O_TMPFILE file has been paid for. */
	err = a.nlink ? tmpfs_charge_inode(fs_of(dir)) : 0;
	if (err)
		return err;
	err = dir_add(&node_of(dir)->dir, name, target);
	if (err) {
		if (a.nlink)
			tmpfs_uncharge_inode(fs_of(dir));
		return err;
	}
	changed = inode_attr_change(target);
	changed->nlink++;
	changed->ctime = now;
	inode_attr_changed(target);
	dir_changed(dir, 1, 0);
	return 0;
}

/* The entry, which must lead to the inode that the VFS found there. */
static struct dirent_node *entry_of(struct inode *dir, const char *name, struct inode *i)
{
	struct dirent_node *e = dir_find(&node_of(dir)->dir, name, strlen(name));

	return e && e->inode == i ? e : NULL;
}

int tmpfs_unlink(struct inode *dir, const char *name, struct inode *victim)
{
	struct dirent_node *e = entry_of(dir, name, victim);

	if (!e)
		return -ENOENT;
	drop_link(victim);
	dir_remove(&node_of(dir)->dir, e);
	dir_changed(dir, -1, 0);
	return 0;
}

int tmpfs_rmdir(struct inode *dir, const char *name, struct inode *victim)
{
	struct dirent_node *e = entry_of(dir, name, victim);

	if (!e)
		return -ENOENT;
	if (node_of(victim)->dir.names.count)
		return -ENOTEMPTY;
	drop_link(victim);
	dir_remove(&node_of(dir)->dir, e);
	dir_changed(dir, -1, -1);
	return 0;
}

static int exchange(struct inode *olddir, struct dirent_node *a, struct inode *newdir,
                    struct dirent_node *b)
{
	struct inode *i = a->inode;
	int dirs = (int)inode_is_dir(b->inode) - (int)inode_is_dir(i);

	a->inode = b->inode;
	b->inode = i;
	dir_changed(olddir, 0, dirs);
	dir_changed(newdir, 0, -dirs);
	inode_touch(a->inode, TOUCH_CTIME);
	inode_touch(b->inode, TOUCH_CTIME);
	return 0;
}

/* The mark that an overlay leaves where a name of its lower layer was renamed away. */
static int make_whiteout(struct inode *dir, struct inode **out)
{
	struct create c = {.mode = S_IFCHR};
	struct attr a;

	inode_attr(dir, &a);
	c.uid = a.uid;
	c.gid = a.gid;
	return node_create(dir->sb, &c, 0, out);
}

int tmpfs_rename(struct inode *olddir, const char *oldname, struct inode *victim,
                 struct inode *newdir, const char *newname, struct inode *replaced, u32 flags)
{
	struct dirent_node *from = entry_of(olddir, oldname, victim), *to = NULL;
	struct inode *whiteout = NULL, *dead = NULL;
	int is_dir = inode_is_dir(victim), err;

	if (!from)
		return -ENOENT;
	if (replaced) {
		to = entry_of(newdir, newname, replaced);
		if (!to)
			return -ENOENT;
	}
	if (flags & RENAME_EXCHANGE)
		return exchange(olddir, from, newdir, to);
	if (replaced && inode_is_dir(replaced) && node_of(replaced)->dir.names.count)
		return -ENOTEMPTY;
	err = flags & RENAME_WHITEOUT ? make_whiteout(olddir, &whiteout) : 0;
	if (err)
		return err;
	if (to) {
		/* The entry stays in its place in listings and gets another inode. */
		drop_link(replaced);
		dead = to->inode;
		to->inode = inode_get(victim);
		dir_changed(newdir, 0, is_dir - (int)inode_is_dir(replaced));
	} else {
		err = dir_add(&node_of(newdir)->dir, newname, victim);
		if (err) {
			inode_put(whiteout);
			return err;
		}
		dir_changed(newdir, 1, is_dir);
	}
	/* Adding may have moved nothing of the old entry: it is still `from`. */
	if (whiteout) {
		inode_put(from->inode);
		from->inode = whiteout;
		dir_changed(olddir, 0, -is_dir);
	} else {
		dir_remove(&node_of(olddir)->dir, from);
		dir_changed(olddir, -1, -is_dir);
	}
	inode_touch(victim, TOUCH_CTIME);
	inode_put(dead);
	return 0;
}
