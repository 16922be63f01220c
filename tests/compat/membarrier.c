/*
 * membarrier(2): query, registration before use, commands within a process and among all.
 */
#include "compat.h"
#include <linux/membarrier.h>
#include <pthread.h>

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
	YES((have & MEMBARRIER_CMD_GLOBAL) && (have & MEMBARRIER_CMD_GLOBAL_EXPEDITED) &&
	    (have & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED));
	RES(barrier(MEMBARRIER_CMD_GLOBAL, 0));
	RES(barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0));
	RES(barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0));
	for (int i = 0; i < 20; i++)
		if (barrier(MEMBARRIER_CMD_GLOBAL, 0) ||
		    barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0))
			die("membarrier");
	stop = 1;
	pthread_join(t, NULL);
	IN_CHILD("fork", RES(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0)));
	return 0;
}
