/* Counts by type. */
#include <criterion/criterion.h>
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
