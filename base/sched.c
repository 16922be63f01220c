/*
 * The run queue and the switch.
 *
 * There is one run queue, first come, first served. A parking fiber switches
 * straight to the next one, with no detour over the worker's own stack; if
 * nothing is runnable, the search for work (polling, spinning) runs on the
 * parking fiber's stack too, so that a guest that asks again soon finds its
 * fiber where it was: no switch at all. Only a worker that is going to sleep
 * goes back to its own stack.
 *
 * ThreadSanitizer sees fibers as threads. Switches from fiber to fiber are told
 * to it as unordered, and the run queue is hidden from it, so that it reports
 * two fibers that share data without a lock even when they happen to run on
 * one worker; what does order fibers is their state word. A switch to the
 * worker's own stack is told as ordered, as are all of sched_run_until_idle,
 * so that a caller sees what its fibers did.
 */
#include "base/bug.h"
#include "base/host.h"
#include "base/lock.h"
#include "base/sched_internal.h"

/* One in this many picks looks for requests and timers although fibers are runnable. */
#define POLL_INTERVAL 16
/*
 * A worker that makes a single fiber runnable will get to it before another
 * could be woken up; a longer queue is worth a host call.
 */
#define BACKLOG    2
#define RUNQ_SPINS 200
/* What may be put off is put off for so long. */
#define LATER_NS 100000

/*
 * Every wake-up and every park goes through here, so the lock is cheaper than
 * struct lock: with nobody ever asleep on it, a pop releases it with a plain
 * store. Nothing else is taken under it, so it needs no rank.
 */
static struct {
	_Alignas(64) _Atomic u32 locked;
	_Atomic u32 len;      /* written under the lock; lets pop skip an empty queue */
	struct fiber_queue q; /* guarded by the lock, as are the next */
	/* Fibers that are better run later, and since when there have been any. */
	struct fiber_queue later;
	u64 later_since;
	_Atomic u32 later_len;
} runq = {
    .q = STAILQ_HEAD_INITIALIZER(runq.q),
    .later = STAILQ_HEAD_INITIALIZER(runq.later),
};

static _Thread_local struct worker *this_worker;

no_tsan __attribute__((noinline)) struct worker *worker_self(void)
{
	/* Keeps the compiler from proving the result constant, and reusing it over a switch. */
	asm volatile("" ::: "memory");
	return this_worker;
}

no_tsan void worker_set_self(struct worker *w)
{
	this_worker = w;
}

struct fiber *fiber_self(void)
{
	struct worker *w = worker_self();

	return w ? atomic_load_explicit(&w->current, memory_order_relaxed) : NULL;
}

/* --- the run queue ------------------------------------------------------------ */

static no_tsan __attribute__((noinline)) void runq_lock_wait(void)
{
	const struct timespec pause = {.tv_nsec = 20000};
	bool spin = host_cpu_count() > 1;

	for (unsigned i = 0; atomic_exchange_explicit(&runq.locked, 1, memory_order_acquire); i++) {
		/* A holder this slow has lost its CPU: let it have this one for a while. */
		if (!spin || i > RUNQ_SPINS)
			host_futex_wait(&runq.locked, 1, &pause, false);
		else
			__builtin_ia32_pause();
	}
}

#define runq_lock()                                                                                \
	do {                                                                                       \
		if (__builtin_expect(                                                              \
		        atomic_exchange_explicit(&runq.locked, 1, memory_order_acquire), 0))       \
			runq_lock_wait();                                                          \
	} while (0)

no_tsan u32 runq_length(void)
{
	return atomic_load(&runq.len);
}

static no_tsan u32 runq_push(struct fiber *f)
{
	u32 len;

	runq_lock();
	STAILQ_INSERT_TAIL(&runq.q, f, link);
	len = atomic_load_explicit(&runq.len, memory_order_relaxed) + 1;
	atomic_store_explicit(&runq.len, len, memory_order_relaxed);
	/* With a full barrier: see sched_notify. */
	atomic_store(&runq.locked, 0);
	return len;
}

no_tsan struct fiber *runq_pop(void)
{
	struct fiber *f;

	if (runq_length() == 0)
		return NULL;
	runq_lock();
	f = STAILQ_FIRST(&runq.q);
	if (f) {
		STAILQ_REMOVE_HEAD(&runq.q, link);
		atomic_store_explicit(&runq.len,
		                      atomic_load_explicit(&runq.len, memory_order_relaxed) - 1,
		                      memory_order_relaxed);
	}
	atomic_store_explicit(&runq.locked, 0, memory_order_release);
	return f;
}

no_tsan bool sched_any_later(void)
{
	return atomic_load_explicit(&runq.later_len, memory_order_relaxed) != 0;
}

static no_tsan void later_push(struct fiber *f)
{
	u64 now = time_monotonic();

	runq_lock();
	if (STAILQ_EMPTY(&runq.later))
		runq.later_since = now;
	STAILQ_INSERT_TAIL(&runq.later, f, link);
	atomic_store_explicit(&runq.later_len, runq.later_len + 1, memory_order_relaxed);
	atomic_store_explicit(&runq.locked, 0, memory_order_release);
}

