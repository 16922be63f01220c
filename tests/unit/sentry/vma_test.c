/*
 * The VMA tree against a model that cannot be wrong: one byte per page. Random
 * inserts, cuts, protections and merges; after each the tree must say what the
 * model says, with as few areas as possible, and find the gaps that the model has.
 */
#include <criterion/criterion.h>
#include "sentry/mm_internal.h"
#include <stdlib.h>
#include <string.h>

#define BASE  0x10000000UL
#define PAGES 512u

static u64 rng_state = 88172645463325252ULL;

static u64 rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static struct mm *m;
static u8 model[PAGES]; /* 0: free; else 1 + prot */

static void setup(void)
{
	m = mm_create();
	memset(model, 0, sizeof(model));
}

static void teardown(void)
{
	struct vma *v;

	while ((v = TAILQ_FIRST(&m->list))) {
		vma_remove(m, v);
		vma_free(v);
	}
	cr_assert_eq(m->total_vm, 0);
	cr_assert_eq(m->data_vm, 0);
	cr_assert_eq(m->exec_vm, 0);
	cr_assert_eq(m->locked_vm, 0);
	cr_assert_eq(m->nvmas, 0);
	while ((v = TAILQ_FIRST(&m->dead))) {
		TAILQ_REMOVE(&m->dead, v, link);
		vma_free(v);
	}
	free(m);
}

TestSuite(vma, .init = setup, .fini = teardown);

static u64 page(u32 i)
{
	return BASE + i * PAGE_SIZE;
}

/* Takes [from, to) out of the tree and the model. */
static void cut(u32 from, u32 to)
{
	struct vma *v;

	cr_assert_eq(0, vma_split_range(m, page(from), page(to)));
	while ((v = vma_find_range(m, page(from), page(to)))) {
		vma_remove(m, v);
		vma_free(v);
	}
	memset(model + from, 0, to - from);
}

static void add(u32 from, u32 to, u32 prot)
{
	struct vma *v;

	cut(from, to);
	v = vma_create(page(from), page(to), prot, PROT_RWX, MAP_PRIVATE);
	vma_insert(m, v);
	vma_merge(m, v);
	memset(model + from, (int)(1 + prot), to - from);
}

static void protect(u32 from, u32 to, u32 prot)
{
	struct vma *v;

	cr_assert_eq(0, vma_split_range(m, page(from), page(to)));
	for (v = vma_find(m, page(from)); v && v->start < page(to); v = vma_next(v))
		vma_set_prot(m, v, prot);
	vma_merge_range(m, page(from), page(to));
	for (u32 i = from; i < to; i++)
		if (model[i])
			model[i] = (u8)(1 + prot);
}

/* Also the deepest invariant: every node knows the largest gap of its subtree. */
static u64 check_gaps(struct vma *v)
{
	u64 max, l, r;

	if (!v)
		return 0;
	l = check_gaps(RB_LEFT(v, node));
	r = check_gaps(RB_RIGHT(v, node));
	max = max_of(v->gap, max_of(l, r));
	cr_assert_eq(v->max_gap, max);
	return max;
}

static void check(void)
{
	struct vma *v = TAILQ_FIRST(&m->list);
	u64 prev_end = 0, total = 0;
	u32 n = 0;

	for (u32 i = 0; i < PAGES; i++) {
		if (!model[i]) {
			cr_assert(!v || v->start > page(i));
			continue;
		}
		cr_assert(v && v->start <= page(i) && v->end > page(i));
		cr_assert_eq(v->prot, model[i] - 1u);
		cr_assert_eq(vma_find(m, page(i)), v);
		total += PAGE_SIZE;
		if (v->end == page(i) + PAGE_SIZE) {
			cr_assert_eq(v->gap, v->start - prev_end);
			prev_end = v->end;
			n++;
			/* Equal neighbours have been merged. */
			if (i + 1 < PAGES)
				cr_assert_neq(model[i + 1], model[i]);
			v = vma_next(v);
		}
	}
	cr_assert_null(v);
	cr_assert_eq(n, m->nvmas);
	cr_assert_eq(total, m->total_vm);
	check_gaps(RB_ROOT(&m->vmas));
}

