/*
 * A worker's search for something to run: looks for requests where the source says that they come
 * in, and at the timers; goes on looking for as long as the idle policy allows. It is done on the
 * worker's own stack, or on that of a fiber that waits; then it ends, too, when that one is told
 * something. Host calls: sched_yield.
 */
#include "base/host.h"
#include "base/sched_internal.h"

#define CROWDED_NS           15000
#define LATER_LOOK_NS        8000
#define POLLS_PER_CLOCK_READ 8 /* reading the clock costs as much as several polls */

static _Atomic(const struct sched_source *) source;
static _Atomic unsigned spinners;

void sched_set_source(const struct sched_source *s)
{
	atomic_store_explicit(&source, s, memory_order_release);
}

const struct sched_source *sched_source(void)
{
	return atomic_load_explicit(&source, memory_order_acquire);
}

bool sched_spinning(void)
{
	return atomic_load(&spinners) != 0;
}

bool worker_poll(struct worker *w, bool due_too)
{
	const struct sched_source *s = sched_source();
	struct fiber *host = atomic_load_explicit(&w->current, memory_order_relaxed);
	u64 next = due_too ? timers_next() : NO_DEADLINE;
	bool found = false;

	/* What is called here does not work for the fiber whose stack it borrows. */
	atomic_store_explicit(&w->current, NULL, memory_order_relaxed);
	held_switch(NULL);
	if (s && s->poll() > 0)
		found = true;
	if (next != NO_DEADLINE && next <= time_monotonic()) {
		timers_run();
		found = true;
	}
	atomic_store_explicit(&w->current, host, memory_order_relaxed);
#ifdef MOAT_DEBUG
	held_switch(host ? &host->held : NULL);
#endif
	counter_add(&w->polls, 1);
	counter_add(&w->polls_hit, found);
	return found;
}

/* self if it has been told something, or else what is runnable. */
static struct fiber *worker_found(struct fiber *self)
{
	return self && fiber_has_token(self) ? self : runq_pop();
}

/*
 * More spinners than this find no more requests: they only compete for them,
 * and burn CPUs that guests could use.
 */
static bool spinner_enter(void)
{
	unsigned n = atomic_load(&spinners);

	do
		if (n >= max_of(1u, host_cpu_count() / 4))
			return false;
	while (!atomic_compare_exchange_weak(&spinners, &n, n + 1));
	return true;
}

/*
 * Have guests wanted all CPUs for too long? since: when that was first seen, 0: it was not so at
 * the last look. A moment of it is no sign: who has just been answered may be about to wait.
 */
static bool guests_crowded(u64 *since, u64 now)
{
	const struct sched_source *s = sched_source();

	if (!s || !s->crowded || !s->crowded()) {
		*since = 0;
		return false;
	}
	if (!*since)
		*since = now;
	return now - *since >= CROWDED_NS;
}

/* As many looks as one at the clock costs. */
static struct fiber *worker_looks(struct worker *w, struct fiber *self)
{
	struct fiber *f = NULL;

	for (unsigned i = 0; !f && i < POLLS_PER_CLOCK_READ; i++) {
		__builtin_ia32_pause();
		worker_poll(w, false);
		f = worker_found(self);
	}
	return f;
}

static struct fiber *worker_spin(struct worker *w, struct fiber *self, u64 start, u64 budget)
{
	struct fiber *f;
	u64 now = start, last, crowded = 0;

	do {
		f = worker_looks(w, self);
		last = now;
		now = time_monotonic();
		if (!f && timers_next() <= now) {
			worker_poll(w, true);
			f = worker_found(self);
		}
		if (idle_policy_preempted(&w->policy, last, now) ||
		    (!f && guests_crowded(&crowded, now))) {
			worker_unbind(w);
			break;
		}
	} while (!f && now - start < budget && !sched_stopping());
	counter_add(&w->spin_ns, now - start);
	if (f)
		idle_policy_hit(&w->policy, now - start);
	else
		idle_policy_miss(&w->policy);
	return f;
}

/* Whoever has been woken to wait for this CPU has asked again by the time that it is back. */
static struct fiber *worker_give_way(struct worker *w, struct fiber *self)
{
	counter_add(&w->yields, 1);
	host_yield();
	worker_poll(w, false);
	return worker_found(self);
}

/*
 * There is nothing to do but what has been put off. Whoever it is put off for has asked again
 * within so long, if he goes on asking.
 */
static struct fiber *worker_look_before_later(struct worker *w, struct fiber *self)
{
	u64 start = time_monotonic();
	struct fiber *f;

	do
		f = worker_looks(w, self);
	while (!f && time_monotonic() - start < LATER_LOOK_NS);
	if (f)
		return f;
	sched_later_end();
	return worker_found(self);
}

struct fiber *worker_search(struct worker *w, struct fiber *self)
{
	struct fiber *f;
	u64 now, budget;

	worker_poll(w, false);
	f = worker_found(self);
	if (!f && sched_any_later())
		f = worker_look_before_later(w, self);
	if (f || w->solo)
		return f;
	now = time_monotonic();
	budget = idle_policy_budget(&w->policy, now);
	if (budget && atomic_exchange_explicit(&w->owes, false, memory_order_relaxed)) {
		f = worker_give_way(w, self);
		if (f)
			return f;
		now = time_monotonic();
	}
	if (budget && spinner_enter()) {
		f = worker_spin(w, self, now, budget);
		atomic_fetch_sub(&spinners, 1);
	}
	if (!f)
		atomic_store_explicit(&w->searched, true, memory_order_relaxed);
	return f;
}
