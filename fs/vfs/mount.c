/*
 * Mounts as objects, the lookup of mountpoints, and namespaces. Changes of the
 * tree are in mount_change.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mount.h>
#include "base/census.h"
#include "fs/vfs/mount_internal.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/super.h"

#define HASH_SIZE 512

static CENSUS(mount_census, "mount");
static CENSUS(mount_ns_census, "mount namespace");

struct lock mounts_lock = LOCK_INIT(RANK_MOUNTS);
static LIST_HEAD(, mount) buckets[HASH_SIZE]; /* guarded by mounts_lock */
static _Atomic u32 next_id = 1;

static size_t place_hash(const struct mount *parent, const struct dentry *d)
{
	u64 h = ((uintptr_t)parent >> 5) * 0x9e3779b97f4a7c15ULL ^ ((uintptr_t)d >> 5);

	return (h * 0xff51afd7ed558ccdULL) >> 55;
}

u64 mount_flags_effective(u64 flags)
{
	/* As mount(2): relatime unless another rule was asked for. */
	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		flags |= MS_RELATIME;
	return flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME |
	                MS_RELATIME | MS_NOSYMFOLLOW);
}

struct mount *mount_alloc(void)
{
	struct mount *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	ref_init(&m->ref);
	m->id = atomic_fetch_add(&next_id, 1);
	TAILQ_INIT(&m->children);
	census_add(&mount_census, 1);
	return m;
}

struct mount *mount_create(struct super *sb, struct dentry *root, u64 flags)
{
	struct mount *m = root ? mount_alloc() : NULL;

	if (!m) {
		dentry_put(root);
		super_put(sb);
		return NULL;
	}
	m->sb = sb;
	m->root = root;
	m->flags = mount_flags_effective(flags);
	return m;
}

struct mount *mount_get(struct mount *m)
{
	if (m)
		ref_get(&m->ref);
	return m;
}

void mount_put(struct mount *m)
{
	u32 mark;

	if (!m)
		return;
	/* A use takes back the mark of MNT_EXPIRE, in two steps: see mount_detach. */
	mark = atomic_load_explicit(&m->expiry, memory_order_relaxed);
	if (mark)
		atomic_compare_exchange_strong(&m->expiry, &mark, mark - 1);
	if (!ref_put(&m->ref))
		return;
	BUG_ON(m->parent || m->ns);
	dentry_put(m->root);
	super_put(m->sb);
	free(m);
	census_add(&mount_census, -1);
}

struct path path_get(struct path p)
{
	mount_get(p.mnt);
	if (p.dentry)
		dentry_get(p.dentry);
	return p;
}

void path_put(struct path p)
{
	dentry_put(p.dentry);
	mount_put(p.mnt);
}

bool path_equal(struct path a, struct path b)
{
	return a.mnt == b.mnt && a.dentry == b.dentry;
}

struct mount *mount_peek(const struct mount *parent, const struct dentry *d)
{
	struct mount *m;

	LIST_FOREACH (m, &buckets[place_hash(parent, d)], hash_link) {
		if (m->parent == parent && m->mountpoint == d)
			return m;
	}
	return NULL;
}

struct mount *mount_peek_any(const struct dentry *d)
{
	struct mount *m;

	for (size_t i = 0; i < HASH_SIZE; i++) {
		LIST_FOREACH (m, &buckets[i], hash_link) {
			if (m->mountpoint == d && m->ns)
				return m;
		}
	}
	return NULL;
}

struct path mount_peek_top(struct path p)
{
	struct mount *m;

	while (atomic_load_explicit(&p.dentry->mounts, memory_order_relaxed) &&
	       (m = mount_peek(p.mnt, p.dentry)))
		p = (struct path){m, m->root};
	return p;
}

void mount_place(struct mount *m, struct mount *parent, struct dentry *d)
{
	m->parent = mount_get(parent);
	m->mountpoint = dentry_get(d);
	atomic_fetch_add(&d->mounts, 1);
	LIST_INSERT_HEAD(&buckets[place_hash(parent, d)], m, hash_link);
	TAILQ_INSERT_TAIL(&parent->children, m, child_link);
	name_epoch_end();
}

void mount_unplace(struct mount *m)
{
	LIST_REMOVE(m, hash_link);
	TAILQ_REMOVE(&m->parent->children, m, child_link);
	atomic_fetch_sub(&m->mountpoint->mounts, 1);
	m->gone_parent = m->parent;
	m->gone_mountpoint = m->mountpoint;
	m->parent = NULL;
	m->mountpoint = NULL;
	name_epoch_end();
}

struct mount *mount_next(struct mount *m, struct mount *top)
{
	if (!TAILQ_EMPTY(&m->children))
		return TAILQ_FIRST(&m->children);
	while (m != top) {
		if (TAILQ_NEXT(m, child_link))
			return TAILQ_NEXT(m, child_link);
		m = m->parent;
	}
	return NULL;
}

void mount_take_out(struct mount *top, struct mount_list *gone)
{
	struct mount_list subtree = TAILQ_HEAD_INITIALIZER(subtree);
	struct mount *m;

	/* Two passes, as taking a mount from its place breaks the way to the next. */
	for (m = top; m; m = mount_next(m, top)) {
		TAILQ_REMOVE(&m->ns->mounts, m, ns_link);
		m->ns->count--;
		m->ns = NULL;
		TAILQ_INSERT_TAIL(&subtree, m, ns_link);
	}
	TAILQ_FOREACH (m, &subtree, ns_link) {
		if (m->parent)
			mount_unplace(m);
	}
	TAILQ_CONCAT(gone, &subtree, ns_link);
}

