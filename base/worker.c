/*
 * Workers: the host threads that run fibers. One that finds nothing to run (worker_search.c) sleeps
 * on the doorbell until someone rings or the next timer is due. Host calls: futex (the doorbell),
 * sched_setaffinity; at start, those of pthread_create.
 */
#include <limits.h>
#include "base/bug.h"
#include "base/heap.h"
#include "base/host.h"
#include "base/host_thread.h"
#include "base/reactor.h"
#include "base/sched_internal.h"

#define WORKERS_DEFAULT_MAX 16u
#define AWAY_NS             2000000000ULL

static struct worker workers[SCHED_WORKERS_MAX];
static unsigned nworkers;  /* set by sched_init */
static unsigned nstarted;  /* set by sched_start and sched_stop */
static struct worker solo; /* sched_run_until_idle's */
static struct worker substitute;
static _Atomic bool solo_running;

static _Atomic bool stopping;
static _Atomic int external;

/*
 * The earliest deadline for which a sleeping worker will wake up by itself.
 * Only the worker that lowers it sleeps with a timeout, so that a timer wakes
 * one worker, not all.
 */
static _Atomic u64 sleep_deadline = NO_DEADLINE;

bool sched_stopping(void)
{
	return atomic_load_explicit(&stopping, memory_order_relaxed);
}

void sched_external(int n)
{
	/* Its end is an event only for who waits for everything to end. */
	if (atomic_fetch_add(&external, n) + n == 0 && atomic_load(&solo_running))
		sched_kick();
}

void sched_timer_armed(u64 deadline)
{
	/* A worker that is awake, the caller perhaps, looks at the timers before it sleeps. */
	if (deadline < atomic_load(&sleep_deadline) && !(doorbell_read() & DOORBELL_ATTENDED))
		doorbell_ring(1);
}

/* --- sleeping ----------------------------------------------------------------- */

/* True if this worker is now the one that wakes up for the timer due at next. */
static bool sleep_deadline_claim(u64 next)
{
	u64 old = atomic_load(&sleep_deadline);

	do
		if (next >= old)
			return false;
	while (!atomic_compare_exchange_weak(&sleep_deadline, &old, next));
	return true;
}

/* Waits for the doorbell, for the next timer if no other sleeper does, or until limit. */
static void worker_wait(struct worker *w, u32 seen, u64 limit)
{
	u64 deadline = min_of(timers_next(), limit), now = time_monotonic();
	bool mine = sleep_deadline_claim(deadline);

	if (!mine)
		deadline = NO_DEADLINE;
	if (deadline > now) {
		if (!idle_policy_stays(&w->policy, now))
			worker_unbind(w);
		counter_add(&w->sleeps, 1);
		doorbell_wait(seen, deadline == NO_DEADLINE ? NO_DEADLINE : deadline - now);
		counter_add(&w->wakeups, 1);
		if (!w->solo) {
			u64 woken = time_monotonic();

			idle_policy_slept(&w->policy, woken - now, woken);
		}
	}
	/* Unless another worker has claimed an earlier one meanwhile. */
	if (mine)
		atomic_compare_exchange_strong(&sleep_deadline, &deadline, NO_DEADLINE);
}

/* What the source has put off cannot wait for this worker any longer. */
static void worker_rest(void)
{
	const struct sched_source *s = sched_source();

	if (s && s->rest)
		s->rest();
}

/*
 * Sleeps until there may be work. The last look comes after the worker is
 * counted as asleep: see doorbell.c.
 */
static void worker_sleep(struct worker *w, u64 limit)
{
	u32 seen;

	heap_tidy();
	worker_rest();
	doorbell_sleep_begin();
	seen = doorbell_read();
	if (!sched_stopping() && !worker_poll(w, true) && runq_length() == 0)
		worker_wait(w, seen, limit);
	doorbell_sleep_end();
}

/* --- which CPU ---------------------------------------------------------------- */

