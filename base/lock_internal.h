/*
 * What a thread of control holds, for the rank checks of debug builds. Locks
 * belong to the host thread, but a mutex stays with its fiber over a park: so
 * each fiber has a record of its own, and the scheduler makes it the current
 * one when it switches.
 */
#pragma once
#include "base/lock_rank.h"
#include "base/types.h"

#define HELD_MAX 16

struct held_locks {
	u32 n;
	u32 spinning; /* how many of them are struct lock: none may be held over a park */
	struct {
		const void *lock;
		u16 rank;
		bool is_mutex;
	} held[HELD_MAX];
};

#ifdef MOAT_DEBUG
/* Makes h (NULL: the host thread's own) the record that the checks use. */
void held_switch(struct held_locks *h);
/* Aborts on an inversion; nested: a lock of the rank held last is allowed. */
void held_check(const void *lock, u16 rank, bool nested);
void held_push(const void *lock, u16 rank, bool is_mutex);
void held_pop(const void *lock);
#else
static inline void held_switch(struct held_locks *h unused_arg)
{
}
static inline void held_check(const void *lock unused_arg, u16 rank unused_arg,
                              bool nested unused_arg)
{
}
static inline void held_push(const void *lock unused_arg, u16 rank unused_arg,
                             bool is_mutex unused_arg)
{
}
static inline void held_pop(const void *lock unused_arg)
{
}
#endif
