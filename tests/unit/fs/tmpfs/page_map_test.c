/* The radix tree against an array, and the page pool. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "fs/tmpfs/page_map.h"
#include "fs/tmpfs/page_pool.h"

#define N 5000

static u64 rng_state = 88172645463325252ULL;

static u64 rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static void *entry(u64 i)
{
	return (void *)(i * 8 + 8);
}

Test(page_map, does_what_an_array_does)
{
	static bool model[N];
	struct page_map m = {NULL, 0};

	for (int round = 0; round < 50000; round++) {
		u64 i = rng() % N, next = i;

		if (rng() % 2) {
			cr_assert_eq(page_map_set(&m, i, entry(i)), 0);
			model[i] = true;
		} else {
			cr_assert_eq(page_map_remove(&m, i), model[i] ? entry(i) : NULL);
			model[i] = false;
		}
		i = rng() % N;
		cr_assert_eq(page_map_get(&m, i), model[i] ? entry(i) : NULL);
		if (round % 16 == 0) {
			for (next = i; next < N && !model[next]; next++)
				;
			cr_assert_eq(page_map_next(&m, i), next == N ? PAGE_MAP_END : next);
		}
	}
	for (u64 i = 0; i < N; i++)
		page_map_remove(&m, i);
	cr_assert_null(m.root);
}

Test(page_map, far_ends)
{
	struct page_map m = {NULL, 0};
	u64 far = (1ULL << 51) - 1;

	cr_assert_eq(page_map_set(&m, far, entry(1)), 0);
	cr_assert_eq(page_map_get(&m, far), entry(1));
	cr_assert_null(page_map_get(&m, 0));
	cr_assert_null(page_map_get(&m, ~0ULL >> 12));
	cr_assert_eq(page_map_next(&m, 0), far);
	cr_assert_eq(page_map_next(&m, far + 1), PAGE_MAP_END);
	cr_assert_eq(page_map_set(&m, 0, entry(2)), 0);
	cr_assert_eq(page_map_next(&m, 0), 0);
	cr_assert_eq(page_map_next(&m, 1), far);
	cr_assert_eq(page_map_remove(&m, far), entry(1));
	cr_assert_eq(page_map_remove(&m, 0), entry(2));
	cr_assert_null(m.root);
}

Test(page_pool, pages_are_apart_and_clean)
{
	enum { PAGES = 1000 };
	static char *page[PAGES];
	static const char zero[PAGE_SIZE];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < PAGES; i++) {
			page[i] = page_alloc(true);
			cr_assert_not_null(page[i]);
			cr_assert_eq((uintptr_t)page[i] % PAGE_SIZE, 0);
			cr_assert_eq(memcmp(page[i], zero, PAGE_SIZE), 0);
			memset(page[i], i, PAGE_SIZE);
		}
		for (int i = 0; i < PAGES; i++) {
			cr_assert_eq(page[i][0], (char)i);
			cr_assert_eq(page[i][PAGE_SIZE - 1], (char)i);
			page_free(page[i]);
		}
	}
}
