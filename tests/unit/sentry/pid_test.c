/* The pid table: order, wrap-around, chosen numbers, and numbers that outlive their task. */
#include <criterion/criterion.h>
#include "base/sanitizer.h"
#include "sentry/pid.h"
#include <errno.h>

static struct pid_table *pt;
static int some;
#define THING ((void *)&some)

static void setup(void)
{
	pt = pid_table_create();
}

TestSuite(pid, .init = setup);

static s32 take(s32 want)
{
	s32 nr = pid_alloc(pt, want);
	if (nr > 0)
		pid_lookup(pt, nr)->task = THING;
	return nr;
}

static void give(s32 nr)
{
	pid_lookup(pt, nr)->task = NULL;
	pid_release(pt, nr);
}

Test(pid, ascends)
{
	for (s32 i = 1; i <= 3000; i++)
		cr_assert_eq(take(0), i);
	/* A freed number is not the next one. */
	give(5);
	cr_assert_eq(take(0), 3001);
	cr_assert_eq(pid_count(pt), 3000);
	cr_assert_eq(pid_last(pt), 3001);
}

Test(pid, chosen)
{
	cr_assert_eq(take(0), 1);
	cr_assert_eq(take(100), 100);
	cr_assert_eq(take(100), -EEXIST);
	cr_assert_eq(take(PID_MAX), -EINVAL);
	cr_assert_eq(take(-3), -EINVAL);
	cr_assert_eq(take(0), 2);
}

Test(pid, wraps_to_reserved)
{
	/* Four million allocations by one thread. */
	if (MOAT_TSAN)
		cr_skip_test("ThreadSanitizer");
	/* The cursor near the end, as after a long life. */
	for (s32 i = 1; i < PID_MAX - 1; i++)
		give(take(0));
	cr_assert_eq(take(0), PID_MAX - 1);
	cr_assert_eq(take(0), PID_RESERVED);
	cr_assert_eq(take(0), PID_RESERVED + 1);
	cr_assert_eq(pid_count(pt), 3);
}

Test(pid, stays_while_a_group_bears_it)
{
	s32 nr = take(0);
	struct pid_entry *e = pid_lookup(pt, nr);
	e->pgrp = THING;
	give(nr);
	cr_assert_eq(pid_lookup(pt, nr), e);
	cr_assert_eq(take(nr), -EEXIST);
	e->pgrp = NULL;
	pid_release(pt, nr);
	cr_assert_null(pid_lookup(pt, nr));
	pid_table_free(pt);
}

Test(pid, walks_processes)
{
	for (int i = 0; i < 5000; i++)
		take(0);
	pid_lookup(pt, 7)->group = THING;
	pid_lookup(pt, 4000)->group = THING;
	cr_assert_eq(pid_next_group(pt, 0)->nr, 7);
	cr_assert_eq(pid_next_group(pt, 7)->nr, 7);
	cr_assert_eq(pid_next_group(pt, 8)->nr, 4000);
	cr_assert_null(pid_next_group(pt, 4001));
}
