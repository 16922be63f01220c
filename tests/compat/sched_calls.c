/*
 * sched_* calls: policies, parameters, affinity, yield, nice and getpriority, round-robin interval,
 * errors. sched(7).
 */
#include "compat.h"
#include <sched.h>

int main(void)
{
	struct sched_param sp = {0};
	struct timespec ts;
	cpu_set_t set, one;
	unsigned long mask[16];
	unsigned int cpu = 999, node = 999;

	RES(sched_getscheduler(0));
	RES(sched_getparam(0, &sp));
	NUM(sp.sched_priority);
	RES(sched_get_priority_max(SCHED_FIFO));
	RES(sched_get_priority_min(SCHED_FIFO));
	RES(sched_get_priority_max(SCHED_OTHER));
	RES(sched_get_priority_min(SCHED_RR));
	RES(sched_get_priority_max(99));
	RES(sched_setscheduler(0, SCHED_BATCH, &sp));
	RES(sched_getscheduler(0));
	RES(sched_setscheduler(0, SCHED_OTHER, &sp));
	sp.sched_priority = 5;
	RES(sched_setscheduler(0, SCHED_OTHER, &sp));
	RES(sched_setscheduler(0, 99, &sp));
	RES(sched_setscheduler(1 << 22, SCHED_OTHER, &sp));
	RES(sched_getscheduler(1 << 22));
	RES(sched_getscheduler(-1));
	RES(sched_setparam(0, NULL));
	IN_CHILD("FIFO as nobody", become_nobody(); RES(sched_setscheduler(0, SCHED_FIFO, &sp)));
	RES(sched_rr_get_interval(0, &ts));
	RES(sched_yield());

	CPU_ZERO(&set);
	RES(sched_getaffinity(0, sizeof(set), &set));
	YES(CPU_COUNT(&set) >= 1);
	YES(CPU_COUNT(&set) == sysconf(_SC_NPROCESSORS_ONLN) ||
	    CPU_COUNT(&set) < sysconf(_SC_NPROCESSORS_ONLN));
	YES(syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask) >= 8);
	RES(syscall(SYS_sched_getaffinity, 0, 4, mask));
	RES(syscall(SYS_sched_getaffinity, 0, 9, mask));
	RES(sched_getaffinity(1 << 22, sizeof(set), &set));
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			CPU_SET(i, &one);
			break;
		}
	RES(sched_setaffinity(0, sizeof(one), &one));
	CPU_ZERO(&set);
	RES(sched_getaffinity(0, sizeof(set), &set));
	NUM(CPU_COUNT(&set));
	YES(CPU_EQUAL(&set, &one));
	IN_CHILD("inherited", CPU_ZERO(&set); RES(sched_getaffinity(0, sizeof(set), &set));
	         NUM(CPU_COUNT(&set)));
	RES(getcpu(&cpu, &node));
	/* On which processor a thread really runs is not compared: a kernel may keep a mask as
	 * advice. */
	YES(cpu < CPU_SETSIZE);
	YES(node < 64);
	CPU_ZERO(&one);
	RES(sched_setaffinity(0, sizeof(one), &one));

	RES(setpriority(PRIO_PROCESS, 0, 15)); /* whatever it was */
	RES(getpriority(PRIO_PROCESS, 0));
	RES(nice(3));
	RES(getpriority(PRIO_PROCESS, 0));
	RES(setpriority(PRIO_PROCESS, 0, 100));
	RES(getpriority(PRIO_PROCESS, 0));
	RES(getpriority(99, 0));
	RES(getpriority(PRIO_PROCESS, 1 << 22));
	IN_CHILD("raise as nobody", become_nobody(); RES(setpriority(PRIO_PROCESS, 0, 0));
	         RES(nice(-1)); RES(getpriority(PRIO_PROCESS, 0)));
	return 0;
}
