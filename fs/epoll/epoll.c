/*
 * epoll(7).
 *
 * A file's wake-up puts the items that watch it on their set's ready list: a
 * hint, no more. epollfile_wait takes items off the list and asks their files;
 * what is still true is reported. Then a level-triggered item goes back to
 * the list's end, to be asked again next time, an edge-triggered one waits for the next
 * wake-up, and a one-shot one is disarmed. So nothing is lost when a file
 * wakes between the question and the answer, and nothing stale is reported.
 */
#include "fs/epoll/epoll.h"
#include "fs/epoll/epoll_internal.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "base/account.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* Bits of an item's events that are no events. */
#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define ALWAYS       ((u32)(EPOLLERR | EPOLLHUP))
/* What EPOLLEXCLUSIVE may be combined with. */
#define EXCLUSIVE_OK                                                                               \
	(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
/* fs.epoll.max_user_watches, as on a host of a few GiB. */
#define MAX_USER_WATCHES (1 << 20)

static CENSUS(epoll_census, "epoll");
static CENSUS(item_census, "epoll item");
static const struct file_ops epoll_ops;

static int item_compare(const struct epoll_item *a, const struct epoll_item *b)
{
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return (a->fd > b->fd) - (a->fd < b->fd);
}

RB_GENERATE_INTERNAL(epoll_tree, epoll_item, node, item_compare, unused_arg static)

static struct epoll *epoll_of(const struct file *f)
{
	return f->ops == &epoll_ops ? f->priv : NULL;
}

bool file_is_epoll(const struct file *f)
{
	return f->ops == &epoll_ops;
}

static void epoll_put(struct epoll *ep)
{
	if (!ref_put(&ep->ref))
		return;
	waitq_destroy(&ep->waitq);
	mutex_destroy(&ep->mutex);
	account_put(ep->account);
	census_add(&epoll_census, -1);
	free(ep);
}

/* ---- the ready list ------------------------------------------------------- */

static void ready_append_locked(struct epoll *ep, struct epoll_item *it)
{
	it->ready = true;
	TAILQ_INSERT_TAIL(&ep->ready, it, ready_link);
	atomic_fetch_add_explicit(&ep->nready, 1, memory_order_relaxed);
}

/* The list's first item, off the list; NULL when it is empty. */
static struct epoll_item *ready_take(struct epoll *ep, u32 *events)
{
	lock_guard(&ep->ready_lock);
	struct epoll_item *it = TAILQ_FIRST(&ep->ready);

	if (it) {
		TAILQ_REMOVE(&ep->ready, it, ready_link);
		atomic_fetch_sub_explicit(&ep->nready, 1, memory_order_relaxed);
		it->ready = false;
		*events = it->events;
	}
	return it;
}

static void ready_drop(struct epoll *ep, struct epoll_item *it)
{
	lock_guard(&ep->ready_lock);
	if (it->ready) {
		TAILQ_REMOVE(&ep->ready, it, ready_link);
		atomic_fetch_sub_explicit(&ep->nready, 1, memory_order_relaxed);
		it->ready = false;
	}
}

static u32 ready_count(struct epoll *ep)
{
	return atomic_load_explicit(&ep->nready, memory_order_acquire);
}

/* A wake-up of a watched file; under its queue's lock. */
static bool item_wake(struct waiter *w, u32 events)
{
	struct epoll_item *it = container_of(w, struct epoll_item, waiter);
	struct epoll *ep = it->ep;
	bool wanted;
	{
		lock_guard(&ep->ready_lock);
		/* A one-shot item that has fired wants nothing, not even errors. */
		wanted = it->events & ~(u32)PRIVATE_BITS && (!events || events & it->events);
		if (wanted && !it->ready)
			ready_append_locked(ep, it);
	}
	if (!wanted)
		return false;
	/* An exclusive wake-up is used up only where somebody is there to use it. */
	bool used = waitq_active(&ep->waitq);
	waitq_wake(&ep->waitq, EPOLLIN | EPOLLRDNORM);
	return used;
}

/* ---- events --------------------------------------------------------------- */

static bool any_ready(struct epoll *ep);

/* What of events is true of the item's file. ep->mutex is held. */
static u32 item_poll(struct epoll_item *it, u32 events)
{
	struct epoll *inner = epoll_of(it->file);

	if (!inner)
		return file_ready(it->file) & events;
	if (ready_count(inner) == 0)
		return 0;
	mutex_acquire_nested(&inner->mutex);
	u32 ready = any_ready(inner) ? EPOLLIN | EPOLLRDNORM : 0;
	mutex_release(&inner->mutex);
	return ready & events;
}

/*
 * True if one listed item is ready, which stays listed; the stale ones before it are
 * dropped. ep->mutex is held.
 */
static bool any_ready(struct epoll *ep)
{
	u32 events;

	for (u32 left = ready_count(ep); left; left--) {
		struct epoll_item *it = ready_take(ep, &events);
		if (!it)
			return false;
		if (!(events & ~(u32)PRIVATE_BITS) || !item_poll(it, events))
			continue;
		lock_guard(&ep->ready_lock);
		if (!it->ready) {
			it->ready = true;
			TAILQ_INSERT_HEAD(&ep->ready, it, ready_link);
			atomic_fetch_add_explicit(&ep->nready, 1, memory_order_relaxed);
		}
		return true;
	}
	return false;
}

/* Reports up to max events. Each item that was listed at the start is asked once. */
static unsigned collect(struct epoll *ep, struct epoll_event *out, unsigned max)
{
	struct epoll_ready_list again = TAILQ_HEAD_INITIALIZER(again);
	struct epoll_item *it;
	unsigned n = 0;
	u32 events, kept = 0;

	mutex_guard(&ep->mutex);
	for (u32 left = ready_count(ep); left && n < max; left--) {
		it = ready_take(ep, &events);
		if (!it)
			break;
		u32 true_now = events & ~(u32)PRIVATE_BITS ? item_poll(it, events) : 0;
		if (!true_now)
			continue;
		out[n++] = (struct epoll_event){.events = true_now, .data.u64 = it->data};
		lock_guard(&ep->ready_lock);
		if (events & EPOLLONESHOT) {
			it->events &= PRIVATE_BITS;
		} else if (!(events & EPOLLET) && !it->ready) {
			/* Marked as listed, so that a wake-up meanwhile does not list it twice. */
			it->ready = true;
			TAILQ_INSERT_TAIL(&again, it, ready_link);
			kept++;
		}
	}
	lock_acquire(&ep->ready_lock);
	TAILQ_CONCAT(&ep->ready, &again, ready_link);
	atomic_fetch_add_explicit(&ep->nready, kept, memory_order_relaxed);
	lock_release(&ep->ready_lock);
	return n;
}

int epollfile_wait(struct file *f, struct epoll_event *out, unsigned max, u64 deadline)
{
	struct epoll *ep = epoll_of(f);
	struct wait_fiber w;
	unsigned n = 0;
	int err = 0;

	if (!ep || max == 0 || max > INT32_MAX / sizeof(struct epoll_event))
		return -EINVAL;
	if (ready_count(ep))
		n = collect(ep, out, max);
	if (!n && deadline != 0) {
		/* One waiter per event: who is woken wakes the next while events are left. */
		wait_fiber_init(&w);
		waitq_add_exclusive(&ep->waitq, &w.waiter, EPOLLIN);
		while (!err) {
			if (ready_count(ep) && (n = collect(ep, out, max)) > 0)
				break;
			err = fiber_sleep(deadline);
			wait_fiber_rearm(&w);
		}
		waitq_remove(&ep->waitq, &w.waiter);
	}
	if (ready_count(ep))
		waitq_wake(&ep->waitq, EPOLLIN | EPOLLRDNORM);
	if (n)
		return n;
	return err == -ETIMEDOUT ? 0 : err;
}

/* ---- items ---------------------------------------------------------------- */

/* The file's list of items, made if need be. NULL: no memory. */
static struct epoll_links *links_of(struct file *f)
{
	struct epoll_links *l = atomic_load_explicit(&f->epoll, memory_order_acquire), *none = NULL;

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	lock_init(&l->lock, RANK_OBJECT);
	LIST_INIT(&l->items);
	if (atomic_compare_exchange_strong(&f->epoll, &none, l))
		return l;
	free(l);
	return none;
}

static struct epoll_item *item_find(struct epoll *ep, int fd, struct file *target)
{
	struct epoll_item key = {.file = target, .fd = fd};

	return RB_FIND(epoll_tree, &ep->items, &key);
}

/* Takes the item out of everything and frees it. ep->mutex is held. */
static void item_remove(struct epoll_item *it)
{
	struct epoll *ep = it->ep;
	struct epoll_links *l = atomic_load_explicit(&it->file->epoll, memory_order_acquire);

	if (it->file->ops->waitq)
		waitq_remove(it->file->ops->waitq(it->file), &it->waiter);
	/* No callback runs from here on. */
	ready_drop(ep, it);
	if (it->inner)
		epoll_nest_remove(it);
	lock_acquire(&l->lock);
	LIST_REMOVE(it, file_link);
	lock_release(&l->lock);
	RB_REMOVE(epoll_tree, &ep->items, it);
	account_uncharge(&ep->account->epoll_watches, 1);
	census_add(&item_census, -1);
	free(it);
}

/* Lists the item if its file is ready now: for what became true before it was watched. */
static void item_check(struct epoll_item *it)
{
	struct epoll *ep = it->ep;
	u32 events;
	bool listed = false;
	{
		lock_guard(&ep->ready_lock);
		events = it->events;
	}
	if (!item_poll(it, events))
		return;
	lock_acquire(&ep->ready_lock);
	if (!it->ready) {
		ready_append_locked(ep, it);
		listed = true;
	}
	lock_release(&ep->ready_lock);
	if (listed)
		waitq_wake(&ep->waitq, EPOLLIN | EPOLLRDNORM);
}

static int item_add(struct epoll *ep, int fd, struct file *target, const struct epoll_event *ev)
{
	struct epoll_links *l = links_of(target);
	struct epoll_item *it = l ? calloc(1, sizeof(*it)) : NULL;

	if (!it)
		return -ENOMEM;
	if (!account_charge(&ep->account->epoll_watches, 1, MAX_USER_WATCHES)) {
		free(it);
		return -ENOSPC;
	}
	it->ep = ep;
	it->file = target;
	it->fd = fd;
	it->events = ev->events | ALWAYS;
	it->data = ev->data.u64;
	it->waiter.fn = item_wake;
	if (file_is_epoll(target)) {
		int err = epoll_nest_add(it, target->priv);
		if (err) {
			account_uncharge(&ep->account->epoll_watches, 1);
			free(it);
			return err;
		}
	}
	census_add(&item_census, 1);
	RB_INSERT(epoll_tree, &ep->items, it);
	lock_acquire(&l->lock);
	LIST_INSERT_HEAD(&l->items, it, file_link);
	lock_release(&l->lock);
	/* Every wake-up comes through; item_wake knows what is wanted now. */
	if (target->ops->waitq && ev->events & EPOLLEXCLUSIVE)
		waitq_add_exclusive(target->ops->waitq(target), &it->waiter, ~0U);
	else if (target->ops->waitq)
		waitq_add(target->ops->waitq(target), &it->waiter, ~0U);
	item_check(it);
	return 0;
}

static int item_modify(struct epoll_item *it, const struct epoll_event *ev)
{
	struct epoll *ep = it->ep;

	if (it->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	/*
	 * First the new mask, then the question: an event in between is either
	 * seen by the question or listed by its wake-up.
	 */
	lock_acquire(&ep->ready_lock);
	it->events = ev->events | ALWAYS;
	lock_release(&ep->ready_lock);
	it->data = ev->data.u64;
	item_check(it);
	return 0;
}

int epollfile_ctl(struct file *f, int op, int fd, struct file *target, const struct epoll_event *ev)
{
	struct epoll *ep = epoll_of(f);
	struct epoll_event want = {0};

	if (!target->ops->ready)
		return -EPERM;
	if (!ep || f == target)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL) {
		want = *ev;
		/* There is nothing here that could be suspended. */
		want.events &= ~(u32)EPOLLWAKEUP;
	}
	if (want.events & EPOLLEXCLUSIVE &&
	    (op == EPOLL_CTL_MOD || file_is_epoll(target) || want.events & ~(u32)EXCLUSIVE_OK))
		return -EINVAL;

	mutex_guard(&ep->mutex);
	struct epoll_item *it = item_find(ep, fd, target);
	switch (op) {
	case EPOLL_CTL_ADD:
		return it ? -EEXIST : item_add(ep, fd, target, &want);
	case EPOLL_CTL_DEL:
		if (!it)
			return -ENOENT;
		item_remove(it);
		return 0;
	case EPOLL_CTL_MOD:
		return it ? item_modify(it, &want) : -ENOENT;
	default:
		return -EINVAL;
	}
}

/* The set of the file's first item with +1, or NULL. A set leaves its files' lists before it dies.
 */
static struct epoll *first_watcher(struct epoll_links *l)
{
	lock_guard(&l->lock);
	struct epoll_item *it = LIST_FIRST(&l->items);

	if (!it)
		return NULL;
	ref_get(&it->ep->ref);
	return it->ep;
}

/* One of ep's items on the list, or NULL. */
static struct epoll_item *item_of(struct epoll_links *l, const struct epoll *ep)
{
	struct epoll_item *it;

	lock_guard(&l->lock);
	LIST_FOREACH (it, &l->items, file_link)
		if (it->ep == ep)
			return it;
	return NULL;
}

void epoll_file_gone(struct file *f)
{
	struct epoll_links *l = atomic_load_explicit(&f->epoll, memory_order_acquire);
	struct epoll_item *it;
	struct epoll *ep;

	if (!l)
		return;
	while ((ep = first_watcher(l)) != NULL) {
		mutex_acquire(&ep->mutex);
		while ((it = item_of(l, ep)) != NULL)
			item_remove(it);
		mutex_release(&ep->mutex);
		epoll_put(ep);
	}
	/* Whoever removed the last item may still be in the list's lock. */
	lock_acquire(&l->lock);
	lock_release(&l->lock);
	free(l);
}

/* ---- the file ------------------------------------------------------------- */

static u32 epoll_ready(struct file *f)
{
	struct epoll *ep = f->priv;

	if (ready_count(ep) == 0)
		return 0;
	mutex_guard(&ep->mutex);
	return any_ready(ep) ? EPOLLIN | EPOLLRDNORM : 0;
}

static struct waitq *epoll_waitq(struct file *f)
{
	return &((struct epoll *)f->priv)->waitq;
}

static void epoll_fdinfo(struct file *f, char *buf, size_t n)
{
	struct epoll *ep = f->priv;
	struct epoll_item *it;
	size_t at = 0;

	mutex_guard(&ep->mutex);
	RB_FOREACH (it, epoll_tree, &ep->items) {
		int len = snprintf(buf + at, n - at, "tfd: %8d events: %8x data: %16lx  ino:%lx\n",
		                   it->fd, it->events, it->data, it->file->inode->ino);
		if (len < 0 || (size_t)len >= n - at)
			break;
		at += len;
	}
	if (n)
		buf[min_of(at, n - 1)] = '\0';
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->priv;
	struct epoll_item *it;

	mutex_acquire(&ep->mutex);
	while ((it = RB_ROOT(&ep->items)) != NULL)
		item_remove(it);
	mutex_release(&ep->mutex);
	epoll_put(ep);
}

static const struct file_ops epoll_ops = {
    .name = "anon_inode:[eventpoll]",
    .ready = epoll_ready,
    .waitq = epoll_waitq,
    .fdinfo = epoll_fdinfo,
    .release = epoll_release,
};

int epollfile_create(u32 flags, struct file **out)
{
	if (flags & ~(u32)EPOLL_CLOEXEC)
		return -EINVAL;
	struct epoll *ep = calloc(1, sizeof(*ep));
	struct account *account = account_get(caller_cred()->uid);
	if (!ep || !account) {
		account_put(account);
		free(ep);
		return -ENOMEM;
	}
	ref_init(&ep->ref);
	ep->account = account;
	mutex_init(&ep->mutex, RANK_EPOLL_SET);
	lock_init(&ep->ready_lock, RANK_EPOLL_READY);
	waitq_init(&ep->waitq);
	RB_INIT(&ep->items);
	TAILQ_INIT(&ep->ready);
	LIST_INIT(&ep->children);
	LIST_INIT(&ep->parents);
	census_add(&epoll_census, 1);
	int err = file_create_anon(&epoll_ops, ep, O_RDWR, 0600, out);
	if (err)
		epoll_put(ep);
	return err;
}
