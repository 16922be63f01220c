/*
 * Scheduling calls (sched(7)). Guest threads are scheduled by the host among
 * all others: policies, priorities and affinities are kept and shown, but real-time ones are
 * refused, as they would be to any program without privileges.
 */
#include "base/cred.h"
#include "base/fiber.h"
#include "base/uspace.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif
#define RT_PRIORITY_MAX 99
/* The slice of CFS as sched_rr_get_interval shows it for ordinary threads, ns. */
#define SLICE_NS 4000000

struct sched_attr_k {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period;
	u32 util_min, util_max;
};
#define SCHED_ATTR_SIZE_VER0 48

static bool is_realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool is_ordinary(int policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

/* +1; pid 0 is the caller. */
static struct task *target_of(struct task *t, s32 pid)
{
	return pid ? task_find(pid) : task_get(t);
}

/* May t change another's scheduling? kernel/sched/syscalls.c check_same_owner */
static int may_set(struct task *t, struct task *target)
{
	const struct cred *c = t->caller.cred;
	struct cred *tc;
	bool same;
	if (target == t)
		return 0;
	tc = task_cred_get(target);
	if (!tc)
		return -ESRCH;
	same = c->euid == tc->euid || c->euid == tc->uid ||
	       cred_has_cap_in(c, tc->user_ns, CAP_SYS_NICE);
	cred_put(tc);
	return same ? 0 : -EPERM;
}

static int set_policy(struct task *t, struct task *target, int policy, int priority, int nice)
{
	bool realtime = is_realtime(policy);
	if (!realtime && !is_ordinary(policy) && policy != SCHED_DEADLINE)
		return -EINVAL;
	if (realtime ? priority < 1 || priority > RT_PRIORITY_MAX : priority != 0)
		return -EINVAL;
	int err = may_set(t, target);
	if (err)
		return err;
	if (!is_ordinary(policy))
		return -EPERM;
	if (nice < target->nice && !task_capable(t, CAP_SYS_NICE))
		return -EPERM;
	target->sched_policy = policy;
	target->nice = nice;
	return 0;
}

static s64 set_by_param(struct task *t, s32 pid, int policy, struct uptr param)
{
	int priority;
	if (uptr_is_null(param) || pid < 0)
		return -EINVAL;
	if (get_user(&priority, param) != 0)
		return -EFAULT;
	struct task *target = target_of(t, pid);
	if (!target)
		return -ESRCH;
	int err = set_policy(t, target, policy < 0 ? target->sched_policy : policy, priority,
	                     target->nice);
	task_put(target);
	return err;
}

s64 sys_sched_setscheduler(struct task *t, const struct syscall_args *a)
{
	int policy = arg_int(a, 1);
	if (policy < 0)
		return -EINVAL;
	return set_by_param(t, arg_int(a, 0), policy & ~SCHED_RESET_ON_FORK, arg_ptr(a, 2));
}

s64 sys_sched_setparam(struct task *t, const struct syscall_args *a)
{
	return set_by_param(t, arg_int(a, 0), -1, arg_ptr(a, 1));
}

s64 sys_sched_getscheduler(struct task *t, const struct syscall_args *a)
{
	if (arg_int(a, 0) < 0)
		return -EINVAL;
	struct task *target = target_of(t, arg_int(a, 0));
	if (!target)
		return -ESRCH;
	int policy = target->sched_policy;
	task_put(target);
	return policy;
}

s64 sys_sched_getparam(struct task *t, const struct syscall_args *a)
{
	if (arg_int(a, 0) < 0 || uptr_is_null(arg_ptr(a, 1)))
		return -EINVAL;
	struct task *target = target_of(t, arg_int(a, 0));
	if (!target)
		return -ESRCH;
	int priority = target->sched_priority;
	task_put(target);
	return put_user(arg_ptr(a, 1), &priority);
}

s64 sys_sched_setattr(struct task *t, const struct syscall_args *a)
{
	struct sched_attr_k attr = {0};
	u32 size;
	if (arg_int(a, 0) < 0 || uptr_is_null(arg_ptr(a, 1)) || arg_u32(a, 2))
		return -EINVAL;
	if (get_user(&size, arg_ptr(a, 1)) != 0)
		return -EFAULT;
	if (size == 0)
		size = SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		return -E2BIG;
	if (copy_in(&attr, arg_ptr(a, 1), min_of((size_t)size, sizeof(attr))) != 0)
		return -EFAULT;
	if (attr.nice < -20 || attr.nice > 19)
		attr.nice = attr.nice < 0 ? -20 : 19;
	struct task *target = target_of(t, arg_int(a, 0));
	if (!target)
		return -ESRCH;
	int err = set_policy(t, target, (int)attr.policy, (int)attr.priority, attr.nice);
	task_put(target);
	return err;
}

s64 sys_sched_getattr(struct task *t, const struct syscall_args *a)
{
	u32 size = arg_u32(a, 2);
	if (arg_int(a, 0) < 0 || uptr_is_null(arg_ptr(a, 1)) || arg_u32(a, 3) ||
	    size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		return -EINVAL;
	struct task *target = target_of(t, arg_int(a, 0));
	if (!target)
		return -ESRCH;
	struct sched_attr_k attr = {.size = (u32)min_of((size_t)size, sizeof(attr)),
	                            .policy = (u32)target->sched_policy,
	                            .nice = target->nice,
	                            .priority = (u32)target->sched_priority,
	                            .util_max = 1024};
	task_put(target);
	return copy_out(arg_ptr(a, 1), &attr, attr.size);
}

s64 sys_sched_get_priority_max(struct task *t unused_arg, const struct syscall_args *a)
{
	int policy = arg_int(a, 0);
	if (is_realtime(policy))
		return RT_PRIORITY_MAX;
	return is_ordinary(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

s64 sys_sched_get_priority_min(struct task *t unused_arg, const struct syscall_args *a)
{
	int policy = arg_int(a, 0);
	if (is_realtime(policy))
		return 1;
	return is_ordinary(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

s64 sys_sched_rr_get_interval(struct task *t, const struct syscall_args *a)
{
	struct timespec ts = {.tv_nsec = SLICE_NS};
	if (arg_int(a, 0) < 0)
		return -EINVAL;
	struct task *target = target_of(t, arg_int(a, 0));
	if (!target)
		return -ESRCH;
	task_put(target);
	return put_user(arg_ptr(a, 1), &ts);
}

s64 sys_sched_yield(struct task *t unused_arg, const struct syscall_args *a unused_arg)
{
	/* The guest thread has left its core already by coming here. */
	fiber_yield();
	return 0;
}

/* ---- affinity --------------------------------------------------------------------- */

s64 sys_sched_setaffinity(struct task *t, const struct syscall_args *a)
{
	u64 mask = 0;
	struct task *target = target_of(t, arg_int(a, 0));
	if (!target)
		return -ESRCH;
	int err = copy_in(&mask, arg_ptr(a, 2), min_of((size_t)arg_u32(a, 1), sizeof(mask)));
	if (!err)
		err = may_set(t, target);
	mask &= kernel.cpus_online;
	if (!err && !mask)
		err = -EINVAL;
	if (!err) {
		lock_guard(&target->group->siglock);
		target->cpus_allowed = mask;
		if (target->thread)
			platform_thread_set_any_cpu(target->thread, mask == kernel.cpus_online);
	}
	task_put(target);
	return err;
}

s64 sys_sched_getaffinity(struct task *t, const struct syscall_args *a)
{
	u64 len = arg_u32(a, 1), mask;
	/* Whole words, and room for every CPU there is (sched_setaffinity(2), NOTES). */
	if (len * 8 < 64 - (u64)__builtin_clzll(kernel.cpus_online) || (len & 7))
		return -EINVAL;
	struct task *target = target_of(t, arg_int(a, 0));
	if (!target)
		return -ESRCH;
	mask = target->cpus_allowed;
	task_put(target);
	if (put_user(arg_ptr(a, 2), &mask) != 0)
		return -EFAULT;
	return sizeof(mask);
}

s64 sys_getcpu(struct task *t, const struct syscall_args *a)
{
	/* Through the vDSO a guest has the true answer; the call names one it may run on. */
	u32 cpu = (u32)__builtin_ctzll(t->cpus_allowed), node = 0;
	if (!uptr_is_null(arg_ptr(a, 0)) && put_user(arg_ptr(a, 0), &cpu) != 0)
		return -EFAULT;
	if (!uptr_is_null(arg_ptr(a, 1)) && put_user(arg_ptr(a, 1), &node) != 0)
		return -EFAULT;
	return 0;
}

/* ---- nice values and I/O priorities ------------------------------------------------ */

typedef int each_fn(struct task *t, struct task *target, int value, int result);

/* Whose a task is, and whether t may do to it what it likes. */
struct owner {
	u32 uid, euid;
	bool mastered;
};

static struct owner owner_of(struct task *target, const struct task *t)
{
	lock_guard(&target->group->siglock);
	const struct cred *tc = target->caller.cred;
	return (struct owner){tc->uid, tc->euid,
	                      cred_has_cap_in(t->caller.cred, tc->user_ns, CAP_SYS_NICE)};
}

static int set_nice(struct task *t, struct task *target, int nice, int result)
{
	const struct cred *c = t->caller.cred;
	struct owner o = owner_of(target, t);
	if (c->euid != o.uid && c->euid != o.euid && !o.mastered)
		return -EPERM;
	if (nice < target->nice && !task_capable(t, CAP_SYS_NICE) &&
	    (u64)(20 - nice) > task_rlimit(target, RLIMIT_NICE))
		return -EACCES;
	target->nice = nice;
	return result == -ESRCH ? 0 : result;
}

static int get_nice(struct task *t unused_arg, struct task *target, int value unused_arg,
                    int result)
{
	/* The strongest of all: 40 for -20 down to 1 for 19 (getpriority(2), C library
	 * differences). */
	return max_of(result, 20 - target->nice);
}

static int set_ioprio(struct task *t, struct task *target, int ioprio, int result)
{
	const struct cred *c = t->caller.cred;
	struct owner o = owner_of(target, t);
	if (o.uid != c->euid && o.uid != c->uid && !o.mastered)
		return -EPERM;
	target->ioprio = ioprio;
	return result == -ESRCH ? 0 : result;
}

static int get_ioprio(struct task *t unused_arg, struct task *target, int value unused_arg,
                      int result)
{
	int mine = target->ioprio;
	if (IOPRIO_PRIO_CLASS(mine) == IOPRIO_CLASS_NONE)
		/* What the nice value amounts to (block/ioprio.c task_nice_ioprio). */
		mine = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, (target->nice + 20) / 5);
	return result < 0 ? mine : min_of(result, mine);
}

/* tasks_lock held */
static int each_of_group(struct task *t, struct thread_group *g, each_fn *fn, int value, int result)
{
	struct task *i;
	TAILQ_FOREACH (i, &g->threads, thread_link)
		if (!i->exited)
			result = fn(t, i, value, result);
	return result;
}

/* Calls fn for all that PRIO_* or IOPRIO_WHO_* and who name. -ESRCH if there is none. */
static int each_task(struct task *t, int which, u32 who, each_fn *fn, int value)
{
	struct thread_group *g;
	struct pid_entry *e;
	u32 uid = t->caller.cred->uid;
	int result = -ESRCH;
	lock_guard(&kernel.tasks_lock);
	switch (which) {
	case PRIO_PROCESS:
		e = pid_lookup(kernel.pids, pid_given((s32)who));
		if (who == 0)
			return fn(t, t, value, result);
		return e && e->task ? fn(t, e->task, value, result) : result;
	case PRIO_PGRP: {
		struct process_group *pg =
		    who ? pgrp_find_locked(pid_given((s32)who)) : t->group->pgrp;
		if (!pg)
			return result;
		TAILQ_FOREACH (g, &pg->members, pgrp_link)
			result = each_of_group(t, g, fn, value, result);
		return result;
	}
	}
	if (who)
		uid = user_ns_uid_in(t->caller.cred->user_ns, who);
	TAILQ_FOREACH (g, &kernel.groups, all_link)
		if (task_uid(g->leader) == uid && uid != NO_ID)
			result = each_of_group(t, g, fn, value, result);
	return result;
}

s64 sys_setpriority(struct task *t, const struct syscall_args *a)
{
	int nice = arg_int(a, 2);
	if (arg_int(a, 0) < PRIO_PROCESS || arg_int(a, 0) > PRIO_USER)
		return -EINVAL;
	nice = min_of(max_of(nice, -20), 19);
	return each_task(t, arg_int(a, 0), arg_u32(a, 1), set_nice, nice);
}

s64 sys_getpriority(struct task *t, const struct syscall_args *a)
{
	if (arg_int(a, 0) < PRIO_PROCESS || arg_int(a, 0) > PRIO_USER)
		return -EINVAL;
	return each_task(t, arg_int(a, 0), arg_u32(a, 1), get_nice, 0);
}

static int check_ioprio(struct task *t, int ioprio)
{
	int level = IOPRIO_PRIO_DATA(ioprio);
	switch (IOPRIO_PRIO_CLASS(ioprio)) {
	case IOPRIO_CLASS_RT:
		if (!task_capable(t, CAP_SYS_ADMIN) && !task_capable(t, CAP_SYS_NICE))
			return -EPERM;
		/* fall through */
	case IOPRIO_CLASS_BE:
		return level < IOPRIO_NR_LEVELS ? 0 : -EINVAL;
	case IOPRIO_CLASS_IDLE:
		return 0;
	case IOPRIO_CLASS_NONE:
		return level == 0 ? 0 : -EINVAL;
	}
	return -EINVAL;
}

s64 sys_ioprio_set(struct task *t, const struct syscall_args *a)
{
	int err = check_ioprio(t, arg_int(a, 2));
	if (err)
		return err;
	if (arg_int(a, 0) < IOPRIO_WHO_PROCESS || arg_int(a, 0) > IOPRIO_WHO_USER)
		return -EINVAL;
	return each_task(t, arg_int(a, 0) - IOPRIO_WHO_PROCESS, arg_u32(a, 1), set_ioprio,
	                 arg_int(a, 2));
}

s64 sys_ioprio_get(struct task *t, const struct syscall_args *a)
{
	if (arg_int(a, 0) < IOPRIO_WHO_PROCESS || arg_int(a, 0) > IOPRIO_WHO_USER)
		return -EINVAL;
	return each_task(t, arg_int(a, 0) - IOPRIO_WHO_PROCESS, arg_u32(a, 1), get_ioprio, 0);
}
