/*
 * timerfd_create(2): timers that are files.
 */
#pragma once
#include "base/types.h"
#include <time.h>

struct file;

/* flags: TFD_NONBLOCK, TFD_CLOEXEC (the descriptor's affair). -EINVAL; -EPERM for alarm clocks. */
must_check int timerfd_open(int clockid, u32 flags, struct file **out);
/* flags: TFD_TIMER_*. old may be NULL. -EINVAL if f is no timerfd or a time is malformed. */
must_check int timerfd_set(struct file *f, u32 flags, const struct itimerspec *value,
                           struct itimerspec *old);
must_check int timerfd_get(struct file *f, struct itimerspec *out);
