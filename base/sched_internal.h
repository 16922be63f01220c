/*
 * The scheduler's inside: the run queue and the switch (sched.c), workers (worker.c),
 * what one does that has nothing to run (worker_search.c), and the doorbell (doorbell.c).
 */
#pragma once
#include "base/fiber_internal.h"
#include "base/idle_policy.h"
#include "base/sched.h"
#include <pthread.h>

#define SCHED_WORKERS_MAX 64

/* Why a fiber is being switched away from. */
enum parting { PARTING_NONE, PARTING_PARK, PARTING_YIELD, PARTING_EXIT };

/*
 * Used by its own host thread only, except for the counters. The fields that
 * fibers touch are atomics (relaxed: no cost) because ThreadSanitizer takes two
 * fibers on one worker for concurrent.
 */
struct worker {
	_Alignas(64) _Atomic(struct fiber *) current; /* NULL: the host thread's own stack */
	_Atomic(struct fiber *) left;                 /* what the switch under way leaves ... */
	_Atomic u32 parting;                          /* ... and why */
	_Atomic u32 ticks;                            /* picks, for the regular look elsewhere */
	_Atomic bool searched; /* a search has just failed: no need for another before sleeping */
	_Atomic bool owes;     /* its CPU to a guest that it has woken there */
	_Atomic bool bound;    /* kept off the CPU that it has left */
	bool only;             /* there is no other, but for its substitute */
	bool solo;             /* sched_run_until_idle's: never spins */
	struct stack_context own;
	struct idle_policy policy;
	_Atomic u64 switches, polls, polls_hit, sleeps, wakeups, spin_ns, moves, yields;
	pthread_t thread;
};

/* The calling host thread's worker or NULL. Never inlined: a fiber changes threads. */
struct worker *worker_self(void);
void worker_set_self(struct worker *w);

/* A counter that one thread writes and others read. */
static inline void counter_add(_Atomic u64 *c, u64 n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
	                      memory_order_relaxed);
}

/* --- sched.c ------------------------------------------------------------------ */

/* Puts a fiber whose PARKED bit is set on the run queue, and wakes a worker if that pays. */
void sched_enqueue(struct fiber *f);
/* Gives f a token, and queues it if that ends its park. */
void sched_wake_fiber(struct fiber *f, u32 token);
/* As fiber_unpark_later. */
void sched_wake_fiber_later(struct fiber *f, u32 token);
bool sched_any_later(void);
/* Called on every stack right after a switch to it. */
void sched_arrived(void);
/* The running fiber's ways off the CPU. sched_park may return without having parked. */
void sched_park(struct fiber *f);
void sched_yield_fiber(struct fiber *f);
noreturn void sched_exit(struct fiber *f);

struct fiber *runq_pop(void);
u32 runq_length(void);
/* Runs to (NULL: the worker's own stack) in place of the running context. */
void worker_switch(struct worker *w, struct fiber *to, enum parting parting);
/*
 * What to run next: from the run queue, or found by polling and, if the policy
 * says so, spinning. self: the fiber on whose stack this runs, returned when a
 * token for it comes, or NULL. NULL when there is nothing.
 */
struct fiber *worker_next(struct worker *w, struct fiber *self);

/* --- worker.c ----------------------------------------------------------------- */

/* Lets the host choose the CPU of w, the calling thread's worker, again. */
void worker_unbind(struct worker *w);
bool sched_stopping(void);
/* A new earliest timer: makes sure that someone wakes up for it. */
void sched_timer_armed(u64 deadline);
/* Counts work outside the scheduler that will unpark a fiber (the blocking pool's). */
void sched_external(int n);

/*
 * The calling fiber's worker is about to make a host call that may sleep. True if it may be away
 * meanwhile: nothing else is to be done, and the thread that sleeps on word (shared futex) has been
 * moved to the doorbell. Look, call, and end then; end is false if that thread is, or is about to
 * be, awake (surely so if the caller knows), and runs worker_stand_in: it retires by itself.
 */
must_check bool worker_away_begin(_Atomic u32 *word);
void worker_away_look(void);
must_check bool worker_away_end(_Atomic u32 *word, bool awake);
/* What a thread does that was moved to the doorbell and has been woken: until the worker is no
 * longer away and nothing is left to do. */
void worker_stand_in(const _Atomic bool *away);

/* --- worker_search.c ---------------------------------------------------------- */

/* One look for requests and (if due_too) due timers; true if it found any. */
bool worker_poll(struct worker *w, bool due_too);
/* Polls once, then spins within the policy's budget. As worker_next. */
struct fiber *worker_search(struct worker *w, struct fiber *self);
/* True while a worker is spinning: it will see whatever is queued. */
bool sched_spinning(void);
/* Where requests come from, or NULL. */
const struct sched_source *sched_source(void);

/* --- doorbell.c --------------------------------------------------------------- */

void doorbell_init(_Atomic u32 *word);
/* Adds n workers, all awake; or takes n awake ones away (n < 0). */
void doorbell_workers(int n);
void doorbell_sleep_begin(void);
void doorbell_sleep_end(void);
/* Waits until the word is no longer seen, or ns are over (NO_DEADLINE: never). */
void doorbell_wait(u32 seen, u64 ns);
u32 doorbell_read(void);
/* Wakes n sleeping workers, and turns back those that are about to sleep. */
void doorbell_ring(int n);
