/*
 * Files in flight: sent with SCM_RIGHTS, not received yet.
 *
 * A message holds references to its files, and some of those files may be sockets with
 * messages of their own: a guest can make sockets that are held by nothing but
 * each other's queues. Counting references never frees these, so they are
 * collected, by the idea of Linux's unix_gc:
 *
 * A socket all of whose references lie in messages is a candidate. Of each
 * candidate's references take away those from candidates' own queues; where some are
 * left, a message that somebody can still receive holds it, and it and all
 * that its queue leads to is reachable. The other candidates are garbage: their
 * queues give up their files, and the sockets close themselves.
 *
 * Why nothing changes its mind meanwhile: a receiver takes files out of flight under
 * gc_mutex before it gets to use them, so a candidate cannot gain an outside
 * reference during a collection; one that peeks takes its references under gc_mutex.
 *
 * Nothing stays for ever: a collection runs after a socket closed while sockets are in flight,
 * and whenever twice as many are in flight as the last one left. It looks at all in flight, so
 * where they are many, several closes share one: a guest with 100,000 in flight could make each
 * close take milliseconds.
 */
#include "net/unix/unix_internal.h"
#include "base/fiber.h"
#include "base/account.h"
#include "fs/vfs/file.h"
#include "net/unix/unix.h"
#include <errno.h>
#include <linux/capability.h>
#include <bsd/sys/queue.h>
#include <stdlib.h>

/* Files in flight in the whole sandbox, whatever the senders' privileges. */
#define MAX_IN_FLIGHT (1 << 20)
/* The first collection for want of a close. */
#define COLLECT_MIN 64
/* A close pays for looking at so many. */
#define COLLECT_SHARE 64

TAILQ_HEAD(socket_list, unix_socket);

static struct mutex gc_mutex = {.lock = LOCK_INIT(RANK_MUTEX_INNER),
                                .waiters = TAILQ_HEAD_INITIALIZER(gc_mutex.waiters),
                                .rank = RANK_SOCKET_GC};
/* Guarded by gc_mutex. */
static struct socket_list sockets = TAILQ_HEAD_INITIALIZER(sockets); /* in flight */
static u32 collect_at = COLLECT_MIN;
static _Atomic u32 nsockets;  /* written under gc_mutex */
static _Atomic u32 nclosed;   /* sockets, since the last collection */
static _Atomic s64 in_flight; /* files */

u64 unix_inflight(void)
{
	return atomic_load(&in_flight);
}

static struct unix_socket *unix_of_file(const struct file *f)
{
	struct socket *s = socket_of_file(f);

	return s && s->family == AF_UNIX ? unix_of(s) : NULL;
}

/* ---- up and down ---------------------------------------------------------- */

static void take_off_locked(struct file_list *l)
{
	for (u32 i = 0; i < l->n; i++) {
		struct unix_socket *u = unix_of_file(l->files[i]);
		if (!u)
			continue;
		u->file = l->files[i];
		if (u->inflight++ == 0) {
			TAILQ_INSERT_TAIL(&sockets, u, inflight_link);
			atomic_fetch_add(&nsockets, 1);
		}
	}
}

static void land_locked(struct file_list *l)
{
	for (u32 i = 0; i < l->n; i++) {
		struct unix_socket *u = unix_of_file(l->files[i]);
		if (u && --u->inflight == 0) {
			TAILQ_REMOVE(&sockets, u, inflight_link);
			atomic_fetch_sub(&nsockets, 1);
			u->file = NULL;
		}
	}
}

