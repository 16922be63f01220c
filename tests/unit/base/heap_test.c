/* The heap's settings. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/heap.h"
#include "base/sanitizer.h"

static unsigned arenas(void)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	unsigned count = 0;

	cr_assert_not_null(f);
	cr_assert_eq(malloc_info(0, f), 0);
	fclose(f);
	for (const char *p = text; (p = strstr(p, "<heap nr=")); p++)
		count++;
	free(text);
	return count;
}

static void *allocate(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		void **p = malloc(4096);

		*p = *(void **)arg;
		*(void **)arg = p;
	}
	return NULL;
}

static size_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t all = 0, here = 0;

	cr_assert(f && fscanf(f, "%zu %zu", &all, &here) == 2);
	fclose(f);
	return here * PAGE_SIZE;
}

Test(heap, what_was_freed_is_given_back)
{
	enum { PIECES = 100000, SIZE = 400 };
	static void *piece[PIECES];
	size_t before, full;

	if (MOAT_SANITIZED)
		cr_skip_test("another malloc");
	heap_configure();
	before = resident();
	for (int i = 0; i < PIECES; i++)
		memset(piece[i] = malloc(SIZE), 1, SIZE);
	full = resident();
	/* Some stay, so that malloc by itself gives nothing back. */
	for (int i = 0; i < PIECES; i++)
		if (i % 1000 != 999)
			free(piece[i]);
	cr_expect_gt(resident(), before + (full - before) / 2);
	atomic_store(&heap_untidy, true);
	heap_tidy();
	cr_expect_lt(resident(), before + (full - before) / 4);
	cr_expect_not(atomic_load(&heap_untidy));
	for (int i = 999; i < PIECES; i += 1000)
		free(piece[i]);
}

Test(heap, threads_share_one_arena)
{
	unsigned before = arenas();
	void *list = NULL, *next;
	pthread_t t;

	if (MOAT_SANITIZED)
		cr_skip_test("another malloc");
	heap_configure();
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pthread_create(&t, NULL, allocate, &list), 0);
		cr_assert_eq(pthread_join(t, NULL), 0);
	}
	cr_assert_eq(arenas(), before);
	for (; list; list = next) {
		next = *(void **)list;
		free(list);
	}
}
