/*
 * The CPU clock of any process may be read: no right over it is needed.
 *
 * Host calls: clock_gettime (of a process's CPU clock, which the vDSO does not know).
 */
#include "platform/process_clock.h"
#include <time.h>

/* The dynamic clock id of a process (linux/posix-timers.h MAKE_PROCESS_CPUCLOCK), CPUCLOCK_SCHED.
 */
static clockid_t process_clock(u32 pid)
{
	return (clockid_t)(~pid << 3 | 2);
}

u64 process_cpu_time(u32 pid)
{
	struct timespec ts;

	if (clock_gettime(process_clock(pid), &ts) < 0)
		return 0;
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}
