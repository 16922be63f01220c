/* The start of System V IPC: empty tables. */
#include "sentry/ipc/ipc.h"
#include "sentry/ipc/ipc_internal.h"

void ipc_init(void)
{
	shm_ids_init();
	sem_ids_init();
	msg_ids_init();
}