void worker_unbind(struct worker *w)
{
	if (!atomic_load_explicit(&w->bound, memory_order_relaxed))
		return;
	atomic_store_explicit(&w->bound, false, memory_order_relaxed);
	host_cpu_any();
}

void sched_woke(unsigned cpu)
{
	struct worker *w = worker_self();

	if (w && host_cpu() == cpu)
		atomic_store_explicit(&w->owes, true, memory_order_relaxed);
}

bool sched_may_leave(unsigned cpu)
{
	const struct worker *w = worker_self();

	return w && !w->solo && host_cpu() == cpu &&
	       idle_policy_may_move(&w->policy, time_monotonic());
}

void sched_leave(unsigned cpu)
{
	struct worker *w = worker_self();
	u64 before = time_monotonic();

	counter_add(&w->moves, 1);
	atomic_store_explicit(&w->bound, host_cpu_leave(cpu), memory_order_relaxed);
	if (!idle_policy_moved(&w->policy, before, time_monotonic()))
		worker_unbind(w);
}

/* --- life --------------------------------------------------------------------- */

static void worker_init(struct worker *w)
{
	atomic_store_explicit(&w->current, NULL, memory_order_relaxed);
	context_init_thread(&w->own);
	idle_policy_init(&w->policy, host_cpu_count());
	worker_set_self(w);
	tsan_release(&w->own);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct fiber *f;

	worker_init(w);
	while (!sched_stopping()) {
		worker_poll(w, true);
		f = runq_pop();
		if (!f && !atomic_load_explicit(&w->searched, memory_order_relaxed))
			f = worker_search(w, NULL);
		atomic_store_explicit(&w->searched, false, memory_order_relaxed);
		if (f)
			worker_switch(w, f, PARTING_NONE);
		else
			worker_sleep(w, NO_DEADLINE);
	}
	return NULL;
}

/* --- away --------------------------------------------------------------------- */

/*
 * While the only worker is away in a host call, it counts as asleep, and word's sleeper, who has
 * been moved to the doorbell, is who wakes up in its place. A timer does not wake that one,
 * so none may be due soon; one that is due later is late if the call takes longer than that.
 */
bool worker_away_begin(_Atomic u32 *word)
{
	const struct sched_source *s = sched_source();
	const struct worker *w = worker_self();

	if (!w || w->solo || nworkers != 1 || (s && s->one_thread) || runq_length() ||
	    sched_any_later() || timers_next() < time_monotonic() + AWAY_NS)
		return false;
	doorbell_sleep_begin();
	if (host_futex_move(word, sched_doorbell()) == 1)
		return true;
	doorbell_sleep_end();
	return false;
}

void worker_away_look(void)
{
	worker_rest();
	if (worker_poll(worker_self(), true) || runq_length())
		doorbell_ring(1);
}

bool worker_away_end(_Atomic u32 *word, bool awake)
{
	if (!awake && host_futex_move(sched_doorbell(), word) == 1) {
		doorbell_sleep_end();
		return true;
	}
	doorbell_workers(1);
	return false;
}

void worker_stand_in(const _Atomic bool *away)
{
	struct worker *w = &substitute;

	worker_init(w);
	doorbell_sleep_end();
	while (!sched_stopping()) {
		struct fiber *f;

		worker_poll(w, true);
		f = runq_pop();
		if (!f && !atomic_load(away))
			break;
		if (!f)
			f = worker_search(w, NULL);
		if (f)
			worker_switch(w, f, PARTING_NONE);
		else
			worker_sleep(w, NO_DEADLINE);
	}
	worker_unbind(w);
	worker_rest();
	doorbell_workers(-1);
	/*
	 * Who has seen an awake worker relies on one last look; and who sleeps has left to this one
	 * the timer that was next when it fell asleep, not those that come after.
	 */
	if (worker_poll(w, true) || runq_length() || timers_next() < atomic_load(&sleep_deadline))
		sched_kick();
	worker_set_self(NULL);
}

