/*
 * The sentry's own host threads: workers, the reactor, the blocking pool. All
 * start before lock-down, with every asynchronous signal blocked (the sandbox's
 * main thread takes those) and an alternate stack for crash reports.
 */
#pragma once
#include "base/types.h"
#include <pthread.h>

/* name: static, at most 15 characters. 0 or -errno. */
must_check int host_thread_start(pthread_t *out, const char *name, void *(*fn)(void *), void *arg);
void host_thread_join(pthread_t t);
/* Returns when all threads started so far have made the calls of their start (for lock-down). */
void host_threads_settle(void);
/* A thread that starts will itself start another (1), or has (-1): host_threads_settle waits. */
void host_threads_hold(int n);
