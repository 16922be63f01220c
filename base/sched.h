/*
 * The scheduler: workers that run fibers, the idle policy, and where requests
 * come from.
 *
 * A worker runs what is runnable; when nothing is, it polls the platform's
 * source (guest threads that ask for something), spins for as long as that has
 * paid recently, and then sleeps on the doorbell. An idle sandbox makes no
 * host call at all. All of the policy is in base/idle_policy.c.
 */
#pragma once
#include "base/types.h"

/*
 * The doorbell: a word that guests can read but not write. Low 8 bits: number
 * of sleeping workers; the rest: a generation that in-sentry wakers bump. A
 * sleeping worker waits (shared futex) for it to change or to be woken. A guest
 * thread that publishes a request and sees low bits != 0 issues FUTEX_WAKE and
 * repeats while that wakes nobody and nothing has changed.
 *
 * The top bit is set while at least one worker is awake: it will look for
 * requests before it sleeps, so a guest thread may save the wake-up after
 * publishing, spin for its answer, and ring (if any worker sleeps) only when
 * it gives up spinning with its request not taken yet.
 */
#define DOORBELL_SLEEPERS   0xffu
#define DOORBELL_GENERATION 0x100u
#define DOORBELL_ATTENDED   0x80000000u

struct sched_source {
	/*
	 * Looks for guest threads with a request and unparks their fibers.
	 * Returns how many were found. Called by workers, concurrently.
	 */
	int (*poll)(void);
	/*
	 * Are there as many guest threads with something to do as there are CPUs? Then who spins
	 * takes one away. NULL: never. Called by workers, concurrently.
	 */
	bool (*crowded)(void);
	/*
	 * The calling worker is about to sleep: whatever poll has put off is done now. NULL: there
	 * is no such thing.
	 */
	void (*rest)(void);
	/* The host knows the only worker's thread, as a tracer: no other can stand in for it. */
	bool one_thread;
};

struct sched_stats {
	u64 switches, polls, polls_hit, sleeps, wakeups, spin_ns, moves, yields;
};

/*
 * workers: host threads to run (0: one per spare core, at least one).
 * doorbell: the shared word (borrowed; must outlive the scheduler); NULL: a
 * private one, for tests without guests.
 * Neither call starts threads; sched_start does.
 */
void sched_init(unsigned workers, _Atomic u32 *doorbell);
void sched_set_source(const struct sched_source *source);
/* Starts the workers. 0 or -errno. Call before the seccomp filter is applied. */
must_check int sched_start(void);
/* How many there are to be, or are. */
unsigned sched_worker_count(void);
/* The word that sched_init was given, or a private one. */
_Atomic u32 *sched_doorbell(void);
/*
 * May the running fiber keep its worker for some hundred nanoseconds, to see whether its guest asks
 * again? Not if others could run, and now and then not, so that all guests' requests are looked
 * for.
 */
bool sched_may_linger(void);
/*
 * A guest thread that slept on cpu has been woken. If that is the running fiber's CPU, too, the
 * guest may have to wait for it: the worker gives it up once when it finds nothing to do, before it
 * waits awake.
 */
void sched_woke(unsigned cpu);
/*
 * A guest thread slept on cpu until its answer came. True if that is the running fiber's CPU, too,
 * and the policy lets its worker go elsewhere, which sched_leave does: for the caller to decide,
 * who knows whether another CPU is free.
 */
bool sched_may_leave(unsigned cpu);
void sched_leave(unsigned cpu);
/*
 * What has been put off (fiber_unpark_later) is done now: for who is about to wait, or knows that
 * there is nothing more to be gained.
 */
void sched_later_end(void);
/* Wakes a worker if one sleeps (something became runnable or due). */
void sched_kick(void);
/* Ends the workers once the current fibers park; for unit tests and orderly exit. */
void sched_stop(void);
void sched_stats_read(struct sched_stats *out);

/*
 * Unit tests and tools: runs fibers on the calling thread until none is
 * runnable, no timer is due within wait_ns, no blocking_call is under way, and,
 * if host fds are watched, nothing has come from them for wait_ns.
 * Works without sched_init.
 */
void sched_run_until_idle(u64 wait_ns);
