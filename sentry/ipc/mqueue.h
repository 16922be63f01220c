/*
 * POSIX message queues (mq_overview(7)): the queues by name, and their files.
 * The system calls are in sys_mqueue.c.
 */
#pragma once
#include "base/types.h"
#include <mqueue.h>
#include <signal.h>

struct file;
struct ipc_ns;
struct task;

#define MQ_PRIORITIES 32768u

/* The namespace goes, and the names of its queues. */
void mqueue_ns_end(struct ipc_ns *ns);

/*
 * Opens, or with O_CREAT makes, the queue of that name. attr NULL: the default size. -EINVAL,
 * -EACCES, -EEXIST, -ENOENT, -ENOSPC, -EMFILE, -ENOMEM.
 */
must_check int mqueue_open(struct task *t, const char *name, int flags, u32 mode,
                           const struct mq_attr *attr, struct file **out);
must_check int mqueue_unlink(const char *name);

/*
 * Sends n bytes at src (guest memory), or receives up to n bytes to dst; deadline: CLOCK_MONOTONIC
 * ns. -EBADF: f is no queue, or not opened for this.
 */
must_check s64 mqueue_send(struct file *f, struct uptr src, size_t n, u32 priority, u64 deadline);
must_check s64 mqueue_receive(struct file *f, struct uptr dst, size_t n, u32 *priority,
                              u64 deadline);
/* ev NULL: no notification of the caller's any more. -EBUSY: another process has it. */
must_check int mqueue_notify(struct file *f, const struct sigevent *ev);
/* set NULL: only look. */
must_check int mqueue_attr(struct file *f, const struct mq_attr *set, struct mq_attr *out);