int unix_attach_files(struct unix_msg *msg, struct msg *m)
{
	const struct caller *c = caller();
	bool above =
	    cred_has_cap(c->cred, CAP_SYS_RESOURCE) || cred_has_cap(c->cred, CAP_SYS_ADMIN);
	struct account *a = account_get(c->cred->uid);

	if (!a)
		return -ENOMEM;
	if (!above && (u64)atomic_load(&a->files_in_flight) > c->nofile_limit)
		goto too_many;
	if (!account_charge(&in_flight, m->files->n, MAX_IN_FLIGHT))
		goto too_many;
	atomic_fetch_add(&a->files_in_flight, m->files->n);
	msg->account = a;
	msg->files = m->files;
	m->files = NULL;

	mutex_acquire(&gc_mutex);
	take_off_locked(msg->files);
	bool collect = atomic_load(&nsockets) > collect_at;
	mutex_release(&gc_mutex);
	if (collect)
		unix_collect();
	return 0;
too_many:
	account_put(a);
	return -ETOOMANYREFS;
}

/* The counts of a list that is no longer in flight. */
static void settle(struct unix_msg *msg, const struct file_list *l)
{
	account_uncharge(&in_flight, l->n);
	account_uncharge(&msg->account->files_in_flight, l->n);
	account_put(msg->account);
	msg->account = NULL;
}

struct file_list *unix_detach_files(struct unix_msg *msg)
{
	struct file_list *l = msg->files;

	mutex_acquire(&gc_mutex);
	land_locked(l);
	mutex_release(&gc_mutex);
	msg->files = NULL;
	settle(msg, l);
	return l;
}

struct file_list *unix_peek_files(struct unix_msg *msg)
{
	struct file_list *l = malloc(sizeof(*l));

	if (!l)
		return NULL;
	mutex_guard(&gc_mutex);
	l->n = msg->files->n;
	for (u32 i = 0; i < l->n; i++)
		l->files[i] = file_get(msg->files->files[i]);
	return l;
}

/* ---- collecting ----------------------------------------------------------- */

enum scan_step { SCAN_TAKE_AWAY, SCAN_REACH, SCAN_EMPTY };

struct scan {
	enum scan_step step;
	struct socket_list *reached; /* SCAN_REACH: candidates found, to be scanned in turn */
	struct file_list *emptied;   /* SCAN_EMPTY: what the queues held */
};

static void scan_files(struct file_list *l, struct scan *s)
{
	for (u32 i = 0; i < l->n; i++) {
		struct unix_socket *u = unix_of_file(l->files[i]);
		if (!u || !u->candidate)
			continue;
		if (s->step == SCAN_TAKE_AWAY) {
			u->outside--;
		} else if (!u->reachable) {
			u->reachable = true;
			TAILQ_INSERT_TAIL(s->reached, u, gc_link);
		}
	}
}

static void scan_queue_locked(struct unix_socket *u, struct scan *s)
{
	struct unix_msg *msg;

	TAILQ_FOREACH (msg, &u->queue, link) {
		if (!msg->files)
			continue;
		if (s->step != SCAN_EMPTY) {
			scan_files(msg->files, s);
			continue;
		}
		struct file_list *l = msg->files;
		land_locked(l);
		msg->files = NULL;
		settle(msg, l);
		l->next = s->emptied;
		s->emptied = l;
	}
}

/* The socket's queue, and those of connections that wait to be accepted from it. */
static void scan_socket(struct unix_socket *u, struct scan *s)
{
	struct unix_socket *embryo;

	lock_guard(&u->lock);
	scan_queue_locked(u, s);
	TAILQ_FOREACH (embryo, &u->backlog, backlog_link) {
		lock_acquire_nested(&embryo->lock);
		scan_queue_locked(embryo, s);
		lock_release(&embryo->lock);
	}
}

/* One collection: the files that garbage held, linked. */
static struct file_list *collect_garbage(void)
{
	struct socket_list reached = TAILQ_HEAD_INITIALIZER(reached);
	struct scan s = {.step = SCAN_TAKE_AWAY, .reached = &reached};
	struct unix_socket *u, *next;

