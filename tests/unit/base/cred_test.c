/* Credentials. */
#include <criterion/criterion.h>
#include <linux/capability.h>
#include <pthread.h>
#include "base/cred.h"
#include "tests/unit/base/support.h"

TestSuite(cred, .fini = assert_nothing_left);

Test(cred, root_has_every_capability)
{
	struct cred *c = cred_create_root();

	cr_assert(cred_has_cap(c, CAP_SYS_ADMIN));
	cr_assert(cred_has_cap(c, CAP_LAST_CAP));
	cr_assert(!cred_has_cap(c, CAP_LAST_CAP + 1));
	cr_assert(!cred_has_cap(c, -1));
	cred_put(c);
}

Test(cred, a_user_has_none_but_could_gain_all)
{
	struct cred *c = cred_create(1000, 100, NULL, 0);

	cr_assert(!cred_has_cap(c, CAP_CHOWN));
	cr_assert_neq(c->cap_bounding, 0);
	cr_assert(c->uid == 1000 && c->euid == 1000 && c->suid == 1000 && c->fsuid == 1000);
	cr_assert(c->gid == 100 && c->egid == 100 && c->sgid == 100 && c->fsgid == 100);
	cred_put(c);
}

Test(cred, groups_are_sorted_and_found)
{
	const u32 groups[] = {30, 10, 4000000000u, 20};
	struct cred *c = cred_create(1, 5, groups, array_size(groups));

	cr_assert_eq(c->groups[0], 10);
	cr_assert_eq(c->groups[3], 4000000000u);
	cr_assert(cred_in_group(c, 5));
	for (unsigned i = 0; i < array_size(groups); i++)
		cr_assert(cred_in_group(c, groups[i]));
	cr_assert(!cred_in_group(c, 15));
	cr_assert(!cred_in_group(c, 0));
	cred_put(c);
}

Test(cred, a_clone_is_private_and_has_room)
{
	const u32 groups[] = {1, 2, 3};
	struct cred *c = cred_create(7, 7, groups, 3), *more, *less;

	cred_get(c);
	more = cred_clone(c, 5);
	less = cred_clone(c, 1);
	cr_assert_eq(ref_count(&c->ref), 2);
	cr_assert_eq(ref_count(&more->ref), 1);
	cr_assert(more->groups[2] == 3 && more->groups[3] == 0 && more->groups[4] == 0);
	cr_assert(less->ngroups == 1 && less->groups[0] == 1 && less->uid == 7);
	cr_assert_null(cred_clone(c, CRED_MAX_GROUPS + 1));
	cred_put(more);
	cred_put(less);
	cred_put(c);
	cred_put(c);
}

static void *hold_and_drop(void *cred)
{
	for (int i = 0; i < 20000; i++)
		cred_put(cred_get(cred));
	return NULL;
}

/* A cloner reads what is immutable and not the count, which holders change (ThreadSanitizer). */
Test(cred, is_cloned_while_others_take_references)
{
	struct cred *c = cred_create_root();
	pthread_t holder;

	cr_assert_eq(pthread_create(&holder, NULL, hold_and_drop, c), 0);
	for (int i = 0; i < 2000; i++) {
		struct cred *copy = cred_clone(c, 0);

		cr_assert_eq(ref_count(&copy->ref), 1);
		cred_put(copy);
	}
	pthread_join(holder, NULL);
	cr_assert_eq(ref_count(&c->ref), 1);
	cred_put(c);
}
