/* Mutexes: exclusion over parks, fairness, host threads. */
#include <criterion/criterion.h>
#include <pthread.h>
#include "base/mutex.h"
#include "tests/unit/base/support.h"

static struct mutex mutex;
static _Atomic int done;
static int plain; /* guarded by mutex */

static void init(void)
{
	mutex_init(&mutex, RANK_IPC);
}

static void fini(void)
{
	mutex_destroy(&mutex);
	assert_nothing_left();
}

TestSuite(mutex, .init = init, .fini = fini, .timeout = 120);

static void hold_over_park(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS(5000); i++) {
		mutex_guard(&mutex);
		int before = plain;

		check(mutex_held_by_me(&mutex));
		if (i % 8 == 0)
			fiber_yield();
		plain = before + 1;
	}
	done++;
}

Test(mutex, excludes_fibers_on_several_workers)
{
	sched_init(3, NULL);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < 8; i++)
		spawn(hold_over_park, NULL, NULL);
	await_count(&done, 8);
	sched_stop();
	cr_assert_eq(plain, 8 * ROUNDS(5000));
}

static char order[16];

static void queue_up(void *arg)
{
	mutex_acquire(&mutex);
	strncat(order, arg, 1);
	mutex_release(&mutex);
	/* Nobody overtakes: asking again at once means the end of the queue. */
	mutex_acquire(&mutex);
	strncat(order, arg, 1);
	mutex_release(&mutex);
}

static void hold_for_a_while(void *arg)
{
	mutex_acquire(&mutex);
	check(!mutex_try(&mutex));
	fiber_park();
	mutex_release(&mutex);
	(void)arg;
}

Test(mutex, is_handed_over_in_order)
{
	struct fiber *holder;

	spawn(hold_for_a_while, NULL, &holder);
	spawn(queue_up, "a", NULL);
	spawn(queue_up, "b", NULL);
	spawn(queue_up, "c", NULL);
	sched_run_until_idle(0);
	cr_assert_str_eq(order, "");
	cr_assert(!mutex_try(&mutex));
	fiber_unpark(holder);
	sched_run_until_idle(0);
	cr_assert_str_eq(order, "abcabc");
}

static void *thread_count(void *arg)
{
	for (int i = 0; i < ROUNDS(5000); i++) {
		mutex_acquire(&mutex);
		plain++;
		mutex_release(&mutex);
	}
	return arg;
}

Test(mutex, host_threads_and_fibers_share_one)
{
	pthread_t t[2];

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, thread_count, NULL), 0);
	for (int i = 0; i < 3; i++)
		spawn(hold_over_park, NULL, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	await_count(&done, 3);
	sched_stop();
	cr_assert_eq(plain, 5 * ROUNDS(5000));
}

Test(mutex, can_be_tried)
{
	cr_assert(mutex_try(&mutex));
	cr_assert(mutex_held_by_me(&mutex));
	cr_assert(!mutex_try(&mutex));
	mutex_release(&mutex);
	cr_assert(!mutex_held_by_me(&mutex));
}

static void release_unheld(void)
{
	mutex_release(&mutex);
}

Test(mutex, releasing_what_is_not_held_is_a_bug)
{
	char out[4096];

	cr_assert_eq(run_child(release_unheld, out, sizeof(out)), CRASH_STATUS);
}

#ifdef MOAT_DEBUG
static struct mutex late;

static void invert_on_fiber(void *arg)
{
	mutex_acquire(&late);
	fiber_yield(); /* what is held stays with the fiber */
	mutex_acquire(&mutex);
	(void)arg;
}

static void invert(void)
{
	mutex_init(&late, RANK_MM);
	spawn(invert_on_fiber, NULL, NULL);
	spawn(hold_for_a_while, NULL, NULL);
	sched_run_until_idle(0);
}

static void wait_under_lock(void)
{
	struct lock lock;

	lock_init(&lock, RANK_TASKS);
	lock_acquire(&lock);
	mutex_acquire(&mutex);
}

Test(mutex, ranks_are_checked)
{
	char out[4096];

	cr_assert_eq(run_child(invert, out, sizeof(out)), CRASH_STATUS);
	cr_assert_not_null(strstr(out, "lock order"), "%s", out);
	cr_assert_eq(run_child(wait_under_lock, out, sizeof(out)), CRASH_STATUS);
}
#endif