/* --- start and stop ------------------------------------------------------------ */

void sched_init(unsigned n, _Atomic u32 *doorbell)
{
	unsigned cpus = host_cpu_count();

	BUG_ON(nstarted);
	if (n == 0)
		n = min_of(max_of(cpus - 1, 1u), WORKERS_DEFAULT_MAX);
	nworkers = min_of(n, SCHED_WORKERS_MAX);
	doorbell_init(doorbell);
}

unsigned sched_worker_count(void)
{
	return nworkers;
}

int sched_start(void)
{
	int err;

	if (nworkers == 0)
		sched_init(0, NULL);
	BUG_ON(nstarted);
	doorbell_workers((int)nworkers);
	for (; nstarted < nworkers; nstarted++) {
		struct worker *w = &workers[nstarted];

		w->only = nworkers == 1;
		err = host_thread_start(&w->thread, "moat-worker", worker_main, w);
		if (err) {
			doorbell_workers((int)nstarted - (int)nworkers);
			sched_stop();
			return err;
		}
	}
	return 0;
}

void sched_stop(void)
{
	atomic_store(&stopping, true);
	doorbell_ring(INT_MAX);
	for (unsigned i = 0; i < nstarted; i++)
		host_thread_join(workers[i].thread);
	doorbell_workers(-(int)nstarted);
	nstarted = 0;
	atomic_store(&stopping, false);
}

/*
 * When there is nothing to do now: how long there may still be (0: no longer).
 * idle_since: when that began.
 */
static u64 solo_patience(u64 idle_since, u64 wait_ns)
{
	u64 next = timers_next(), now = time_monotonic();

	if (next <= now || next - now <= wait_ns)
		return NO_DEADLINE;
	/* Events of host fds come unannounced, so only time can tell. */
	return reactor_watching() && now - idle_since < wait_ns ? idle_since + wait_ns : 0;
}

void sched_run_until_idle(u64 wait_ns)
{
	struct worker *w = &solo;
	u64 idle_since = 0;

	BUG_ON(worker_self());
	BUG_ON(atomic_exchange(&solo_running, true));
	w->solo = true;
	worker_init(w);
	doorbell_workers(1);
	for (;;) {
		/* In this order: external work queues its fiber before it ends. */
		bool pending = atomic_load(&external) != 0;
		struct fiber *f;
		u64 limit;

		worker_poll(w, true);
		f = runq_pop();
		if (f) {
			idle_since = 0;
			worker_switch(w, f, PARTING_NONE);
			continue;
		}
		if (!idle_since)
			idle_since = time_monotonic();
		limit = pending ? NO_DEADLINE : solo_patience(idle_since, wait_ns);
		if (!limit)
			break;
		worker_sleep(w, limit);
	}
	doorbell_workers(-1);
	worker_set_self(NULL);
	atomic_store(&solo_running, false);
}

static void stats_add(struct sched_stats *out, struct worker *w)
{
	out->switches += atomic_load_explicit(&w->switches, memory_order_relaxed);
	out->polls += atomic_load_explicit(&w->polls, memory_order_relaxed);
	out->polls_hit += atomic_load_explicit(&w->polls_hit, memory_order_relaxed);
	out->sleeps += atomic_load_explicit(&w->sleeps, memory_order_relaxed);
	out->wakeups += atomic_load_explicit(&w->wakeups, memory_order_relaxed);
	out->spin_ns += atomic_load_explicit(&w->spin_ns, memory_order_relaxed);
	out->moves += atomic_load_explicit(&w->moves, memory_order_relaxed);
	out->yields += atomic_load_explicit(&w->yields, memory_order_relaxed);
}

void sched_stats_read(struct sched_stats *out)
{
	*out = (struct sched_stats){0};
	for (unsigned i = 0; i < SCHED_WORKERS_MAX; i++)
		stats_add(out, &workers[i]);
	stats_add(out, &solo);
	stats_add(out, &substitute);
}
