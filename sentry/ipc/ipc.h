/*
 * System V IPC (sysvipc(7)): shared memory, semaphores, message queues. What
 * the rest of the sentry needs of it.
 */
#pragma once
#include "base/types.h"

struct ipc_ns;
struct ns;
struct pseudo_ref;
struct text;
struct thread_group;
struct user_ns;

/* An empty namespace; one reference. -ENOMEM, -ENOSPC. */
must_check int ipc_ns_create(struct user_ns *owner, struct ipc_ns **out);
struct ns *ipc_ns_base(struct ipc_ns *ns);
struct ipc_ns *ipc_ns_of(struct ns *n); /* of kind NS_IPC */
/* A process ends: its semaphore adjustments are made (SEM_UNDO). On one of its own fibers. */
void ipc_group_exit(struct thread_group *g);

/* /proc/sysvipc/{shm,sem,msg}. */
int ipc_show_shm(const struct pseudo_ref *ref, struct text *t);
int ipc_show_sem(const struct pseudo_ref *ref, struct text *t);
int ipc_show_msg(const struct pseudo_ref *ref, struct text *t);
