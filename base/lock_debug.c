/*
 * The rank checks of debug and sanitizer builds: every thread of control keeps
 * a list of what it holds, and taking a lock out of order ends the program at
 * once, whether or not it would have deadlocked this time.
 */
#include <stdio.h>
#include "base/bug.h"
#include "base/lock.h"
#include "base/lock_internal.h"
#include "base/sanitizer.h"

#ifdef MOAT_DEBUG

/*
 * All of this is the running thread of control's own; ThreadSanitizer is kept
 * out because fibers share their worker's thread-locals (see no_tsan).
 */
static _Thread_local struct held_locks thread_held;
static _Thread_local struct held_locks *current_held;

/* Not inlined: the compiler must not keep a thread-local's address over a fiber switch. */
static no_tsan __attribute__((noinline)) struct held_locks *held_self(void)
{
	if (!current_held)
		current_held = &thread_held;
	return current_held;
}

no_tsan void held_switch(struct held_locks *h)
{
	current_held = h;
}

no_tsan void held_check(const void *lock, u16 rank, bool nested)
{
	const struct held_locks *h = held_self();
	char what[128];

	for (u32 i = 0; i < h->n; i++) {
		BUG_ON(h->held[i].lock == lock); /* taken twice */
		if (rank == RANK_NONE || h->held[i].rank == RANK_NONE)
			continue;
		if (h->held[i].rank < rank || (nested && h->held[i].rank == rank))
			continue;
		snprintf(what, sizeof(what), "lock order: rank %u taken while holding rank %u",
		         rank, h->held[i].rank);
		BUG(what);
	}
}

no_tsan void held_push(const void *lock, u16 rank, bool is_mutex)
{
	struct held_locks *h = held_self();

	BUG_ON(h->n == HELD_MAX);
	h->held[h->n].lock = lock;
	h->held[h->n].rank = rank;
	h->held[h->n].is_mutex = is_mutex;
	h->n++;
	h->spinning += !is_mutex;
}

no_tsan void held_pop(const void *lock)
{
	struct held_locks *h = held_self();

	/* Most often the last one taken, but guards may end in any order. */
	for (u32 i = h->n; i-- > 0;) {
		if (h->held[i].lock != lock)
			continue;
		h->spinning -= !h->held[i].is_mutex;
		for (; i + 1 < h->n; i++)
			h->held[i] = h->held[i + 1];
		h->n--;
		return;
	}
	BUG("released a lock that this thread does not hold");
}

no_tsan void lock_assert_held(const struct lock *l)
{
	const struct held_locks *h = held_self();

	for (u32 i = 0; i < h->n; i++)
		if (h->held[i].lock == l)
			return;
	BUG("a lock is not held that should be");
}

no_tsan void lock_assert_none(void)
{
	BUG_ON(held_self()->spinning != 0);
}

#endif
