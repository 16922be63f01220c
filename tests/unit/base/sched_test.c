/* The scheduler: the doorbell's protocol with guests, idling, starting and stopping. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <time.h>
#include "base/host.h"
#include "tests/unit/base/support.h"

TestSuite(sched, .fini = assert_nothing_left, .timeout = 120);

static _Atomic u32 doorbell;
static _Atomic int done;

/* --- guests ------------------------------------------------------------------------- */

#define GUESTS 3

/* A guest thread, as the platform would see it: a request word and a fiber that answers. */
struct guest {
	_Alignas(64) _Atomic u32 request; /* 1: asked, 2: taken, 0: answered */
	_Atomic u32 wanted;               /* the fiber should look */
	struct fiber *fiber;
	u64 question, answer;
};

static struct guest guests[GUESTS];
static _Atomic bool closing;

static int poll_guests(void)
{
	int found = 0;

	for (int i = 0; i < GUESTS; i++) {
		u32 expect = 1;

		if (atomic_load(&guests[i].request) != 1 ||
		    !atomic_compare_exchange_strong(&guests[i].request, &expect, 2))
			continue;
		fiber_unpark(guests[i].fiber);
		found++;
	}
	return found;
}

static void serve(void *arg)
{
	struct guest *g = arg;

	while (!atomic_load(&closing)) {
		if (atomic_load(&g->request) != 2) {
			fiber_park();
			continue;
		}
		g->answer = g->question * 3;
		atomic_store(&g->request, 0);
		host_futex_wake(&g->request, 1, true);
	}
	done++;
}

/* The guest's half of the protocol that sched.h states. */
static void ring(struct guest *g)
{
	u32 seen = atomic_load(&doorbell);

	while ((seen & DOORBELL_SLEEPERS) && host_futex_wake(&doorbell, 1, true) == 0 &&
	       atomic_load(&doorbell) == seen && atomic_load(&g->request) == 1)
		;
}

static void *guest_main(void *arg)
{
	struct guest *g = arg;
	const struct timespec pause = {.tv_nsec = 300000};

	for (u64 i = 1; i <= ROUNDS(5000); i++) {
		g->question = i;
		atomic_store(&g->request, 1);
		if (!(atomic_load(&doorbell) & DOORBELL_ATTENDED))
			ring(g);
		for (u32 v; (v = atomic_load(&g->request)) != 0;) {
			if (v == 1)
				ring(g);
			host_futex_wait(&g->request, v, NULL, true);
		}
		check(g->answer == i * 3);
		/* Long enough, now and then, for the workers to fall asleep. */
		if (i % 50 == 0)
			nanosleep(&pause, NULL);
	}
	done++;
	return NULL;
}

static const struct sched_source source = {.poll = poll_guests};

Test(sched, no_request_is_lost)
{
	pthread_t t[GUESTS];
	struct sched_stats st;

	sched_init(2, &doorbell);
	for (int i = 0; i < GUESTS; i++)
		spawn(serve, &guests[i], &guests[i].fiber);
	sched_set_source(&source);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < GUESTS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, guest_main, &guests[i]), 0);
	await_count(&done, GUESTS);
	atomic_store(&closing, true);
	for (int i = 0; i < GUESTS; i++) {
		pthread_join(t[i], NULL);
		fiber_unpark(guests[i].fiber);
	}
	await_count(&done, 2 * GUESTS);
	sched_stop();
	sched_stats_read(&st);
	cr_assert_gt(st.polls_hit, 0);
	cr_assert_gt(st.sleeps, 0);
	cr_assert_eq(atomic_load(&doorbell) & (DOORBELL_SLEEPERS | DOORBELL_ATTENDED), 0);
}

/* --- idling -------------------------------------------------------------------------- */

static u64 cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (u64)ts.tv_sec * SEC + (u64)ts.tv_nsec;
}

Test(sched, an_idle_sandbox_makes_no_host_call_and_uses_no_cpu)
{
	u64 calls, cpu;

	sched_init(3, &doorbell);
	cr_assert_eq(sched_start(), 0);
	sleep_ms(500);
	cr_assert_eq(atomic_load(&doorbell) & DOORBELL_SLEEPERS, 3);
	cr_assert(!(atomic_load(&doorbell) & DOORBELL_ATTENDED));
	calls = host_call_count();
	cpu = cpu_time();
	sleep_ms(500);
	cr_assert_eq(host_call_count(), calls);
	cr_assert_lt(cpu_time() - cpu, 5 * MSEC);
	sched_stop();
}

static void count_one(void *arg)
{
	(void)arg;
	done++;
}

Test(sched, a_fiber_made_elsewhere_wakes_a_worker)
{
	sched_init(2, &doorbell);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < 20; i++) {
		sleep_ms(5);
		spawn(count_one, NULL, NULL);
		await_count(&done, i + 1);
	}
	sched_stop();
}

