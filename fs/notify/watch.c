/*
 * Watches: which instance wants which events of which inode, and the delivery
 * of what the VFS reports. See notify_internal.h for the lock.
 */
#include "fs/notify/notify_internal.h"
#include "fs/notify/inotify.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/account.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* fs.inotify.max_user_watches: Linux takes it from the size of memory, within 8192 and 1048576. */
#define MAX_USER_WATCHES (1 << 19)
#define VALID_BITS                                                                                 \
	((u32)(IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR |              \
	       IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD | IN_MASK_CREATE | IN_ISDIR |         \
	       IN_ONESHOT))
/* What of the caller's mask stays with the watch. */
#define KEPT_BITS ((u32)(IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK))

static struct lock watches_lock = LOCK_INIT(RANK_NOTIFY);
static struct watch_list all = LIST_HEAD_INITIALIZER(all); /* guarded by watches_lock */
static _Atomic u32 total;                                  /* its length; read without the lock */
static _Atomic u32 last_cookie;
static CENSUS(watch_census, "inotify watch");

static int watch_compare(const struct watch *a, const struct watch *b)
{
	return (a->wd > b->wd) - (a->wd < b->wd);
}

RB_GENERATE_INTERNAL(watch_tree, watch, node, watch_compare, unused_arg static)

/* ---- the set of watches --------------------------------------------------- */

static void marks_update_locked(struct notify_marks *m)
{
	struct watch *w;
	u32 mask = 0;

	LIST_FOREACH (w, &m->watches, inode_link)
		mask |= w->mask;
	atomic_store_explicit(&m->mask, mask, memory_order_relaxed);
}

/*
 * Takes the watch out of everything and tells its owner. The inode's reference and the
 * memory are left to watch_free, after the lock.
 */
static void watch_end_locked(struct watch *w, struct watch_list *ended)
{
	struct notify_marks *m = atomic_load(&w->inode->marks);

	inotify_queue(w->owner, w->wd, IN_IGNORED, 0, NULL, 0);
	RB_REMOVE(watch_tree, &w->owner->watches, w);
	account_uncharge(&w->owner->account->inotify_watches, 1);
	w->owner = NULL;
	LIST_REMOVE(w, inode_link);
	marks_update_locked(m);
	LIST_REMOVE(w, all_link);
	atomic_fetch_sub(&total, 1);
	LIST_INSERT_HEAD(ended, w, all_link);
}

static void watches_free(struct watch_list *ended)
{
	struct watch *w;

	while ((w = LIST_FIRST(ended)) != NULL) {
		LIST_REMOVE(w, all_link);
		inode_put(w->inode);
		census_add(&watch_census, -1);
		free(w);
	}
}

void watches_show(struct file *f, char *buf, size_t n)
{
	struct inotify *in = inotify_of(f);
	struct watch *w;
	size_t at = 0;

	lock_guard(&watches_lock);
	*buf = 0;
	RB_FOREACH (w, watch_tree, &in->watches) {
		u32 dev = w->inode->sb->dev;
		int len = snprintf(buf + at, n - at,
		                   "inotify wd:%x ino:%lx sdev:%x mask:%x ignored_mask:0\n", w->wd,
		                   w->inode->ino, (major(dev) << 20) | minor(dev), w->mask);

		if (len < 0 || (size_t)len >= n - at) {
			buf[at] = 0;
			return;
		}
		at += (size_t)len;
	}
}

void watches_drop(struct inotify *in)
{
	struct watch_list ended = LIST_HEAD_INITIALIZER(ended);
	struct watch *w;

	lock_acquire(&watches_lock);
	while ((w = RB_ROOT(&in->watches)) != NULL)
		watch_end_locked(w, &ended);
	lock_release(&watches_lock);
	watches_free(&ended);
}

static struct watch *watch_find_locked(struct inotify *in, int wd)
{
	struct watch key = {.wd = wd};

	return RB_FIND(watch_tree, &in->watches, &key);
}

/* The next free descriptor after the last one given: they are not used again soon. */
static int next_wd_locked(struct inotify *in)
{
	do {
		in->last_wd = in->last_wd == INT32_MAX ? 1 : in->last_wd + 1;
	} while (watch_find_locked(in, in->last_wd));
	return in->last_wd;
}

/* The inode's marks, made if need be. NULL: no memory. */
static struct notify_marks *marks_of(struct inode *i)
{
	struct notify_marks *m = atomic_load(&i->marks), *none = NULL;

	if (m)
		return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	LIST_INIT(&m->watches);
	if (atomic_compare_exchange_strong(&i->marks, &none, m))
		return m;
	free(m);
	return none;
}

void notify_marks_free(struct notify_marks *m)
{
	free(m);
}

/* Changes the watch that in already has on the inode: its descriptor, -EEXIST, or 0 for none. */
static int watch_change_locked(struct inotify *in, struct notify_marks *m, u32 mask)
{
	struct watch *w;

	LIST_FOREACH (w, &m->watches, inode_link) {
		if (w->owner != in)
			continue;
		if (mask & IN_MASK_CREATE)
			return -EEXIST;
		w->mask = mask & IN_MASK_ADD ? w->mask | (mask & KEPT_BITS) : mask & KEPT_BITS;
		marks_update_locked(m);
		return w->wd;
	}
	return 0;
}

