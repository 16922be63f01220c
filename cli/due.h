/* When the launcher looks again at what it watches: points in time in milliseconds. */
#pragma once
#include "base/types.h"
#include <time.h>

static inline u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

/* Milliseconds until then, for poll(2): 0 if that is over, and at most some minutes. */
static inline int ms_until(u64 due)
{
	u64 now = now_ms();

	return due > now ? (int)min_of(due - now, (u64)1000000) : 0;
}