static u64 model_topdown(u32 low, u32 high, u32 n, u32 align)
{
	for (u32 i = high - n + 1; high >= n && i-- > low;) {
		u32 k = 0;
		if ((page(i) / PAGE_SIZE) % align)
			continue;
		while (k < n && !model[i + k])
			k++;
		if (k == n)
			return page(i);
	}
	return 0;
}

static u64 model_bottomup(u32 low, u32 high, u32 n)
{
	for (u32 i = low; i + n <= high; i++) {
		u32 k = 0;
		while (k < n && !model[i + k])
			k++;
		if (k == n)
			return page(i);
	}
	return 0;
}

Test(vma, random_ops_match_a_model)
{
	for (u32 round = 0; round < 20000; round++) {
		u32 from = (u32)(rng() % PAGES), len = 1 + (u32)(rng() % (rng() % 8 ? 12 : 120));
		u32 to = min_of(from + len, PAGES), prot = (u32)(rng() % 3) * 2;
		switch (rng() % 4) {
		case 0:
		case 1:
			add(from, to, prot);
			break;
		case 2:
			cut(from, to);
			break;
		case 3:
			protect(from, to, prot);
			break;
		}
		if (round % 16 == 0)
			check();
	}
	check();
}

Test(vma, gaps_match_a_model)
{
	for (u32 round = 0; round < 5000; round++) {
		u32 from = (u32)(rng() % PAGES), len = 1 + (u32)(rng() % 24);
		u32 to = min_of(from + len, PAGES);
		u32 low = (u32)(rng() % PAGES), high = low + (u32)(rng() % (PAGES - low + 1));
		u32 n = 1 + (u32)(rng() % 20);
		u64 got;

		if (rng() % 2)
			add(from, to, PROT_READ);
		else
			cut(from, to);
		got = vma_gap_topdown(m, page(low), page(high), n * PAGE_SIZE, PAGE_SIZE);
		cr_assert_eq(got, model_topdown(low, high, n, 1));
		got = vma_gap_bottomup(m, page(low), page(high), n * PAGE_SIZE, PAGE_SIZE);
		cr_assert_eq(got, model_bottomup(low, high, n));
		/* Aligned: what is found is free and aligned (it may miss an exact fit). */
		got = vma_gap_topdown(m, page(low), page(high), n * PAGE_SIZE, 4 * PAGE_SIZE);
		if (got) {
			cr_assert_eq(0, got % (4 * PAGE_SIZE));
			cr_assert(got >= page(low) && got + n * PAGE_SIZE <= page(high));
			cr_assert_null(vma_find_range(m, got, got + n * PAGE_SIZE));
		}
	}
}

Test(vma, a_stack_keeps_its_guard_gap)
{
	u64 start = page(400);
	struct vma *v =
	    vma_create(start, page(402), PROT_READ, PROT_RWX, MAP_PRIVATE | VMA_GROWSDOWN);

	vma_insert(m, v);
	cr_assert_eq(vma_gap_topdown(m, BASE, start, PAGE_SIZE, PAGE_SIZE),
	             start - STACK_GUARD_GAP - PAGE_SIZE);
}

Test(vma, searches_stay_fast_with_the_most_areas_there_can_be)
{
	u64 at = 0;

	/* Every other page, so that nothing merges. */
	for (u32 i = 0; i < MAX_MAP_COUNT; i++)
		vma_insert(m, vma_create(BASE + i * 2 * PAGE_SIZE, BASE + (i * 2 + 1) * PAGE_SIZE,
		                         PROT_READ, PROT_RWX, MAP_PRIVATE));
	for (u32 i = 0; i < 1000000; i++)
		at ^= vma_gap_topdown(m, MMAP_MIN_ADDR, BASE + MAX_MAP_COUNT * 2 * PAGE_SIZE,
		                      2 * PAGE_SIZE, PAGE_SIZE);
	cr_assert_eq(0, at);
	check_gaps(RB_ROOT(&m->vmas));
}
