/*
 * Names and places of dentries: rename, and looks upwards. A name or a parent
 * changes only under the cache's write lock, so a reader that wants more than one
 * step of it to be consistent takes the read lock for all of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/vfs/dentry_internal.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/vfs_internal.h"

/* What a rename takes away from a dentry; freed outside the lock. */
struct old_place {
	char *name;
	struct dentry *parent;
};

/* d must not be hashed. name_heap: a copy that d may own, or NULL when it fits inline. */
static struct old_place place_set(struct dentry *d, struct dentry *parent, const char *name,
                                  size_t len, char *name_heap)
{
	struct old_place old = {.name = d->name == d->inline_name ? NULL : d->name,
	                        .parent = d->parent};

	d->name = name_heap ? name_heap : d->inline_name;
	memmove(d->name, name, len);
	d->name[len] = 0;
	d->name_len = (u16)len;
	d->parent = dentry_get(parent);
	return old;
}

static void old_place_drop(struct old_place old)
{
	free(old.name);
	dentry_put(old.parent);
}

int dentry_move(struct dentry *d, struct dentry *newparent, const char *name, size_t len)
{
	struct old_place old;
	char *heap = NULL;

	if (!dcache_prepare(newparent))
		return -ENOMEM;
	if (len >= sizeof(d->inline_name)) {
		heap = malloc(len + 1);
		if (!heap)
			return -ENOMEM;
	}
	dcache_write_lock();
	if (dentry_is_hashed(d)) {
		dcache_unhash(d);
		old = place_set(d, newparent, name, len, heap);
		dcache_hash(d);
	} else {
		old = place_set(d, newparent, name, len, heap);
	}
	name_epoch_end_in(newparent->inode->sb);
	dcache_write_unlock();
	old_place_drop(old);
	return 0;
}

/* The heap names change hands, so that this cannot fail after the file system has renamed. */
void dentry_exchange(struct dentry *a, struct dentry *b)
{
	char inline_name[sizeof(a->inline_name)], *name;
	bool a_inline, b_inline, a_hashed, b_hashed;
	struct dentry *parent;
	u16 len;

	dcache_write_lock();
	a_hashed = dentry_is_hashed(a);
	b_hashed = dentry_is_hashed(b);
	if (a_hashed)
		dcache_unhash(a);
	if (b_hashed)
		dcache_unhash(b);
	a_inline = a->name == a->inline_name;
	b_inline = b->name == b->inline_name;
	memcpy(inline_name, a->inline_name, sizeof(inline_name));
	memcpy(a->inline_name, b->inline_name, sizeof(inline_name));
	memcpy(b->inline_name, inline_name, sizeof(inline_name));
	name = a->name;
	a->name = b_inline ? a->inline_name : b->name;
	b->name = a_inline ? b->inline_name : name;
	len = a->name_len;
	a->name_len = b->name_len;
	b->name_len = len;
	/* The references to the parents change hands with the places. */
	parent = a->parent;
	a->parent = b->parent;
	b->parent = parent;
	if (a_hashed)
		dcache_hash(a);
	if (b_hashed)
		dcache_hash(b);
	name_epoch_end_in(a->parent->inode->sb);
	dcache_write_unlock();
}

bool dentry_is_below(struct dentry *d, struct dentry *anc)
{
	struct lock *l = dcache_read_lock();

	while (d != anc && d->parent != d)
		d = d->parent;
	lock_release(l);
	return d == anc;
}

struct dentry *dentry_parent(struct dentry *d)
{
	struct lock *l = dcache_read_lock();
	struct dentry *parent = dentry_get(d->parent);

	lock_release(l);
	return parent;
}

size_t dentry_name(struct dentry *d, char *buf)
{
	struct lock *l = dcache_read_lock();
	size_t len = d->name_len;

	memcpy(buf, d->name, len + 1);
	lock_release(l);
	return len;
}
