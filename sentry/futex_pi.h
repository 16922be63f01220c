/*
 * PI futexes (futex(2), 'Priority-inheritance futexes'). The host cannot keep
 * them, as it knows other thread ids than the guest writes into the words; so
 * the sentry does. Waiters are served first come, first served: guest threads have no priorities
 * that could be inherited.
 */
#pragma once
#include "base/types.h"

struct task;

/* deadline: CLOCK_MONOTONIC ns or NO_DEADLINE. */
s64 futex_lock_pi(struct task *t, u64 addr, bool private, u64 deadline);
s64 futex_trylock_pi(struct task *t, u64 addr, bool private);
s64 futex_unlock_pi(struct task *t, u64 addr, bool private);
/* t ends: what it owns and others wait for goes to them, marked FUTEX_OWNER_DIED. */
void futex_pi_exit(struct task *t);
