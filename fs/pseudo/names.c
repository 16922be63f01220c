/*
 * The end of names whose object has ended.
 *
 * A cached name holds its inode, and that the object. Left alone, those of what is gone would stay
 * until the cache is full, of objects that may be large: a process that has looked at /proc/self
 * leaves two names, each of which holds all that is left of it.
 *
 * The object lists its inodes. An inode does not know its name in the cache, so that is looked for
 * by the path. A lookup that is under way has found the object before its end, but may not have
 * cached the name: it holds the directory's mutex from the one to the other, and so does who
 * forgets.
 */
#include "fs/pseudo/pseudo_internal.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/super.h"
#include <string.h>

#define PATH_LEN 64

void pseudo_names_init(struct pseudo_names *n)
{
	lock_init(&n->lock, RANK_OBJECT);
	LIST_INIT(&n->inodes);
	n->ended = false;
}

static struct pseudo_names *names_of(const struct pseudo_inode *pi)
{
	return pi->node->names(&pi->ref);
}

bool pseudo_names_add(struct pseudo_inode *pi)
{
	struct pseudo_names *n = names_of(pi);

	lock_guard(&n->lock);
	if (n->ended)
		return false;
	LIST_INSERT_HEAD(&n->inodes, pi, names_link);
	pi->listed = true;
	return true;
}

static void unlist_locked(struct pseudo_inode *pi)
{
	if (pi->listed)
		LIST_REMOVE(pi, names_link);
	pi->listed = false;
}

void pseudo_names_drop(struct pseudo_inode *pi)
{
	lock_guard(&names_of(pi)->lock);
	unlist_locked(pi);
}

bool pseudo_names_end(struct pseudo_names *n)
{
	lock_guard(&n->lock);
	n->ended = true;
	return !LIST_EMPTY(&n->inodes);
}

/* One of them, +1, which is none any more; or NULL. */
static struct pseudo_inode *take_name(struct pseudo_names *n)
{
	struct pseudo_inode *pi;

	lock_guard(&n->lock);
	while ((pi = LIST_FIRST(&n->inodes))) {
		unlist_locked(pi);
		if (ref_get_unless_zero(&pi->inode.ref))
			return pi;
	}
	return NULL;
}

/* Of the path's last name the directory as far as it is cached, +1, or NULL; *last: that name. */
static struct dentry *find_dir(struct super *sb, const char *path, const char **last)
{
	struct dentry *dir = super_root_dentry(sb), *next;
	const char *end;

	while (dir && (end = strchr(path, '/'))) {
		next = dentry_find(dir, path, (size_t)(end - path));
		dentry_put(dir);
		dir = next;
		path = end + 1;
	}
	*last = path;
	return dir;
}

static void forget(struct pseudo_inode *pi, struct super *sb)
{
	char path[PATH_LEN];
	const char *name;
	struct dentry *dir, *d;

	pi->node->path(&pi->ref, path, sizeof(path));
	dir = find_dir(sb, path, &name);
	if (dir && dentry_inode(dir)) {
		mutex_guard(&dentry_inode(dir)->mutex);
		d = dentry_find(dir, name, strlen(name));
		/* It may be a successor's of the same name by now. */
		if (d && dentry_inode(d) == &pi->inode) {
			dentry_unhash(d);
			dentry_prune(d);
		}
		dentry_put(d);
	}
	dentry_put(dir);
}

void pseudo_names_forget(struct pseudo_names *n)
{
	struct pseudo_inode *pi;
	struct super *sb;

	while ((pi = take_name(n))) {
		sb = pi->inode.sb;
		/* One that nobody uses any more has no names, and is not to get a root again. */
		if (ref_get_unless_zero(&sb->ref)) {
			forget(pi, sb);
			super_put(sb);
		}
		inode_put(&pi->inode);
	}
}
