/* Counts by type. */
#include <criterion/criterion.h>
#include "base/heap.h"
#include "tests/unit/base/support.h"

static CENSUS(apples, "apples");
static CENSUS(pears, "pears");
static CENSUS(never, "never");

static void sum(const struct census *c, void *arg)
{
	int *seen = arg;

	if (c == &apples || c == &pears)
		*seen += (int)atomic_load(&c->live);
	cr_assert_neq(c, &never);
}

Test(census, lists_each_type_once_when_it_is_first_used)
{
	int seen = 0;

	census_add(&apples, 1);
	census_add(&apples, 1);
	census_add(&pears, 5);
	census_each(sum, &seen);
	cr_assert_eq(seen, 7);
	census_add(&apples, -2);
	census_add(&pears, -5);
	assert_nothing_left();
}

Test(census, memory_is_given_back_when_half_of_a_crowd_has_gone)
{
	atomic_store(&heap_untidy, false);
	for (int i = 0; i < 100000; i++)
		census_add(&apples, 1);
	/* As many as have never been a crowd go unnoticed, and so does what comes and goes. */
	census_add(&pears, 1000);
	census_add(&pears, -1000);
	for (int i = 0; i < 20000; i++)
		census_add(&apples, i % 2 ? 1 : -1);
	cr_expect_not(atomic_load(&heap_untidy));
	for (int i = 0; i < 70000; i++)
		census_add(&apples, -1);
	cr_expect(atomic_load(&heap_untidy));
	/* The next time is when half of the rest has gone, and after that it is none. */
	atomic_store(&heap_untidy, false);
	for (int i = 0; i < 28000; i++)
		census_add(&apples, -1);
	cr_expect(atomic_load(&heap_untidy));
	atomic_store(&heap_untidy, false);
	census_add(&apples, -2000);
	cr_expect_not(atomic_load(&heap_untidy));
	assert_nothing_left();
}
