/*
 * The memory limit of a sandbox (--memory), kept from outside: the launcher
 * adds up what the sentry and its stubs have resident, and asks the sentry to
 * end the largest process when it is too much, as the kernel's OOM killer does for a cgroup.
 */
#pragma once
#include "base/types.h"

struct memory_watch {
	u64 limit;   /* bytes; 0: no limit */
	u64 next_ms; /* CLOCK_MONOTONIC: when to look again */
};

void memory_watch_init(struct memory_watch *w, u64 limit);
/* How long poll(2) may sleep: ms, -1 without a limit. */
int memory_watch_interval(const struct memory_watch *w);
/* True if a look was due and the sandbox is over its limit. */
bool memory_watch_exceeded(struct memory_watch *w, pid_t sentry);
