/* IPC namespaces (ipc_namespaces(7)): the tables of each kind of IPC. */
#include "sentry/ipc/ipc.h"
#include "base/bug.h"
#include "sentry/ipc/ipc_ids.h"
#include "sentry/ipc/mqueue.h"
#include "sentry/ns_set.h"
#include "sentry/task.h"
#include <errno.h>
#include <stdlib.h>

#define KIND_MUTEX(k) [k] = MUTEX_INIT(ipc_mutex[k], RANK_IPC)
struct mutex ipc_mutex[IPC_KINDS] = {KIND_MUTEX(IPC_SHM), KIND_MUTEX(IPC_SEM), KIND_MUTEX(IPC_MSG)};

static const struct ipc_kind_ops *const kinds[IPC_KINDS] = {&shm_kind, &sem_kind, &msg_kind};

/* Removes one object. Its memory, which may be a file, goes outside the mutex. */
static bool remove_one(struct ipc_ids *ids, enum ipc_kind kind)
{
	struct ipc_object *o = NULL;

	mutex_acquire(&ipc_mutex[kind]);
	for (u32 i = 0; i < ids->size && !o; i++)
		o = ids->slot[i];
	if (o) {
		ref_get(&o->ref);
		ids->kind->remove(o);
	}
	mutex_release(&ipc_mutex[kind]);
	if (o)
		ipc_object_put(o);
	return o;
}

/* Nobody can name its objects any more: they go, like whatever a removed identifier named. */
static void ipc_ns_free(struct ns *n)
{
	struct ipc_ns *ns = ipc_ns_of(n);

	for (int kind = 0; kind < IPC_KINDS; kind++) {
		while (remove_one(&ns->ids[kind], kind))
			;
		free(ns->ids[kind].slot);
	}
	mqueue_ns_end(ns);
	ns_destroy(n);
	free(ns);
}

int ipc_ns_create(struct user_ns *owner, struct ipc_ns **out)
{
	struct ipc_ns *ns = calloc(1, sizeof(*ns));
	int err = ns ? ns_init(&ns->ns, NS_IPC, owner, ipc_ns_free) : -ENOMEM;

	if (err) {
		free(ns);
		return err;
	}
	for (int kind = 0; kind < IPC_KINDS; kind++)
		ns->ids[kind].kind = kinds[kind];
	*out = ns;
	return 0;
}

struct ns *ipc_ns_base(struct ipc_ns *ns)
{
	return &ns->ns;
}

struct ipc_ns *ipc_ns_of(struct ns *n)
{
	BUG_ON(n->kind != NS_IPC);
	return container_of(n, struct ipc_ns, ns);
}

struct ipc_ns *ipc_ns_of_caller(void)
{
	return task_self()->ns->ipc;
}

struct ipc_ids *ipc_ids_of_caller(enum ipc_kind kind)
{
	return &ipc_ns_of_caller()->ids[kind];
}
