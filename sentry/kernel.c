/*
 * The one sandbox of this process; see kernel.h.
 * Host calls: sched_getaffinity and sysinfo, once, before the lock-down.
 */
#include "sentry/kernel.h"
#include "base/bug.h"
#include "base/timer.h"
#include "sentry/ns_set.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include <sched.h>
#include <sys/sysinfo.h>
#include <time.h>

/* Enough for a build or a browser, and well below what a host with small limits can bear. */
#define DEFAULT_MAX_TASKS 8192

struct kernel kernel;

static u64 cpus_of_host(void)
{
	cpu_set_t set;
	u64 mask = 0;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		for (int i = 0; i < 64; i++)
			if (CPU_ISSET(i, &set))
				mask |= 1ULL << i;
	return mask ? mask : 1;
}

static void memory_of_host(void)
{
	struct sysinfo s;
	if (sysinfo(&s) < 0)
		return;
	kernel.memory_total = (u64)s.totalram * s.mem_unit;
	kernel.memory_free = (u64)s.freeram * s.mem_unit;
}

void kernel_init(void)
{
	struct timespec boot;
	memory_of_host();
	lock_init(&kernel.tasks_lock, RANK_TASKS);
	kernel.pids = pid_table_create();
	BUG_ON(!kernel.pids);
	BUG_ON(pid_ns_create_initial(&kernel.pid_ns) != 0);
	TAILQ_INIT(&kernel.groups);
	waitq_init(&kernel.exit_waitq);
	kernel.max_tasks = DEFAULT_MAX_TASKS;
	BUG_ON(ns_set_create(&kernel.ns) != 0);
	kernel.cpus_online = cpus_of_host();
	kernel.boot_monotonic = time_monotonic();
	kernel.boot_realtime = time_realtime();
	clock_gettime(CLOCK_BOOTTIME, &boot);
	kernel.boot_boottime = (u64)boot.tv_sec * 1000000000 + (u64)boot.tv_nsec;
}
