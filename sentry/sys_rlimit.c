/*
 * Resource limits and usage: getrlimit(2), prlimit(2), getrusage(2), times(2).
 */
#include "base/cred.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include "sentry/clock.h"
#include "sentry/cpu_time.h"
#include "sentry/cpu_limit.h"
#include "sentry/syscall.h"
#include "sentry/task_internal.h"
#include <errno.h>
#include <linux/capability.h>

/* CLOCKS_PER_SEC of times(2) on every Linux. */
#define TICK_NS 10000000

/* Other threads see the new limits before their next call; the caller has them at once. */
static void limits_changed(struct thread_group *g)
{
	struct task *i;
	lock_guard(&g->siglock);
	TAILQ_FOREACH (i, &g->threads, thread_link)
		atomic_fetch_or(&i->works, TASK_WORK_LIMITS);
}

static int change(struct task *t, struct thread_group *g, u32 resource,
                  const struct rlimit64 *fresh, struct rlimit64 *old)
{
	bool may = task_capable(t, CAP_SYS_RESOURCE);
	if (fresh && fresh->rlim_cur > fresh->rlim_max)
		return -EINVAL;
	if (fresh && resource == RLIMIT_NOFILE && fresh->rlim_max > file_nr_open())
		return -EPERM;
	{
		lock_guard(&g->limits_lock);
		*old = g->limits[resource];
		if (fresh && fresh->rlim_max > old->rlim_max && !may)
			return -EPERM;
		if (fresh)
			g->limits[resource] = *fresh;
	}
	if (!fresh)
		return 0;
	limits_changed(g);
	if (g == t->group)
		task_refresh_limits(t);
	if (resource == RLIMIT_CPU)
		return cpu_limit_changed(g);
	return 0;
}

/* kernel/sys.c check_prlimit_permission */
static int may_change(struct task *t, struct task *target)
{
	const struct cred *c = t->caller.cred;
	bool same;
	if (target->group == t->group)
		return 0;
	struct cred *tc = task_cred_get(target);
	if (!tc)
		return -ESRCH;
	same = cred_has_cap_in(c, tc->user_ns, CAP_SYS_RESOURCE);
	same |= c->uid == tc->euid && c->uid == tc->suid && c->uid == tc->uid &&
	        c->gid == tc->egid && c->gid == tc->sgid && c->gid == tc->gid;
	cred_put(tc);
	return same ? 0 : -EPERM;
}

s64 sys_prlimit64(struct task *t, const struct syscall_args *a)
{
	s32 pid = arg_int(a, 0);
	u32 resource = arg_u32(a, 1);
	struct rlimit64 fresh, old;
	bool set = !uptr_is_null(arg_ptr(a, 2));
	if (set && get_user(&fresh, arg_ptr(a, 2)) != 0)
		return -EFAULT;
	struct task *target = pid ? task_find(pid) : task_get(t);
	if (!target)
		return -ESRCH;
	int err = may_change(t, target);
	if (!err)
		err = resource < RLIM_NLIMITS
		          ? change(t, target->group, resource, set ? &fresh : NULL, &old)
		          : -EINVAL;
	task_put(target);
	if (!err && !uptr_is_null(arg_ptr(a, 3)))
		err = put_user(arg_ptr(a, 3), &old);
	return err;
}

s64 sys_getrlimit(struct task *t, const struct syscall_args *a)
{
	struct rlimit64 old;
	if (arg_u32(a, 0) >= RLIM_NLIMITS)
		return -EINVAL;
	int err = change(t, t->group, arg_u32(a, 0), NULL, &old);
	return err ? err : put_user(arg_ptr(a, 1), &old);
}

s64 sys_setrlimit(struct task *t, const struct syscall_args *a)
{
	struct rlimit64 fresh, old;
	if (get_user(&fresh, arg_ptr(a, 1)) != 0)
		return -EFAULT;
	if (arg_u32(a, 0) >= RLIM_NLIMITS)
		return -EINVAL;
	return change(t, t->group, arg_u32(a, 0), &fresh, &old);
}

s64 sys_getrusage(struct task *t, const struct syscall_args *a)
{
	struct rusage r = {0};
	switch (arg_int(a, 0)) {
	case RUSAGE_SELF:
		task_group_rusage(t, &r);
		break;
	case RUSAGE_CHILDREN: {
		lock_guard(&kernel.tasks_lock);
		r = t->group->children_rusage;
		break;
	}
	case RUSAGE_THREAD:
		task_rusage(t, &r);
		break;
	default:
		return -EINVAL;
	}
	return put_user(arg_ptr(a, 1), &r);
}

static s64 timeval_ticks(struct timeval tv)
{
	return tv.tv_sec * (s64)(NSEC_PER_SEC / TICK_NS) + tv.tv_usec * 1000 / TICK_NS;
}

s64 sys_times(struct task *t, const struct syscall_args *a)
{
	struct timespec now;
	if (!uptr_is_null(arg_ptr(a, 0))) {
		struct rusage r, c;
		s64 out[4];
		task_group_rusage(t, &r);
		{
			lock_guard(&kernel.tasks_lock);
			c = t->group->children_rusage;
		}
		out[0] = timeval_ticks(r.ru_utime);
		out[1] = timeval_ticks(r.ru_stime);
		out[2] = timeval_ticks(c.ru_utime);
		out[3] = timeval_ticks(c.ru_stime);
		if (put_user(arg_ptr(a, 0), &out) != 0)
			return -EFAULT;
	}
	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * (s64)(NSEC_PER_SEC / TICK_NS) + now.tv_nsec / TICK_NS;
}
