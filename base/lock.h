/*
 * Locks of the sentry's host threads.
 *
 * struct lock guards short sections: no park, no guest memory access, no host
 * call that may block. It spins a little and then sleeps on a futex. For
 * sections in which a fiber may have to wait there is struct mutex
 * (base/mutex.h). Ranks: base/lock_rank.h.
 */
#pragma once
#include "base/lock_rank.h"
#include "base/types.h"

struct lock {
	_Atomic u32 state; /* 0 free, 1 held, 2 held with sleepers */
	u16 rank;
};

#define LOCK_INIT(r)                                                                               \
	{                                                                                          \
		.state = 0, .rank = (r)                                                            \
	}

void lock_init(struct lock *l, enum lock_rank rank);
void lock_acquire(struct lock *l);
/* For a second lock of the same rank, where that rank's comment allows it. */
void lock_acquire_nested(struct lock *l);
must_check bool lock_try(struct lock *l);
void lock_release(struct lock *l);
#ifdef MOAT_DEBUG
/* Aborts in debug builds if the calling thread does not hold it. */
void lock_assert_held(const struct lock *l);
/* Aborts in debug builds if the caller holds any struct lock: for what may park. */
void lock_assert_none(void);
#else
static inline void lock_assert_held(const struct lock *l unused_arg)
{
}
static inline void lock_assert_none(void)
{
}
#endif

/* Scoped form: `lock_guard(&x->lock);` holds it to the end of the block. */
static inline void lock_guard_exit(struct lock **l)
{
	lock_release(*l);
}
#define LOCK_CAT2(a, b) a##b
#define LOCK_CAT(a, b)  LOCK_CAT2(a, b)
#define lock_guard(l)                                                                              \
	struct lock *LOCK_CAT(guard_, __LINE__)                                                    \
	unused_arg cleanup(lock_guard_exit) = (lock_acquire(l), (l))