void mount_drop_place(struct mount *m)
{
	dentry_put(m->gone_mountpoint);
	mount_put(m->gone_parent);
	m->gone_mountpoint = NULL;
	m->gone_parent = NULL;
}

void mount_drop_list(struct mount_list *gone)
{
	struct mount *m;

	while ((m = TAILQ_FIRST(gone))) {
		TAILQ_REMOVE(gone, m, ns_link);
		mount_drop_place(m);
		mount_put(m);
	}
}

bool mount_follow_down(struct path *p)
{
	bool moved = false;

	if (!p->mnt)
		return false;
	while (atomic_load_explicit(&p->dentry->mounts, memory_order_relaxed)) {
		struct path top;

		lock_acquire(&mounts_lock);
		top = path_get(mount_peek_top(*p));
		lock_release(&mounts_lock);
		if (top.mnt == p->mnt) {
			path_put(top);
			break;
		}
		path_put(*p);
		*p = top;
		moved = true;
	}
	return moved;
}

bool mount_follow_up(struct path *p)
{
	struct path up = {NULL, NULL};

	if (!p->mnt || p->dentry != p->mnt->root)
		return false;
	lock_acquire(&mounts_lock);
	if (p->mnt->parent)
		up = path_get((struct path){p->mnt->parent, p->mnt->mountpoint});
	lock_release(&mounts_lock);
	if (!up.mnt)
		return false;
	path_put(*p);
	*p = up;
	return true;
}

static void mount_ns_free(struct ns *n)
{
	struct mount_ns *ns = mount_ns_of(n);
	struct mount_list gone = TAILQ_HEAD_INITIALIZER(gone);

	lock_acquire(&mounts_lock);
	if (ns->root)
		mount_take_out(ns->root, &gone);
	lock_release(&mounts_lock);
	mount_drop_list(&gone);
	ns_destroy(n);
	free(ns);
	census_add(&mount_ns_census, -1);
}

static int mount_ns_alloc(struct user_ns *owner, struct mount_ns **out)
{
	struct mount_ns *ns = calloc(1, sizeof(*ns));
	int err = ns ? ns_init(&ns->ns, NS_MNT, owner, mount_ns_free) : -ENOMEM;

	if (err) {
		free(ns);
		return err;
	}
	TAILQ_INIT(&ns->mounts);
	census_add(&mount_ns_census, 1);
	*out = ns;
	return 0;
}

struct ns *mount_ns_base(struct mount_ns *ns)
{
	return &ns->ns;
}

struct mount_ns *mount_ns_of(struct ns *n)
{
	BUG_ON(n->kind != NS_MNT);
	return container_of(n, struct mount_ns, ns);
}

void mount_ns_add(struct mount_ns *ns, struct mount *m)
{
	m->ns = ns;
	ns->count++;
	TAILQ_INSERT_TAIL(&ns->mounts, m, ns_link);
}

int mount_ns_create(struct super *sb, u64 flags, struct user_ns *owner, struct mount_ns **out)
{
	struct mount_ns *ns;
	struct mount *m;
	int err = mount_ns_alloc(owner, &ns);

	if (err)
		return err;
	m = mount_create(super_get(sb), super_root_dentry(sb), flags);
	if (!m) {
		mount_ns_put(ns);
		return -ENOMEM;
	}
	lock_acquire(&mounts_lock);
	mount_ns_add(ns, m);
	ns->root = m;
	lock_release(&mounts_lock);
	*out = ns;
	return 0;
}

int mount_ns_clone(struct mount_ns *old, struct user_ns *owner, struct mount_ns **out,
                   struct path *root, struct path *cwd)
{
	struct mount_list copies = TAILQ_HEAD_INITIALIZER(copies);
	struct path *fix[2] = {root, cwd};
	struct mount_ns *ns;
	struct path top;
	struct mount *m;
	int err = mount_ns_alloc(owner, &ns);

	if (err)
		return err;
	top = mount_ns_root(old);
	err = mount_copy_tree(top.mnt, top.dentry, true, &copies, fix);
	path_put(top);
	if (err) {
		mount_ns_put(ns);
		return err;
	}
	lock_acquire(&mounts_lock);
	ns->root = TAILQ_FIRST(&copies);
	while ((m = TAILQ_FIRST(&copies))) {
		TAILQ_REMOVE(&copies, m, ns_link);
		m->locked |= ns->ns.owner != old->ns.owner;
		mount_ns_add(ns, m);
	}
	lock_release(&mounts_lock);
	*out = ns;
	return 0;
}

struct mount_ns *mount_ns_get(struct mount_ns *ns)
{
	if (ns)
		ns_get(&ns->ns);
	return ns;
}

void mount_ns_put(struct mount_ns *ns)
{
	if (ns)
		ns_put(&ns->ns);
}

struct path mount_ns_root(struct mount_ns *ns)
{
	struct path p;

	lock_acquire(&mounts_lock);
	/* Something may have been mounted over the root. */
	p = path_get(mount_peek_top((struct path){ns->root, ns->root->root}));
	lock_release(&mounts_lock);
	return p;
}

/* The lock is not held over fn, so the walk goes from one held mount to the next. */
void mount_ns_each(struct mount_ns *ns, bool (*fn)(struct mount *m, void *arg), void *arg)
{
	struct mount *m, *next;
	bool more = true;

	lock_acquire(&mounts_lock);
	m = mount_get(TAILQ_FIRST(&ns->mounts));
	lock_release(&mounts_lock);
	while (m) {
		more = more && fn(m, arg);
		lock_acquire(&mounts_lock);
		/* One that was unmounted meanwhile no longer knows its neighbours. */
		next = more && m->ns == ns ? mount_get(TAILQ_NEXT(m, ns_link)) : NULL;
		lock_release(&mounts_lock);
		mount_put(m);
		m = next;
	}
}
