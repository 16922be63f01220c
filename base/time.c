/* The host's clocks, read through the vDSO: no host call. */
#include <time.h>
#include "base/timer.h"

#define NSEC_PER_SEC 1000000000ULL

static u64 clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

u64 time_monotonic(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

u64 time_realtime(void)
{
	return clock_ns(CLOCK_REALTIME);
}

u64 time_boottime(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}