Test(sched, can_be_started_again)
{
	for (int i = 0; i < 20; i++) {
		sched_init(1 + (unsigned)i % 3, &doorbell);
		cr_assert_eq(sched_start(), 0);
		spawn(count_one, NULL, NULL);
		await_count(&done, i + 1);
		sched_stop();
	}
}

/* --- sharing a CPU with a guest ---------------------------------------------------------- */

#define WAKES 20

static void wake_guests(void *arg)
{
	unsigned beside = *(unsigned *)arg;

	for (int i = 0; i < WAKES; i++) {
		sched_woke(host_cpu() + beside);
		check(fiber_sleep(time_monotonic() + MSEC / 100) != 0);
	}
	done++;
}

static u64 yields_of_waking(unsigned beside)
{
	struct sched_stats before, after;

	done = 0;
	sched_stats_read(&before);
	sched_init(1, &doorbell);
	cr_assert_eq(sched_start(), 0);
	spawn(wake_guests, &beside, NULL);
	await_count(&done, 1);
	sched_stop();
	sched_stats_read(&after);
	return after.yields - before.yields;
}

Test(sched, a_worker_makes_way_once_for_a_guest_woken_on_its_cpu)
{
	u64 yields;

	if (host_cpu_count() == 1)
		cr_skip_test("a worker with one CPU does not wait awake");
	cr_assert_eq(yields_of_waking(1), 0);
	yields = yields_of_waking(0);
	cr_assert(yields > 0 && yields <= WAKES);
}

/* --- fibers that are put off --------------------------------------------------------------- */

static struct fiber *put_off, *answerer, *asker;
static char order[8];
static _Atomic unsigned noted;
static _Atomic bool asked, ran;

static void note(char who)
{
	if (noted < sizeof(order) - 1)
		order[noted++] = who;
}

static void run_later(void *arg)
{
	(void)arg;
	fiber_park();
	note('L');
	ran = true;
	done++;
}

static void answer_asker(void *arg)
{
	(void)arg;
	while (!ran || asked) {
		if (!asked) {
			fiber_park();
			continue;
		}
		note('A');
		asked = false;
		fiber_unpark(asker);
	}
	done++;
}

/* As a call of a guest's: the worker goes on with what there is, and comes back here. */
static void ask(void)
{
	asked = true;
	fiber_unpark(answerer);
	while (asked)
		fiber_park();
}

static void ask_then_wait(void *arg)
{
	(void)arg;
	asker = fiber_self();
	fiber_unpark_later(put_off);
	ask();
	note('W');
	check(fiber_sleep(time_monotonic() + MSEC) == -ETIMEDOUT);
	fiber_unpark(answerer);
	done++;
}

static void ask_again_and_again(void *arg)
{
	(void)arg;
	asker = fiber_self();
	fiber_unpark_later(put_off);
	while (!ran)
		ask();
	fiber_unpark(answerer);
	done++;
}

static void put_off_by(fiber_fn *fn)
{
	done = 0;
	ran = asked = false;
	noted = 0;
	memset(order, 0, sizeof(order));
	sched_init(1, &doorbell);
	cr_assert_eq(sched_start(), 0);
	spawn(run_later, NULL, &put_off);
	spawn(answer_asker, NULL, &answerer);
	sleep_ms(20);
	spawn(fn, NULL, NULL);
	await_count(&done, 3);
	sched_stop();
}

Test(sched, what_is_put_off_runs_when_its_waker_waits)
{
	put_off_by(ask_then_wait);
	cr_assert_str_eq(order, "AWL");
}

Test(sched, what_is_put_off_runs_though_its_waker_never_waits)
{
	put_off_by(ask_again_and_again);
	cr_assert_eq(order[0], 'A');
}

/* --- on the calling thread -------------------------------------------------------------- */

static void sleep_twice(void *arg)
{
	u64 ns = *(u64 *)arg;

	for (int i = 0; i < 2; i++) {
		int err = fiber_sleep(time_monotonic() + ns);

		check(err != 0);
		done++;
	}
}

Test(sched, run_until_idle_waits_for_near_timers_only)
{
	u64 near = 10 * MSEC, far = 3600 * SEC, start = time_monotonic();
	struct fiber *f;

	spawn(sleep_twice, &near, NULL);
	sched_run_until_idle(SEC);
	cr_assert_eq(done, 2);
	cr_assert_geq(time_monotonic() - start, 20 * MSEC);
	spawn(sleep_twice, &far, &f);
	sched_run_until_idle(SEC);
	cr_assert_eq(done, 2);
	cr_assert_lt(time_monotonic() - start, 900 * MSEC);
	fiber_interrupt(f);
	sched_run_until_idle(0);
	cr_assert_eq(done, 4);
}
