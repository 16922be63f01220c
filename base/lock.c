/*
 * The futex lock: Drepper's three states ("Futexes Are Tricky", mutex2). State
 * 2 means that someone may sleep, so only then does a release make a host call.
 *
 * A waiter spins first, since sections are short, but never on one CPU (the
 * holder could not run) and never behind sleepers (the wait is long already).
 * How long is learnt: the limit follows the spins that paid, as glibc's
 * adaptive mutex does.
 */
#include "base/bug.h"
#include "base/host.h"
#include "base/lock.h"
#include "base/lock_internal.h"
#include "base/sanitizer.h"

#define SPIN_MAX 100

void lock_init(struct lock *l, enum lock_rank rank)
{
	atomic_init(&l->state, 0);
	l->rank = (u16)rank;
}

static bool lock_spin(struct lock *l)
{
	static _Atomic int learnt;
	int mean = atomic_load_explicit(&learnt, memory_order_relaxed);
	int limit = min_of(SPIN_MAX, mean * 2 + 10);
	int i;

	for (i = 0; i < limit; i++) {
		u32 state = atomic_load_explicit(&l->state, memory_order_relaxed);

		if (state == 2)
			return false;
		if (state == 0 && atomic_compare_exchange_strong_explicit(&l->state, &state, 1,
		                                                          memory_order_acquire,
		                                                          memory_order_relaxed))
			break;
		__builtin_ia32_pause();
	}
	atomic_store_explicit(&learnt, mean + (i - mean) / 8, memory_order_relaxed);
	return i < limit;
}

/* Out of line: the fast path should stay a handful of instructions. */
static __attribute__((noinline)) void lock_wait(struct lock *l)
{
	if (host_cpu_count() > 1 && lock_spin(l))
		return;
	/* Whoever has slept takes the lock in state 2, as it cannot know whether
	 * it was the last sleeper: at worst one needless wake-up. */
	while (atomic_exchange_explicit(&l->state, 2, memory_order_acquire) != 0)
		host_futex_wait(&l->state, 2, NULL, false);
}

static inline void lock_take(struct lock *l)
{
	u32 expect = 0;

	tsan_pre_lock(l);
	if (__builtin_expect(!atomic_compare_exchange_strong_explicit(
	                         &l->state, &expect, 1, memory_order_acquire, memory_order_relaxed),
	                     0))
		lock_wait(l);
	tsan_post_lock(l);
}

void lock_acquire(struct lock *l)
{
	held_check(l, l->rank, false);
	lock_take(l);
	held_push(l, l->rank, false);
}

void lock_acquire_nested(struct lock *l)
{
	held_check(l, l->rank, true);
	lock_take(l);
	held_push(l, l->rank, false);
}

bool lock_try(struct lock *l)
{
	u32 expect = 0;

	if (!atomic_compare_exchange_strong_explicit(&l->state, &expect, 1, memory_order_acquire,
	                                             memory_order_relaxed))
		return false;
	tsan_try_locked(l);
	held_push(l, l->rank, false);
	return true;
}

void lock_release(struct lock *l)
{
	u32 state;

	held_pop(l);
	tsan_pre_unlock(l);
	state = atomic_exchange_explicit(&l->state, 0, memory_order_release);
	tsan_post_unlock(l);
	BUG_ON(state == 0);
	/* The lock may be freed by its next holder from here on: a wake-up on
	 * memory that is gone is harmless, a look at it would not be. */
	if (__builtin_expect(state == 2, 0))
		host_futex_wake(&l->state, 1, false);
}
