/*
 * Where a path lies in the mount tree: its absolute name, and what is below what.
 */
#include <string.h>
#include "fs/vfs/mount_internal.h"
#include "fs/vfs/vfs_internal.h"

/* A string that grows to the left. */
struct left {
	char *start, *floor;
	bool full;
};

static void left_add(struct left *l, const char *s, size_t n)
{
	if ((size_t)(l->start - l->floor) < n) {
		l->full = true;
		return;
	}
	l->start -= n;
	memcpy(l->start, s, n);
}

/* Climbs from p to root (or to the top) and writes the names down. True if root was met. */
static bool add_names(struct left *l, struct path p, struct path root)
{
	for (;;) {
		struct dentry *d = p.dentry;

		if (path_equal(p, root))
			return true;
		if (p.mnt && d == p.mnt->root) {
			if (!p.mnt->parent)
				return false;
			p = (struct path){p.mnt->parent, p.mnt->mountpoint};
			continue;
		}
		if (d->parent == d && d->name[0] == '/')
			return false;
		left_add(l, d->name, d->name_len);
		left_add(l, "/", 1);
		/* A name without a tree ("memfd:x") is reachable in its own way. */
		if (d->parent == d)
			return !p.mnt;
		p.dentry = d->parent;
	}
}

char *path_name(struct path p, struct path root, char *buf, size_t size, bool *reachable)
{
	struct left l = {.start = buf + size, .floor = buf};
	struct lock *read_lock;
	const char *end;
	bool met;

	left_add(&l, "", 1);
	lock_acquire(&mounts_lock);
	read_lock = dcache_read_lock();
	if (atomic_load_explicit(&p.dentry->unhashed, memory_order_relaxed))
		left_add(&l, " (deleted)", 10);
	end = l.start;
	met = add_names(&l, p, root);
	lock_release(read_lock);
	lock_release(&mounts_lock);
	if (l.start == end)
		left_add(&l, "/", 1);
	if (!met)
		left_add(&l, PATH_UNREACHABLE, strlen(PATH_UNREACHABLE));
	if (reachable)
		*reachable = met;
	return l.full ? NULL : l.start;
}

char *dentry_path(struct dentry *d, char *buf, size_t size)
{
	struct left l = {.start = buf + size, .floor = buf};
	struct lock *read_lock;
	const char *end;

	left_add(&l, "", 1);
	end = l.start;
	read_lock = dcache_read_lock();
	for (; d->parent != d; d = d->parent) {
		left_add(&l, d->name, d->name_len);
		left_add(&l, "/", 1);
	}
	lock_release(read_lock);
	if (l.start == end)
		left_add(&l, "/", 1);
	return l.full ? NULL : l.start;
}

bool path_is_below(struct path p, struct path base)
{
	struct lock *read_lock;
	bool below = false;

	lock_acquire(&mounts_lock);
	read_lock = dcache_read_lock();
	for (;;) {
		if (path_equal(p, base)) {
			below = true;
			break;
		}
		if (p.mnt && p.dentry == p.mnt->root) {
			if (!p.mnt->parent)
				break;
			p = (struct path){p.mnt->parent, p.mnt->mountpoint};
		} else if (p.dentry->parent == p.dentry) {
			break;
		} else {
			p.dentry = p.dentry->parent;
		}
	}
	lock_release(read_lock);
	lock_release(&mounts_lock);
	return below;
}
