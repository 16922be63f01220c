/*
 * RLIMIT_CPU (setrlimit(2)): SIGXCPU at the soft limit and every second after
 * it, SIGKILL at the hard one.
 */
#pragma once
#include "base/types.h"

struct thread_group;

/* The limit of g has been set, or inherited. 0 or -ENOMEM. */
int cpu_limit_changed(struct thread_group *g);
/* The last thread ends. Not under a lock. */
void cpu_limit_stop(struct thread_group *g);
