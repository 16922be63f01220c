/*
 * May one task look into another (ptrace(2), 'Ptrace access mode checking')?
 * For pidfd_getfd, process_vm_readv, kcmp, /proc/PID/mem and kin.
 */
#pragma once
#include "base/types.h"

struct task;
struct thread_group;

/* PTRACE_MODE_ATTACH_REALCREDS: 0 or -EPERM. */
must_check int task_access(struct task *t, struct task *target);
/* The leader, +1; NULL once the group is gone. */
struct task *group_leader_get(struct thread_group *g);
