/* Fibers: parking, tokens, sleeping, interrupts; on one thread and on several workers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <immintrin.h>
#include "base/caller.h"
#include "tests/unit/base/support.h"

TestSuite(fiber, .fini = assert_nothing_left, .timeout = 120);

static _Atomic int done;

/* --- one thread ------------------------------------------------------------------ */

static char order[16];

static void note(void *arg)
{
	strncat(order, arg, 1);
	fiber_yield();
	strncat(order, arg, 1);
}

Test(fiber, run_first_come_first_served_and_yield_in_turn)
{
	spawn(note, "a", NULL);
	spawn(note, "b", NULL);
	spawn(note, "c", NULL);
	sched_run_until_idle(0);
	cr_assert_str_eq(order, "abcabc");
}

static void identity(void *arg)
{
	struct fiber **f = arg;

	check(fiber_self() == *f);
	check(strcmp(fiber_name(*f), "named") == 0);
	check(caller() == fiber_caller(*f) && caller_cred()->uid == 0);
	done++;
}

Test(fiber, knows_itself_and_its_caller)
{
	struct fiber *f;
	struct caller c = *caller();

	cr_assert_null(fiber_self());
	cr_assert_eq(fiber_create(identity, &f, "named", &c, &f), 0);
	sched_run_until_idle(0);
	cr_assert_eq(fiber_create(identity, &f, "named", NULL, &f), 0);
	sched_run_until_idle(0);
	cr_assert_eq(done, 2);
	cr_assert_not_null(caller());
	cr_assert_not_null(caller_cred());
}

static void token_first(void *arg)
{
	(void)arg;
	fiber_unpark(fiber_self());
	fiber_unpark(fiber_self());
	fiber_park(); /* returns at once; both unparks were one token */
	done = 1;
	fiber_park();
	done = 2;
}

Test(fiber, an_early_unpark_is_a_token)
{
	struct fiber *f;

	spawn(token_first, NULL, &f);
	sched_run_until_idle(0);
	cr_assert_eq(done, 1);
	fiber_unpark(f);
	sched_run_until_idle(0);
	cr_assert_eq(done, 2);
}

static void sleeper(void *arg)
{
	u64 start = time_monotonic();

	check(fiber_sleep(start) == -ETIMEDOUT);
	check(fiber_sleep(start + 5 * MSEC) == -ETIMEDOUT);
	check(time_monotonic() >= start + 5 * MSEC);
	fiber_unpark(fiber_self());
	check(fiber_sleep(time_monotonic() + SEC) == 0);
	check(fiber_sleep(time_monotonic() + SEC) == 0); /* by the test */
	done = 1;
	(void)arg;
}

Test(fiber, a_sleep_ends_by_deadline_or_unpark)
{
	struct fiber *f;

	spawn(sleeper, NULL, &f);
	sched_run_until_idle(100 * MSEC);
	fiber_unpark(f);
	sched_run_until_idle(0);
	cr_assert_eq(done, 1);
}

static void interruptible(void *arg)
{
	(void)arg;
	check(fiber_sleep(NO_DEADLINE) == -EINTR);
	check(fiber_interrupted(fiber_self()));
	check(fiber_sleep(NO_DEADLINE) == -EINTR); /* still pending */
	fiber_clear_interrupt(fiber_self());
	check(fiber_sleep(time_monotonic() + MSEC) == -ETIMEDOUT);
	/* A real wake-up comes first, so that nobody misses what it announced. */
	check(fiber_sleep(NO_DEADLINE) == 0);
	check(fiber_sleep(NO_DEADLINE) == -EINTR);
	done = 1;
}

Test(fiber, an_interrupt_ends_sleeps_until_it_is_cleared)
{
	struct fiber *f;

	spawn(interruptible, NULL, &f);
	sched_run_until_idle(0);
	fiber_interrupt(f);
	sched_run_until_idle(100 * MSEC);
	fiber_interrupt(f);
	fiber_unpark(f);
	sched_run_until_idle(0);
	cr_assert_eq(done, 1);
}

#define ROUND_UP  0x4000 /* MXCSR */
#define X87_LEAST 0x0800 /* x87 control word: round down */
#define X87_ROUND 0x0c00

static u16 x87_control(void)
{
	u16 cw;

	asm volatile("fnstcw %0" : "=m"(cw));
	return cw;
}

