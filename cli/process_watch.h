/*
 * A second look at --pids from outside, where the host does not count the sandbox's processes
 * itself: those that a guest has made behind the sentry's back are in no table of the sentry's.
 */
#pragma once
#include "base/types.h"
#include <sys/types.h>

struct process_watch {
	u32 limit; /* host processes and threads; 0: not watched */
	u64 next_ms;
};

/* max_tasks: as given by the user, 0 if it was not. */
void process_watch_init(struct process_watch *w, u32 max_tasks);
/* Until the next look, in ms for poll(2); -1: none. */
int process_watch_interval(const struct process_watch *w);
/* There are more than tasks of the guest can account for. */
bool process_watch_exceeded(struct process_watch *w, pid_t sentry);
