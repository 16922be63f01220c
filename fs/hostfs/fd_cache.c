#include <errno.h>
#include "base/bug.h"
#include "base/host.h"
#include "base/lock.h"
#include "fs/hostfs/fd_cache.h"
#include "fs/hostfs/hostfs.h"

TAILQ_HEAD(slot_list, fd_slot);

static struct lock cache_lock = LOCK_INIT(RANK_OBJECT);
/* Open slots, the clock hand at the head. Guarded by cache_lock, as are the counts. */
static struct slot_list open_slots = TAILQ_HEAD_INITIALIZER(open_slots);
static unsigned open_count;
static unsigned open_limit = 1024;

void hostfs_set_fd_limit(unsigned limit)
{
	lock_guard(&cache_lock);
	open_limit = max_of(limit, 1u);
}

unsigned fd_cache_count(void)
{
	lock_guard(&cache_lock);
	return open_count;
}

void fd_slot_init(struct fd_slot *s)
{
	*s = (struct fd_slot){.users = FD_SLOT_CLOSED, .fd = -1};
}

/*
 * One turn of the clock: the first slot that is idle and was not used since
 * the last turn. all: also those of open guest files, which can be opened again as long as
 * their names last.
 */
static int take_idle_locked(bool all)
{
	for (unsigned left = 2 * open_count; left; left--) {
		struct fd_slot *s = TAILQ_FIRST(&open_slots);
		s32 idle = 0;

		TAILQ_REMOVE(&open_slots, s, link);
		TAILQ_INSERT_TAIL(&open_slots, s, link);
		if (!all && atomic_load_explicit(&s->keep, memory_order_relaxed))
			continue;
		if (atomic_load_explicit(&s->users, memory_order_relaxed) > 0)
			continue;
		if (atomic_exchange_explicit(&s->recent, false, memory_order_relaxed))
			continue;
		if (!atomic_compare_exchange_strong_explicit(&s->users, &idle, FD_SLOT_CLOSED,
		                                             memory_order_acq_rel,
		                                             memory_order_relaxed))
			continue;
		TAILQ_REMOVE(&open_slots, s, link);
		open_count--;
		return s->fd;
	}
	return -1;
}

static int take_idle(void)
{
	int fd;

	lock_guard(&cache_lock);
	fd = take_idle_locked(false);
	return fd >= 0 ? fd : take_idle_locked(true);
}

unsigned fd_cache_shrink(unsigned n)
{
	unsigned closed = 0;
	int fd;

	while (closed < n && (fd = take_idle()) >= 0) {
		host_close(fd);
		closed++;
	}
	return closed;
}

int fd_slot_try(struct fd_slot *s)
{
	s32 users = atomic_load_explicit(&s->users, memory_order_relaxed);

	do {
		if (users == FD_SLOT_CLOSED)
			return -EBADF;
	} while (!atomic_compare_exchange_weak_explicit(
	    &s->users, &users, users + 1, memory_order_acquire, memory_order_relaxed));
	if (!atomic_load_explicit(&s->recent, memory_order_relaxed))
		atomic_store_explicit(&s->recent, true, memory_order_relaxed);
	return s->fd;
}

int fd_slot_install(struct fd_slot *s, int fd)
{
	int surplus = -1, mine;

	lock_acquire(&cache_lock);
	mine = fd_slot_try(s);
	if (mine >= 0) {
		/* Two openers at once: the first one's descriptor serves both. */
		surplus = fd;
	} else {
		mine = s->fd = fd;
		s->opened++;
		atomic_store_explicit(&s->recent, true, memory_order_relaxed);
		atomic_store_explicit(&s->users, 1, memory_order_release);
		TAILQ_INSERT_TAIL(&open_slots, s, link);
		if (++open_count > open_limit) {
			surplus = take_idle_locked(false);
			if (surplus < 0)
				surplus = take_idle_locked(true);
		}
	}
	lock_release(&cache_lock);
	if (surplus >= 0)
		host_close(surplus);
	return mine;
}

void fd_slot_put(struct fd_slot *s)
{
	s32 old = atomic_fetch_sub_explicit(&s->users, 1, memory_order_release);

	BUG_ON(old <= 0);
}

void fd_slot_destroy(struct fd_slot *s)
{
	bool open;

	/* Under the lock, for the clock may be at this very slot. Uses that are left are pins. */
	lock_acquire(&cache_lock);
	open = atomic_exchange_explicit(&s->users, FD_SLOT_CLOSED, memory_order_acquire) !=
	       FD_SLOT_CLOSED;
	if (open) {
		TAILQ_REMOVE(&open_slots, s, link);
		open_count--;
	}
	lock_release(&cache_lock);
	if (open)
		host_close(s->fd);
}
