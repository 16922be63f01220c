/*
 * membarrier(2): query, registration before use, commands; rseq(2): registered by the C library,
 * errors of a second one.
 */
#include "compat.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/rseq.h>

static long barrier(int cmd, unsigned int flags)
{
	return syscall(SYS_membarrier, cmd, flags, 0);
}

static volatile int stop;

static void *spin(void *arg)
{
	(void)arg;
	while (!stop)
		;
	return NULL;
}

int main(void)
{
	struct rseq mine __attribute__((aligned(32))) = {0};
	long have = barrier(MEMBARRIER_CMD_QUERY, 0);
	pthread_t t;

	YES(have > 0);
	YES((have & MEMBARRIER_CMD_PRIVATE_EXPEDITED) &&
	    (have & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
	RES(barrier(MEMBARRIER_CMD_QUERY, 1));
	RES(barrier(1 << 28, 0));
	RES(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
	RES(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0));
	RES(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
	pthread_create(&t, NULL, spin, NULL);
	for (int i = 0; i < 50; i++)
		if (barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0))
			die("membarrier");
	stop = 1;
	pthread_join(t, NULL);
	IN_CHILD("fork", RES(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0)));
	YES(__rseq_size > 0);
	struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	YES((int)r->cpu_id >= 0 && r->cpu_id < 4096);
	int agree = 0;
	for (int i = 0; i < 100; i++)
		agree += (int)r->cpu_id == sched_getcpu();
	YES(agree > 50);
	RES(syscall(SYS_rseq, &mine, 32, 0, 0x53053053)); /* one is registered already */
	RES(syscall(SYS_rseq, r, 32, 0, 0x12345678));
	RES(syscall(SYS_rseq, r, 32, 4, 0x53053053));
	RES(syscall(SYS_rseq, &mine, 32, 1, 0x53053053));
	return 0;
}