/* All that was put off before the time is runnable now. */
static no_tsan void later_end(u64 before)
{
	runq_lock();
	if (runq.later_since < before) {
		STAILQ_CONCAT(&runq.q, &runq.later);
		atomic_store_explicit(&runq.len, runq.len + runq.later_len, memory_order_relaxed);
		atomic_store_explicit(&runq.later_len, 0, memory_order_relaxed);
	}
	atomic_store(&runq.locked, 0);
}

void sched_later_end(void)
{
	if (sched_any_later())
		later_end(NO_DEADLINE);
}

/*
 * Called after a push, which ended with a full barrier: a worker that counted itself as sleeping
 * before this looks was seen, one that does so later will find the fiber.
 */
static void sched_notify(u32 len)
{
	if (!(doorbell_read() & DOORBELL_SLEEPERS) || sched_spinning())
		return;
	if (worker_self() && len < BACKLOG)
		return;
	doorbell_ring(1);
}

void sched_enqueue(struct fiber *f)
{
	sched_notify(runq_push(f));
}

/* True if that ends f's park: then it is the caller's to queue. */
static bool give_token(struct fiber *f, u32 token)
{
	u32 old = atomic_fetch_or(&f->state, token);

	return (old & FIBER_PARKED) && !(old & (FIBER_QUEUED | FIBER_TOKENS));
}

void sched_wake_fiber(struct fiber *f, u32 token)
{
	if (give_token(f, token))
		sched_enqueue(f);
}

void sched_wake_fiber_later(struct fiber *f, u32 token)
{
	const struct worker *w = worker_self();

	if (!w || !w->only)
		sched_wake_fiber(f, token);
	else if (give_token(f, token))
		later_push(f);
}

void sched_kick(void)
{
	doorbell_ring(1);
}

/* --- switching ---------------------------------------------------------------- */

void sched_arrived(void)
{
	struct worker *w = worker_self();
	struct fiber *left = atomic_load_explicit(&w->left, memory_order_relaxed);

	/* The thread's start comes before whatever runs on it: its thread-locals are set up. */
	tsan_acquire(&w->own);
	switch (atomic_load_explicit(&w->parting, memory_order_relaxed)) {
	case PARTING_PARK:
		if (atomic_fetch_or(&left->state, FIBER_PARKED) & FIBER_TOKENS)
			sched_enqueue(left);
		break;
	case PARTING_YIELD:
		atomic_fetch_or(&left->state, FIBER_PARKED | FIBER_QUEUED);
		sched_enqueue(left);
		break;
	case PARTING_EXIT:
		tsan_acquire(left);
		fiber_free(left);
		break;
	}
}

void worker_switch(struct worker *w, struct fiber *to, enum parting parting)
{
	struct fiber *from = atomic_load_explicit(&w->current, memory_order_relaxed);

	atomic_store_explicit(&w->left, from, memory_order_relaxed);
	atomic_store_explicit(&w->parting, parting, memory_order_relaxed);
	atomic_store_explicit(&w->current, to, memory_order_relaxed);
	counter_add(&w->switches, 1);
#ifdef MOAT_DEBUG
	held_switch(to ? &to->held : NULL);
#endif
	context_switch(from ? &from->context : &w->own, to ? &to->context : &w->own,
	               parting == PARTING_EXIT, !to || w->solo);
	sched_arrived();
}

struct fiber *worker_next(struct worker *w, struct fiber *self)
{
	u32 ticks = atomic_load_explicit(&w->ticks, memory_order_relaxed) + 1;
	struct fiber *f;

	atomic_store_explicit(&w->ticks, ticks, memory_order_relaxed);
	if (sched_stopping())
		return NULL;
	if (ticks % POLL_INTERVAL == 0) {
		if (sched_any_later())
			later_end(time_monotonic() - LATER_NS);
		worker_poll(w, true);
	}
	f = runq_pop();
	return f ? f : worker_search(w, self);
}

bool sched_may_linger(void)
{
	struct worker *w = worker_self();
	u32 ticks = atomic_load_explicit(&w->ticks, memory_order_relaxed) + 1;

	/* The one that does not linger goes by worker_next, which counts it. */
	if (ticks % POLL_INTERVAL == 0 || runq_length() != 0 || sched_stopping())
		return false;
	atomic_store_explicit(&w->ticks, ticks, memory_order_relaxed);
	return true;
}

void sched_park(struct fiber *f)
{
	struct worker *w = worker_self();
	struct fiber *next = worker_next(w, f);

	if (next != f)
		worker_switch(w, next, PARTING_PARK);
}

void sched_yield_fiber(struct fiber *f)
{
	struct worker *w = worker_self();
	struct fiber *next;

	worker_poll(w, true);
	sched_later_end();
	next = runq_pop();
	if (!next)
		return;
	worker_switch(w, next, PARTING_YIELD);
	/* Tokens that came meanwhile stay for the next park. */
	atomic_fetch_and(&f->state, ~(FIBER_PARKED | FIBER_QUEUED));
}

noreturn void sched_exit(struct fiber *f)
{
	struct worker *w = worker_self();

	BUG_ON(atomic_load_explicit(&w->current, memory_order_relaxed) != f);
	lock_assert_none();
	/* As if queued for ever: an unpark that comes too late does nothing. */
	atomic_store(&f->state, FIBER_PARKED | FIBER_QUEUED);
	tsan_release(f);
	worker_switch(w, sched_stopping() ? NULL : runq_pop(), PARTING_EXIT);
	BUG("an ended fiber was resumed");
}
