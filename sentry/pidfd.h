/*
 * pidfds: descriptors that name a process (pidfd_open(2)). Readable once it
 * is a zombie; they keep the process's object, not its zombie.
 */
#pragma once
#include "base/types.h"

struct file;
struct task;
struct thread_group;

/* thread: NULL, or the one thread that it names (PIDFD_THREAD). flags: O_NONBLOCK or 0. *out +1. */
must_check int pidfd_create(struct thread_group *g, struct task *thread, u32 flags,
                            struct file **out);
/* The process of descriptor fd: *out +1, and the file's flags. -EBADF. */
must_check int pidfd_group(int fd, struct thread_group **out, u32 *flags);
bool pidfd_is_nonblock(int fd);
