/*
 * Copies of mount trees: for new namespaces and recursive bind mounts.
 */
#include <errno.h>
#include "fs/vfs/mount_internal.h"
#include "fs/vfs/super.h"

/* Is m, whose parent was looked at before, part of the copy? */
static bool belongs(struct mount *m, struct mount *top, struct dentry *root)
{
	if (m == top)
		return true;
	if (!m->parent->copy)
		return false;
	return m->parent != top || dentry_is_below(m->mountpoint, root);
}

static u32 count_tree(struct mount *top, bool recursive)
{
	u32 n = 0;

	for (struct mount *m = top; m; m = recursive ? mount_next(m, top) : NULL)
		n++;
	return n;
}

static void copy_one(struct mount *c, struct mount *m, struct dentry *root)
{
	c->sb = super_get(m->sb);
	c->root = dentry_get(root);
	c->flags = m->flags;
	c->locked = m->locked;
	m->copy = c;
	if (m->parent && m->parent->copy)
		mount_place(c, m->parent->copy, m->mountpoint);
}

/* Fills *spares up to n. */
static int add_spares(struct mount_list *spares, u32 *have, u32 n)
{
	if (n > MOUNTS_MAX)
		return -ENOSPC;
	for (; *have < n; ++*have) {
		struct mount *m = mount_alloc();

		if (!m)
			return -ENOMEM;
		TAILQ_INSERT_TAIL(spares, m, ns_link);
	}
	return 0;
}

int mount_copy_tree(struct mount *top, struct dentry *root, bool recursive, struct mount_list *out,
                    struct path *fix[2])
{
	struct mount_list spares = TAILQ_HEAD_INITIALIZER(spares);
	struct mount *m, *c, *old[2] = {NULL, NULL};
	u32 have = 0, need;

	/* Memory is had outside the lock; the tree may have grown meanwhile. */
	for (;;) {
		int err;

		lock_acquire(&mounts_lock);
		need = count_tree(top, recursive);
		if (need <= have)
			break;
		lock_release(&mounts_lock);
		err = add_spares(&spares, &have, need);
		if (err) {
			mount_drop_list(&spares);
			return err;
		}
	}
	for (m = top; m; m = recursive ? mount_next(m, top) : NULL) {
		if (!belongs(m, top, root))
			continue;
		c = TAILQ_FIRST(&spares);
		TAILQ_REMOVE(&spares, c, ns_link);
		copy_one(c, m, m == top ? root : m->root);
		TAILQ_INSERT_TAIL(out, c, ns_link);
	}
	for (int i = 0; fix && i < 2; i++) {
		if (!fix[i]->mnt || !fix[i]->mnt->copy)
			continue;
		old[i] = fix[i]->mnt;
		fix[i]->mnt = mount_get(old[i]->copy);
	}
	for (m = top; m; m = recursive ? mount_next(m, top) : NULL)
		m->copy = NULL;
	lock_release(&mounts_lock);
	mount_put(old[0]);
	mount_put(old[1]);
	mount_drop_list(&spares);
	return 0;
}