	mutex_guard(&gc_mutex);
	atomic_store_explicit(&nclosed, 0, memory_order_relaxed);
	TAILQ_FOREACH (u, &sockets, inflight_link) {
		u->candidate = ref_count(&u->file->ref) == u->inflight;
		u->reachable = false;
		u->outside = u->inflight;
	}
	TAILQ_FOREACH (u, &sockets, inflight_link)
		if (u->candidate)
			scan_socket(u, &s);
	s.step = SCAN_REACH;
	TAILQ_FOREACH (u, &sockets, inflight_link) {
		if (u->candidate && !u->reachable && u->outside) {
			u->reachable = true;
			TAILQ_INSERT_TAIL(&reached, u, gc_link);
		}
	}
	while ((u = TAILQ_FIRST(&reached)) != NULL) {
		TAILQ_REMOVE(&reached, u, gc_link);
		scan_socket(u, &s);
	}
	/* Emptying a queue takes sockets off the list, the scanned one perhaps included: first
	 * mark. */
	TAILQ_FOREACH (u, &sockets, inflight_link)
		if (u->candidate && !u->reachable)
			TAILQ_INSERT_TAIL(&reached, u, gc_link);
	s.step = SCAN_EMPTY;
	TAILQ_FOREACH_SAFE (u, &reached, gc_link, next)
		scan_socket(u, &s);
	collect_at = max_of((u32)COLLECT_MIN, 2 * atomic_load(&nsockets));
	return s.emptied;
}

/* ---- dropping ------------------------------------------------------------- */

/*
 * Closing a socket drops the files in its queue, which may be sockets with
 * files in their queues, and so on, as deep as a guest cares to build it. So what
 * is dropped while dropping is left to the outermost drop of the same thread of
 * control, which has its dropper on its stack; the same goes for collections.
 */
struct dropper {
	LIST_ENTRY(dropper) link;
	const void *who;
	struct file_list *pending; /* droppers_lock, as is collect */
	bool collect;
};

static struct lock droppers_lock = LOCK_INIT(RANK_OBJECT);
static LIST_HEAD(, dropper) droppers = LIST_HEAD_INITIALIZER(droppers); /* droppers_lock */

/* The running thread of control; it stays the same over a park. */
static const void *identity(void)
{
	const void *fiber = fiber_self();

	return fiber ? fiber : __builtin_thread_pointer();
}

/* Leaves the work to an outer drop of this thread of control, or enters d for it. */
static bool left_to_outer(struct dropper *d)
{
	struct dropper *outer;

	lock_guard(&droppers_lock);
	LIST_FOREACH (outer, &droppers, link) {
		if (outer->who != d->who)
			continue;
		outer->collect |= d->collect;
		if (d->pending) {
			d->pending->next = outer->pending;
			outer->pending = d->pending;
		}
		return true;
	}
	LIST_INSERT_HEAD(&droppers, d, link);
	return false;
}

/* The next list to drop; collects when asked to and nothing is pending. NULL: done, d is out. */
static struct file_list *next_drop(struct dropper *d)
{
	for (;;) {
		{
			lock_guard(&droppers_lock);
			struct file_list *l = d->pending;
			if (l) {
				d->pending = l->next;
				return l;
			}
			if (!d->collect) {
				LIST_REMOVE(d, link);
				return NULL;
			}
			d->collect = false;
		}
		/* Nobody else adds to d: it belongs to this thread of control. */
		d->pending = collect_garbage();
	}
}

static void drop_and_collect(struct file_list *first, bool collect)
{
	struct dropper d = {.who = identity(), .pending = first, .collect = collect};
	struct file_list *l;

	if (first)
		first->next = NULL;
	if (left_to_outer(&d))
		return;
	while ((l = next_drop(&d)) != NULL)
		file_list_free(l);
}

void unix_drop_files(struct file_list *l)
{
	drop_and_collect(l, false);
}

void unix_collect(void)
{
	drop_and_collect(NULL, true);
}

void unix_closed(void)
{
	u32 n = atomic_load_explicit(&nsockets, memory_order_relaxed), closed;

	if (!n)
		return;
	closed = atomic_fetch_add_explicit(&nclosed, 1, memory_order_relaxed) + 1;
	if ((u64)closed * COLLECT_SHARE >= n)
		unix_collect();
}
