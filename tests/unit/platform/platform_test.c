/* Which platform is taken when: with platforms of the test's own, as no host lacks what is wanted.
 */
#include <criterion/criterion.h>
#include "platform/platform_ops.h"

static const char *lacks_nothing(void)
{
	return NULL;
}

static const char *lacks_seccomp(void)
{
	return "no seccomp";
}

static const char *lacks_tracing(void)
{
	return "no tracing";
}

static const struct platform_ops fast = {.name = "fast", .unsupported = lacks_nothing},
                                 fast_impossible = {.name = "fast", .unsupported = lacks_seccomp},
                                 plain = {.name = "plain",
                                          .workers = 1,
                                          .unsupported = lacks_nothing},
                                 plain_impossible = {.name = "plain", .unsupported = lacks_tracing};

Test(platform, the_best_is_taken_without_a_word)
{
	const struct platform_ops *const list[] = {&fast, &plain, NULL};
	struct platform_choice c = platform_choose(list, NULL);

	cr_expect_eq(c.ops, &fast);
	cr_expect_null(c.lacking);
}

Test(platform, the_next_is_taken_and_why_is_said)
{
	const struct platform_ops *const list[] = {&fast_impossible, &plain, NULL};
	struct platform_choice c = platform_choose(list, NULL);

	cr_expect_eq(c.ops, &plain);
	cr_expect_str_eq(c.lacking, "no seccomp");
}

Test(platform, none_is_taken_where_none_can_be_had)
{
	const struct platform_ops *const list[] = {&fast_impossible, &plain_impossible, NULL};
	struct platform_choice c = platform_choose(list, NULL);

	cr_expect_null(c.ops);
	cr_expect_str_eq(c.lacking, "no seccomp");
}

Test(platform, the_named_one_or_none_is_taken)
{
	const struct platform_ops *const list[] = {&fast_impossible, &plain, NULL};
	struct platform_choice c = platform_choose(list, "plain");

	cr_expect_eq(c.ops, &plain);
	cr_expect_null(c.lacking);
	c = platform_choose(list, "fast");
	cr_expect_null(c.ops);
	cr_expect_str_eq(c.lacking, "no seccomp");
	c = platform_choose(list, "none such");
	cr_expect_null(c.ops);
	cr_expect_not_null(c.lacking);
}

Test(platform, one_that_traces_has_one_worker)
{
	cr_expect_eq(platform_ops_workers(&fast, 0), 0);
	cr_expect_eq(platform_ops_workers(&fast, 4), 4);
	cr_expect_eq(platform_ops_workers(&plain, 0), 1);
	cr_expect_eq(platform_ops_workers(&plain, 4), 1);
}