static void round_oddly(void *arg)
{
	u16 cw = x87_control() | X87_LEAST;

	_mm_setcsr(_mm_getcsr() | ROUND_UP);
	asm volatile("fldcw %0" : : "m"(cw));
	fiber_yield();
	check((_mm_getcsr() & ROUND_UP) && x87_control() == cw);
	(void)arg;
	done++;
}

static void round_default(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		check(!(_mm_getcsr() & ROUND_UP) && !(x87_control() & X87_ROUND));
		fiber_yield();
	}
	done++;
}

Test(fiber, keeps_its_floating_point_control_words)
{
	spawn(round_oddly, NULL, NULL);
	spawn(round_default, NULL, NULL);
	sched_run_until_idle(0);
	cr_assert_eq(done, 2);
	cr_assert(!(_mm_getcsr() & ROUND_UP) && !(x87_control() & X87_ROUND));
}

static void wait_once(void *arg)
{
	(void)arg;
	fiber_park();
	done++;
}

Test(fiber, many_can_wait_and_their_stacks_come_back)
{
	static struct fiber *f[2000];

	for (int round = 0; round < 2; round++) {
		done = 0;
		for (unsigned i = 0; i < array_size(f); i++)
			spawn(wait_once, NULL, &f[i]);
		sched_run_until_idle(0);
		for (unsigned i = 0; i < array_size(f); i++)
			fiber_unpark(f[i]);
		sched_run_until_idle(0);
		cr_assert_eq(done, array_size(f));
	}
}

/* --- several workers --------------------------------------------------------------- */

#define PAIRS 8

struct pair {
	struct fiber *f[2];
	_Atomic int turn; /* whose turn it is */
	_Atomic int ready;
	int plain; /* written by whose turn it is: the turn must order it */
};

struct player {
	struct pair *pair;
	int side;
};

static void ping_pong(void *arg)
{
	struct player *p = arg;
	struct pair *pair = p->pair;

	while (atomic_load(&pair->ready) != 2)
		fiber_yield();
	for (int i = 0; i < ROUNDS(20000); i++) {
		while (atomic_load(&pair->turn) != p->side)
			fiber_park();
		pair->plain++;
		atomic_store(&pair->turn, !p->side);
		fiber_unpark(pair->f[!p->side]);
	}
	atomic_fetch_add(&done, 1);
}

Test(fiber, no_wakeup_is_lost_between_workers)
{
	static struct pair pairs[PAIRS];
	static struct player players[PAIRS][2];

	sched_init(3, NULL);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < PAIRS; i++)
		for (int side = 0; side < 2; side++) {
			players[i][side] = (struct player){&pairs[i], side};
			spawn(ping_pong, &players[i][side], &pairs[i].f[side]);
			atomic_fetch_add(&pairs[i].ready, 1);
		}
	await_count(&done, 2 * PAIRS);
	sched_stop();
	for (int i = 0; i < PAIRS; i++)
		cr_assert_eq(pairs[i].plain, 2 * ROUNDS(20000));
}

static _Atomic bool stop;
static _Atomic int sleeps;

static void sleep_often(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		int err = fiber_sleep(time_monotonic() + 20000);

		check(err == 0 || err == -ETIMEDOUT || err == -EINTR);
		if (err == -EINTR)
			fiber_clear_interrupt(fiber_self());
		sleeps++;
	}
	done++;
}

Test(fiber, deadline_unpark_and_interrupt_may_race)
{
	struct fiber *f[4];
	u64 end = time_monotonic() + 500 * MSEC;

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	for (unsigned i = 0; i < array_size(f); i++)
		spawn(sleep_often, NULL, &f[i]);
	for (unsigned i = 0; time_monotonic() < end; i++) {
		if (i % 3)
			fiber_unpark(f[i % 4]);
		else
			fiber_interrupt(f[i % 4]);
		if (i % 64 == 0)
			usleep(50);
	}
	stop = true;
	await_count(&done, array_size(f));
	cr_assert_gt(sleeps, 100);
	sched_stop();
}

static void short_life(void *arg)
{
	int depth = (int)(intptr_t)arg;

	if (depth)
		spawn(short_life, (void *)(intptr_t)(depth - 1), NULL);
	fiber_yield();
	done++;
}

Test(fiber, creation_and_end_on_any_worker)
{
	int n = ROUNDS(2000);

	sched_init(3, NULL);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < n; i++)
		spawn(short_life, (void *)9, NULL);
	await_count(&done, 10 * n);
	sched_stop();
}
