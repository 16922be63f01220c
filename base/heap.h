/*
 * The sentry's own heap: the C library's malloc, with settings of the sentry's and not
 * of its caller's environment.
 */
#pragma once

#include "base/types.h"

/* In the sentry, before it starts a thread. */
void heap_configure(void);

/*
 * So many objects have gone that their memory is to be the host's again (base/census.c). It takes a
 * while, so a worker does it that has nothing else to do: heap_tidy.
 */
extern _Atomic bool heap_untidy;
void heap_give_back(void);
static inline void heap_tidy(void)
{
	if (__builtin_expect(atomic_load_explicit(&heap_untidy, memory_order_relaxed), 0))
		heap_give_back();
}
