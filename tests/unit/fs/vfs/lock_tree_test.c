/* The tree of an inode's locks: against a plain list, and how many locks a request looks at. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "fs/vfs/lock_tree.h"

static char owners[4];

static struct file_lock request(unsigned owner, bool write, u64 start, u64 end)
{
	return (struct file_lock){.owner = &owners[owner],
	                          .kind = LOCK_KIND_POSIX,
	                          .write = write,
	                          .start = start,
	                          .end = end};
}

/* Sets or, for set false, drops a lock, as file_lock.c does. False: another is in the way. */
static bool apply(struct lock_tree *t, const struct file_lock *req, bool set)
{
	struct lock_list dead = TAILQ_HEAD_INITIALIZER(dead);
	struct file_lock *fresh = lock_alloc(), *spare = lock_alloc();

	cr_assert(fresh && spare);
	if (!set || !lock_find_conflict(t, req)) {
		lock_cut_range(t, req, &spare, &dead);
		if (set) {
			*fresh = *req;
			lock_insert(t, fresh);
			lock_merge(t, fresh, &dead);
			fresh = NULL;
		}
		set = false;
	}
	lock_list_free(&dead);
	lock_free(fresh);
	lock_free(spare);
	return !set;
}

static void clear(struct lock_tree *t)
{
	struct lock_list dead = TAILQ_HEAD_INITIALIZER(dead);
	struct file_lock *at;

	while ((at = lock_first(t)))
		lock_bury(t, at, &dead);
	lock_list_free(&dead);
	cr_assert_eq(lock_held_count(), 0);
}

/* What holds of any such tree. */
static void check(struct lock_tree *t)
{
	struct file_lock *last = NULL;

	for (struct file_lock *at = lock_first(t); at; last = at, at = lock_next(at)) {
		u64 reach = at->end;

		for (int side = 0; side < 2; side++) {
			struct file_lock *child = side ? RB_LEFT(at, node) : RB_RIGHT(at, node);

			if (child)
				reach = max_of(reach, child->max_end);
		}
		cr_assert_eq(at->max_end, reach);
		cr_assert(at->start <= at->end);
		cr_assert(!last || last->start <= at->start);
	}
}

#define PLACES 64

/* What each owner holds of each byte: 0 nothing, 1 to read, 2 to write. */
static u8 model[array_size(owners)][PLACES];

static bool model_apply(const struct file_lock *req, unsigned owner, bool set)
{
	for (unsigned o = 0; set && o < array_size(owners); o++)
		for (u64 p = req->start; p <= req->end && p < PLACES; p++)
			if (o != owner && model[o][p] + req->write >= 2 && model[o][p])
				return false;
	for (u64 p = req->start; p <= req->end && p < PLACES; p++)
		model[owner][p] = set ? 1 + req->write : 0;
	return true;
}

static void compare_model(struct lock_tree *t)
{
	u8 seen[array_size(owners)][PLACES] = {{0}};

	for (struct file_lock *at = lock_first(t); at; at = lock_next(at))
		for (u64 p = at->start; p <= at->end && p < PLACES; p++) {
			u8 *place = &seen[(char *)at->owner - owners][p];

			cr_assert_eq(*place, 0, "an owner's locks overlap");
			*place = 1 + at->write;
		}
	cr_assert_arr_eq(seen, model, sizeof(seen));
}

Test(lock_tree, does_what_a_table_of_bytes_does)
{
	struct lock_tree t = {0};
	unsigned seed = 1, granted = 0;

	for (unsigned i = 0; i < 20000; i++) {
		unsigned r = (unsigned)rand_r(&seed), owner = r % array_size(owners);
		/* The last place stands for all behind it. */
		u64 a = (r >> 4) % (PLACES - 1), b = (r >> 12) % (PLACES - 1);
		struct file_lock req = request(owner, r >> 20 & 1, min_of(a, b),
		                               r >> 21 & 7 ? max_of(a, b) : FILE_LOCK_EOF);
		bool set = r >> 24 & 3;
		bool done = apply(&t, &req, set);

		cr_assert_eq(done, model_apply(&req, owner, set));
		granted += done;
		check(&t);
		compare_model(&t);
	}
	cr_assert(granted > 1000);
	clear(&t);
}

Test(lock_tree, neighbours_become_one)
{
	struct lock_tree t = {0};
	const struct file_lock before = request(0, true, 0, 9), behind = request(0, true, 20, 29),
	                       between = request(0, true, 10, 19),
	                       other = request(0, false, 30, 39);

	cr_assert(apply(&t, &before, true) && apply(&t, &behind, true) && apply(&t, &other, true));
	cr_assert_eq(t.count[LOCK_KIND_POSIX], 3);
	cr_assert(apply(&t, &between, true));
	cr_assert_eq(t.count[LOCK_KIND_POSIX], 2);
	cr_assert_eq(lock_first(&t)->end, 29);
	clear(&t);
}

/* A hundred thousand locks: none of the requests may look at more than a few of them. */
Test(lock_tree, many_locks_are_not_looked_through)
{
	struct lock_tree t = {0};
	const unsigned n = 100000;
	u64 most = 0;

	for (unsigned i = 0; i < 3 * n; i++) {
		/* Made upwards, changed in a scattered order, dropped upwards. */
		u64 at = 2 * (i < n || i >= 2 * n ? i % n : (u64)i * 7919 % n);
		const struct file_lock req = request(i / n % 2, true, at, at),
		                       mine = request(0, true, at, at);
		u64 before = t.looks;

		if (i < n)
			cr_assert(apply(&t, &mine, true));
		else if (i < 2 * n)
			cr_assert_not(apply(&t, &req, true));
		else
			cr_assert(apply(&t, &mine, false));
		most = max_of(most, t.looks - before);
	}
	cr_assert_eq(t.count[LOCK_KIND_POSIX], 0);
	/* Four searches, each of twice the tree's depth at most: a list would be n. */
	cr_assert_lt(most, 300, "%llu locks were looked at", (unsigned long long)most);
	clear(&t);
}
