/* Locks: exclusion, and in debug builds the checks of rank and ownership. */
#include <criterion/criterion.h>
#include <pthread.h>
#include "base/lock.h"
#include "tests/unit/base/support.h"

#define THREADS 4

static struct lock lock = LOCK_INIT(RANK_OBJECT);
static u64 plain; /* guarded by lock: ThreadSanitizer would see it if not */

static void *count_up(void *arg)
{
	for (int i = 0; i < ROUNDS(200000); i++) {
		if (i % 16 == 0 && lock_try(&lock)) {
			plain++;
			lock_release(&lock);
			continue;
		}
		lock_guard(&lock);
		plain++;
	}
	return arg;
}

Test(lock, only_one_thread_at_a_time)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, count_up, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(plain, (u64)THREADS * ROUNDS(200000));
	cr_assert_eq(atomic_load(&lock.state), 0);
}

Test(lock, a_held_lock_cannot_be_tried)
{
	lock_acquire(&lock);
	cr_assert(!lock_try(&lock));
	lock_assert_held(&lock);
	lock_release(&lock);
	lock_assert_none();
	cr_assert(lock_try(&lock));
	lock_release(&lock);
}

static void release_free(void)
{
	lock_release(&lock);
}

Test(lock, releasing_a_free_lock_is_a_bug_in_every_build)
{
	char out[4096];

	cr_assert_eq(run_child(release_free, out, sizeof(out)), CRASH_STATUS);
}

#ifdef MOAT_DEBUG
static struct lock outer = LOCK_INIT(RANK_TASKS), inner = LOCK_INIT(RANK_TIMER),
                   peer = LOCK_INIT(RANK_TASKS);

static void invert(void)
{
	lock_acquire(&inner);
	lock_acquire(&outer);
}

static void same_rank(void)
{
	lock_acquire(&outer);
	lock_acquire(&peer);
}

static void twice(void)
{
	lock_acquire(&outer);
	lock_acquire_nested(&outer);
}

static void not_held(void)
{
	lock_assert_held(&outer);
}

static void park_holding(void *arg)
{
	(void)arg;
	lock_acquire(&outer);
	fiber_park();
}

static void park_with_lock(void)
{
	struct fiber *f;

	spawn(park_holding, NULL, &f);
	sched_run_until_idle(0);
}

Test(lock, ranks_are_checked)
{
	static void (*const wrong[])(void) = {invert, same_rank, twice, not_held, park_with_lock};
	char out[4096];

	for (unsigned i = 0; i < array_size(wrong); i++)
		cr_assert_eq(run_child(wrong[i], out, sizeof(out)), CRASH_STATUS, "case %u", i);
	run_child(invert, out, sizeof(out));
	cr_assert_not_null(strstr(out, "lock order"));
}

Test(lock, right_order_nesting_and_any_order_of_release_pass)
{
	lock_acquire(&outer);
	lock_acquire_nested(&peer);
	lock_acquire(&inner);
	lock_release(&outer);
	lock_release(&inner);
	lock_release(&peer);
	lock_assert_none();
}
#endif
