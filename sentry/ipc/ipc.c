/* The start of IPC: empty tables. */
#include "sentry/ipc/ipc.h"
#include "sentry/ipc/ipc_internal.h"
#include "sentry/ipc/mqueue.h"

void ipc_init(void)
{
	shm_ids_init();
	sem_ids_init();
	msg_ids_init();
	mqueue_init();
}
