/*
 * How long a worker with nothing to run polls before it sleeps. One struct per
 * worker, touched by that worker only.
 */
#pragma once
#include "base/types.h"

struct idle_policy {
	u64 budget_ns;   /* what the next spin may last; 0: sleep at once */
	u64 quiet_until; /* hardly any spinning before then: the CPUs are oversubscribed */
	u64 quiet_ns;    /* how long the next quiet period will be */
	u64 moved_at;    /* when the worker last changed its CPU */
	u64 move_ns;     /* before it may do so again */
	u32 wasted;      /* spins in a row that found nothing */
	bool alone;      /* one CPU: never spin */
};

/* cpus: how many the sandbox may use. On one, spinning only delays who is waited for. */
void idle_policy_init(struct idle_policy *p, unsigned cpus);
/* How long to spin now, in ns. */
u64 idle_policy_budget(const struct idle_policy *p, u64 now);
/* A spin found work after waited ns. */
void idle_policy_hit(struct idle_policy *p, u64 waited);
/* A spin found nothing. */
void idle_policy_miss(struct idle_policy *p);
/* The worker was woken at now, from a sleep of slept ns, because there was work. */
void idle_policy_slept(struct idle_policy *p, u64 slept, u64 now);
/*
 * A guest thread had to sleep for its answer on the very CPU that the worker runs on: true if the
 * worker should go to another one now. idle_policy_moved says that it has, and when it began to:
 * true if it should keep off the one it left, for as long as idle_policy_stays.
 */
bool idle_policy_may_move(const struct idle_policy *p, u64 now);
bool idle_policy_moved(struct idle_policy *p, u64 before, u64 now);
bool idle_policy_stays(const struct idle_policy *p, u64 now);
/*
 * Looks at the time between two polls: true if the host took the CPU away
 * meanwhile, which means that somebody else needs it: stop spinning.
 */
bool idle_policy_preempted(struct idle_policy *p, u64 before, u64 now);
