/*
 * A lock that a fiber may hold while it parks. Waiters queue first come, first
 * served; a waiting fiber costs no host thread. Waiting is not interruptible:
 * whoever holds one must finish in bounded time (never wait for a guest or for
 * another sandbox while holding it; wait queues are for that).
 */
#pragma once
#include "base/lock.h"
#include "base/types.h"
#include <sys/queue.h>

struct fiber;
TAILQ_HEAD(mutex_waiters, mutex_waiter);

struct mutex {
	struct lock lock;
	_Atomic uintptr_t owner;      /* 0: free; mutex.c says what else */
	struct mutex_waiters waiters; /* guarded by lock */
	u16 rank;
};

#define MUTEX_INIT(m, r)                                                                           \
	{                                                                                          \
		.lock = LOCK_INIT(RANK_MUTEX_INNER),                                               \
		.waiters = TAILQ_HEAD_INITIALIZER((m).waiters), .rank = (r)                        \
	}

void mutex_init(struct mutex *m, enum lock_rank rank);
void mutex_destroy(struct mutex *m);
void mutex_acquire(struct mutex *m);
void mutex_acquire_nested(struct mutex *m);
must_check bool mutex_try(struct mutex *m);
void mutex_release(struct mutex *m);
bool mutex_held_by_me(struct mutex *m);

static inline void mutex_guard_exit(struct mutex **m)
{
	mutex_release(*m);
}
#define mutex_guard(m)                                                                             \
	struct mutex *LOCK_CAT(mguard_, __LINE__)                                                  \
	unused_arg cleanup(mutex_guard_exit) = (mutex_acquire(m), (m))
