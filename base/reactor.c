/*
 * The reactor: see reactor.h. The host hands back an event long after the
 * watch may have been removed and its memory reused, so what epoll is given is
 * not a pointer but a slot number and the slot's generation; an event for a
 * generation that is over is dropped.
 * Host calls: epoll_create1, epoll_ctl, epoll_wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include "base/bug.h"
#include "base/host.h"
#include "base/host_thread.h"
#include "base/lock.h"
#include "base/reactor.h"

#define EVENTS_MAX 16
#define SLOTS_MIN  16

struct slot {
	struct reactor_watch *watch; /* NULL: free */
	u32 generation;
};

static struct lock reactor_lock = LOCK_INIT(RANK_REACTOR);
static struct slot *slots; /* these guarded by reactor_lock */
static u32 nslots;
static struct reactor_watch *running; /* whose fn the reactor runs now */
static _Atomic u32 watching;          /* how many slots are taken; read without the lock */
static bool remove_waits;             /* reactor_remove waits for it */

static int epoll_fd = -1; /* set once, by reactor_start */
static pthread_t reactor_thread;
static _Atomic u32 callbacks_done; /* futex word for remove_waits */

/* --- the reactor's thread ---------------------------------------------------------- */

static void reactor_event(const struct epoll_event *ev)
{
	u32 slot = (u32)ev->data.u64, generation = (u32)(ev->data.u64 >> 32);
	struct reactor_watch *w;

	lock_acquire(&reactor_lock);
	w = slots[slot].watch;
	if (!w || slots[slot].generation != generation) {
		lock_release(&reactor_lock);
		return;
	}
	running = w;
	lock_release(&reactor_lock);
	w->fn(w, ev->events);
	lock_acquire(&reactor_lock);
	running = NULL;
	if (remove_waits) {
		remove_waits = false;
		atomic_fetch_add(&callbacks_done, 1);
		host_futex_wake(&callbacks_done, INT32_MAX, false);
	}
	lock_release(&reactor_lock);
}

static void *reactor_main(void *arg unused_arg)
{
	struct epoll_event events[EVENTS_MAX];

	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

		BUG_ON(n < 0 && errno != EINTR);
		for (int i = 0; i < n; i++)
			reactor_event(&events[i]);
	}
	return NULL;
}

int reactor_start(void)
{
	int err;

	if (epoll_fd >= 0)
		return 0;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return -errno;
	err = host_thread_start(&reactor_thread, "moat-reactor", reactor_main, NULL);
	if (err) {
		host_close(epoll_fd);
		epoll_fd = -1;
	}
	return err;
}

/* --- watches -------------------------------------------------------------------------- */

/* A free slot for w, the table grown if need be. Under the lock. */
static int slot_take(struct reactor_watch *w)
{
	u32 i, room = nslots ? nslots * 2 : SLOTS_MIN;
	struct slot *p;

	for (i = 0; i < nslots && slots[i].watch; i++)
		;
	if (i == nslots) {
		p = realloc(slots, room * sizeof(*p));
		if (!p)
			return -ENOMEM;
		for (slots = p; nslots < room; nslots++)
			slots[nslots] = (struct slot){0};
	}
	slots[i].watch = w;
	slots[i].generation++;
	w->slot = i;
	return 0;
}

static int watch_control(struct reactor_watch *w, int op)
{
	struct epoll_event ev = {.events = w->events};

	ev.data.u64 = (u64)slots[w->slot].generation << 32 | w->slot;
	return epoll_ctl(epoll_fd, op, w->fd, &ev) < 0 ? -errno : 0;
}

int reactor_add(struct reactor_watch *w, int fd, u32 events, reactor_fn *fn)
{
	int err;

	BUG_ON(epoll_fd < 0);
	w->fd = fd;
	w->events = events;
	w->fn = fn;
	lock_acquire(&reactor_lock);
	err = slot_take(w);
	if (!err) {
		err = watch_control(w, EPOLL_CTL_ADD);
		if (err)
			slots[w->slot].watch = NULL;
		else
			atomic_fetch_add(&watching, 1);
	}
	lock_release(&reactor_lock);
	return err;
}

int reactor_arm(struct reactor_watch *w, u32 events)
{
	int err;

	lock_acquire(&reactor_lock);
	w->events = events;
	err = watch_control(w, EPOLL_CTL_MOD);
	lock_release(&reactor_lock);
	return err;
}

void reactor_remove(struct reactor_watch *w)
{
	u32 seen;

	lock_acquire(&reactor_lock);
	/* Fails only if the fd was closed already, and then the host has forgotten it. */
	watch_control(w, EPOLL_CTL_DEL);
	slots[w->slot].watch = NULL;
	atomic_fetch_sub(&watching, 1);
	while (running == w && !pthread_equal(pthread_self(), reactor_thread)) {
		remove_waits = true;
		seen = atomic_load(&callbacks_done);
		lock_release(&reactor_lock);
		host_futex_wait(&callbacks_done, seen, NULL, false);
		lock_acquire(&reactor_lock);
	}
	lock_release(&reactor_lock);
}

bool reactor_watching(void)
{
	return atomic_load(&watching) != 0;
}
