/*
 * Settings of malloc, see mallopt(3).
 *
 * A worker's memory goes all over: what one fiber allocates another frees, on another worker.
 * Arenas of their own gain such threads nothing, and cost: glibc grows those by an mprotect for
 * each page or two, 1,356 calls for a guest that looks at 5,000 files. The main arena grows by a
 * megabyte, from mmap once brk is refused (platform/filter/sentry_filter.c); pages that were
 * not touched cost no memory. Small objects come and go by each thread's own cache, so the
 * arena's lock is rarely taken.
 *
 * What is freed in between stays with malloc, which would give back the end of its memory at most:
 * a guest that makes and removes a million files would leave hundreds of megabytes behind. So
 * that is done here, when the number of some objects has fallen by half.
 *
 * Host calls: madvise.
 *
 * Whatever is set here overrides the MALLOC_* variables of who started moat.
 */
#include <malloc.h>
#include "base/bug.h"
#include "base/heap.h"
#include "base/sanitizer.h"
#include "base/types.h"

/* Larger objects are rare, and are given back to the host as soon as they are freed. */
#define OWN_MAPPING (256 * 1024)
#define GROW_BY     (1024 * 1024)
#define TRIM_ABOVE  (2 * GROW_BY)

void heap_configure(void)
{
	static const struct {
		int what, value;
	} settings[] = {
	    {M_ARENA_MAX, 1},
	    {M_TOP_PAD, GROW_BY},
	    {M_TRIM_THRESHOLD, TRIM_ABOVE},
	    {M_MMAP_THRESHOLD, OWN_MAPPING},
	};

	/* A sanitizer's malloc is another. */
	if (MOAT_SANITIZED)
		return;
	for (unsigned i = 0; i < array_size(settings); i++)
		BUG_ON(!mallopt(settings[i].what, settings[i].value));
}

_Atomic bool heap_untidy;

void heap_give_back(void)
{
	atomic_store_explicit(&heap_untidy, false, memory_order_relaxed);
	if (!MOAT_SANITIZED)
		(void)malloc_trim(GROW_BY);
}
