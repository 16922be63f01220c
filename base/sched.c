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
 * to it as unordered, so that it reports two fibers that share data without a
 * lock even when they happen to run on one worker; what does order fibers is
 * their state word. A switch to the worker's own stack is told as ordered, as
 * are all of sched_run_until_idle, so that a caller sees what its fibers did.
 */
#include "base/bug.h"
#include "base/lock.h"
#include "base/sched_internal.h"

/* One in this many picks looks for requests and timers although fibers are runnable. */
#define POLL_INTERVAL 16
/*
 * A worker that makes a single fiber runnable will get to it before another
 * could be woken up; a longer queue is worth a host call.
 */
#define BACKLOG 2

static struct {
	_Alignas(64) struct lock lock;
	_Atomic u32 len;      /* written under lock; lets pop skip an empty queue */
	struct fiber_queue q; /* guarded by lock */
} runq = {
    .lock = LOCK_INIT(RANK_SCHED),
    .q = STAILQ_HEAD_INITIALIZER(runq.q),
};

static _Thread_local struct worker *this_worker;

__attribute__((noinline)) struct worker *worker_self(void)
{
	/* Keeps the compiler from proving the result constant, and reusing it over a switch. */
	asm volatile("" ::: "memory");
	return this_worker;
}

void worker_set_self(struct worker *w)
{
	this_worker = w;
}

struct fiber *fiber_self(void)
{
	struct worker *w = worker_self();

	return w ? atomic_load_explicit(&w->current, memory_order_relaxed) : NULL;
}

/* --- the run queue ------------------------------------------------------------ */

u32 runq_length(void)
{
	return atomic_load(&runq.len);
}

static u32 runq_push(struct fiber *f)
{
	u32 len;

	lock_acquire(&runq.lock);
	STAILQ_INSERT_TAIL(&runq.q, f, link);
	len = atomic_load_explicit(&runq.len, memory_order_relaxed) + 1;
	atomic_store_explicit(&runq.len, len, memory_order_relaxed);
	lock_release(&runq.lock);
	return len;
}

struct fiber *runq_pop(void)
{
	struct fiber *f;

	if (runq_length() == 0)
		return NULL;
	lock_acquire(&runq.lock);
	f = STAILQ_FIRST(&runq.q);
	if (f) {
		STAILQ_REMOVE_HEAD(&runq.q, link);
		atomic_store_explicit(&runq.len,
		                      atomic_load_explicit(&runq.len, memory_order_relaxed) - 1,
		                      memory_order_relaxed);
	}
	lock_release(&runq.lock);
	return f;
}

/*
 * Called after a push, whose lock_release (an exchange) is a full barrier: a
 * worker that counted itself as sleeping before this looks was seen, one that
 * does so later will find the fiber.
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

void sched_wake_fiber(struct fiber *f, u32 token)
{
	u32 old = atomic_fetch_or(&f->state, token);

	if ((old & FIBER_PARKED) && !(old & (FIBER_QUEUED | FIBER_TOKENS)))
		sched_enqueue(f);
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
	if (ticks % POLL_INTERVAL == 0)
		worker_poll(w, true);
	f = runq_pop();
	return f ? f : worker_search(w, self);
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
