/* The start of System V IPC: empty tables. */
#include "sentry/ipc/ipc.h"
#include "sentry/ipc/ipc_internal.h"

void ipc_init(void)
{
	shm_init();
	sem_init_ids();
	msg_init();
}