int inotify_watch_add(struct file *f, struct inode *inode, u32 mask)
{
	struct inotify *in = inotify_of(f);
	int wd, err;

	if (!(mask & VALID_BITS) || mask & ~VALID_BITS)
		return -EINVAL;
	if (mask & IN_MASK_ADD && mask & IN_MASK_CREATE)
		return -EINVAL;
	if (!in)
		return -EINVAL;
	if (mask & IN_ONLYDIR && !inode_is_dir(inode))
		return -ENOTDIR;
	err = inode_permission(inode, caller_cred(), MAY_READ);
	if (err)
		return err;
	struct notify_marks *m = marks_of(inode);
	struct watch *fresh = m ? calloc(1, sizeof(*fresh)) : NULL;
	if (!fresh)
		return -ENOMEM;
	lock_acquire(&watches_lock);
	wd = watch_change_locked(in, m, mask);
	if (wd == 0 && !account_charge(&in->account->inotify_watches, 1, MAX_USER_WATCHES))
		wd = -ENOSPC;
	if (wd == 0) {
		fresh->owner = in;
		fresh->inode = inode_get(inode);
		fresh->mask = mask & KEPT_BITS;
		fresh->wd = wd = next_wd_locked(in);
		RB_INSERT(watch_tree, &in->watches, fresh);
		LIST_INSERT_HEAD(&m->watches, fresh, inode_link);
		LIST_INSERT_HEAD(&all, fresh, all_link);
		atomic_fetch_add(&total, 1);
		marks_update_locked(m);
		census_add(&watch_census, 1);
		fresh = NULL;
		/* From now on every access is to be seen. */
		fdtable_untell();
	}
	lock_release(&watches_lock);
	free(fresh);
	return wd;
}

int inotify_watch_remove(struct file *f, int wd)
{
	struct inotify *in = inotify_of(f);
	struct watch_list ended = LIST_HEAD_INITIALIZER(ended);

	if (!in)
		return -EINVAL;
	lock_acquire(&watches_lock);
	struct watch *w = watch_find_locked(in, wd);
	if (w)
		watch_end_locked(w, &ended);
	lock_release(&watches_lock);
	watches_free(&ended);
	return w ? 0 : -EINVAL;
}

/* ---- delivery ------------------------------------------------------------- */

struct event {
	u32 mask;  /* without IN_ISDIR */
	u32 extra; /* IN_ISDIR or 0 */
	u32 cookie;
	const char *name; /* NULL: about the inode itself */
	size_t len;
	bool unlinked; /* the name is gone: not for IN_EXCL_UNLINK */
};

static void deliver(struct inode *i, const struct event *ev)
{
	struct notify_marks *m = atomic_load_explicit(&i->marks, memory_order_acquire);
	struct watch_list ended = LIST_HEAD_INITIALIZER(ended);
	struct watch *w, *next;

	if (!m || !(atomic_load_explicit(&m->mask, memory_order_relaxed) & ev->mask))
		return;
	lock_acquire(&watches_lock);
	LIST_FOREACH_SAFE (w, &m->watches, inode_link, next) {
		if (!(w->mask & ev->mask) || (ev->unlinked && w->mask & IN_EXCL_UNLINK))
			continue;
		inotify_queue(w->owner, w->wd, ev->mask | ev->extra, ev->cookie, ev->name, ev->len);
		if (w->mask & IN_ONESHOT)
			watch_end_locked(w, &ended);
	}
	lock_release(&watches_lock);
	watches_free(&ended);
}

bool notify_anybody(void)
{
	return atomic_load(&total) != 0;
}

void notify_event(struct inode *inode, struct dentry *dentry, u32 mask)
{
	char name[NAME_LEN_MAX + 1];

	if (!notify_anybody())
		return;
	u32 isdir = inode_is_dir(inode) ? IN_ISDIR : 0;
	if (dentry) {
		struct dentry *parent = dentry_parent(dentry);
		struct event ev = {
		    .mask = mask, .extra = isdir, .name = name, .unlinked = dentry->unhashed};
		if (parent != dentry && parent->inode) {
			ev.len = dentry_name(dentry, name);
			deliver(parent->inode, &ev);
		}
		dentry_put(parent);
	}
	/* By tradition, events about the watched object's own end or move do not say what it was.
	 */
	if (mask & (IN_DELETE_SELF | IN_MOVE_SELF))
		isdir = 0;
	deliver(inode, &(struct event){.mask = mask, .extra = isdir});
}

void notify_name(struct inode *dir, const char *name, u32 mask, u32 cookie, struct inode *child)
{
	if (!notify_anybody())
		return;
	deliver(dir, &(struct event){.mask = mask,
	                             .extra = child && inode_is_dir(child) ? IN_ISDIR : 0,
	                             .cookie = cookie,
	                             .name = name,
	                             .len = strlen(name)});
}

u32 notify_cookie(void)
{
	return atomic_fetch_add_explicit(&last_cookie, 1, memory_order_relaxed) + 1;
}

void notify_inode_gone(struct inode *inode)
{
	struct watch_list ended = LIST_HEAD_INITIALIZER(ended);
	struct notify_marks *m = atomic_load(&inode->marks);
	struct watch *w;

	if (!m)
		return;
	lock_acquire(&watches_lock);
	while ((w = LIST_FIRST(&m->watches)) != NULL) {
		if (w->mask & IN_DELETE_SELF)
			inotify_queue(w->owner, w->wd, IN_DELETE_SELF, 0, NULL, 0);
		watch_end_locked(w, &ended);
	}
	lock_release(&watches_lock);
	watches_free(&ended);
}

void notify_super_unmounted(struct super *sb)
{
	struct watch_list ended = LIST_HEAD_INITIALIZER(ended);
	struct watch *w, *next;

	if (!notify_anybody())
		return;
	lock_acquire(&watches_lock);
	LIST_FOREACH_SAFE (w, &all, all_link, next) {
		if (w->inode->sb != sb)
			continue;
		inotify_queue(w->owner, w->wd, IN_UNMOUNT, 0, NULL, 0);
		watch_end_locked(w, &ended);
	}
	lock_release(&watches_lock);
	watches_free(&ended);
}
