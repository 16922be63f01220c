/*
 * System calls that send signals: kill(2), tgkill(2), rt_sigqueueinfo(2) and
 * their kin. Signal 0 checks existence and permission only.
 */
#include "base/cred.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/signal_internal.h"
#include "sentry/syscall.h"
#include <errno.h>

void signal_info_from(struct task *sender, int sig, int code, siginfo_t *info)
{
	*info = (siginfo_t){.si_signo = sig, .si_code = code};
	info->si_pid = sender->group->pid;
	info->si_uid = sender->caller.cred->uid;
}

/*
 * A guest's own information carries numbers as the guest has them. One that means nothing
 * becomes the sender's: 0 would pass for a sender in an outer pid namespace.
 */
void signal_info_given(struct task *sender, siginfo_t *info)
{
	s32 pid;
	if (!signal_has_sender(info))
		return;
	pid = pid_given(info->si_pid);
	info->si_pid = pid ? pid : sender->group->pid;
	info->si_uid = user_ns_uid_in(sender->caller.cred->user_ns, info->si_uid);
}

static bool bad_signal(int sig)
{
	return sig < 0 || sig > NSIG_MAX;
}

static int kill_group_locked(struct task *sender, struct thread_group *g, const siginfo_t *info)
{
	int err = signal_permission(sender, g, info->si_signo);
	if (err || info->si_signo == 0)
		return err;
	return signal_send_group(g, info);
}

int signal_kill_pgrp_locked(struct task *sender, struct process_group *pg, const siginfo_t *info)
{
	struct thread_group *g;
	int result = -ESRCH;
	if (!pg)
		return result;
	TAILQ_FOREACH (g, &pg->members, pgrp_link) {
		int err = kill_group_locked(sender, g, info);
		if (result != 0)
			result = err;
	}
	return result;
}

/* kill(-1): all that the caller may signal, but for init and itself (kill(2), NOTES). */
static int kill_all_locked(struct task *sender, const siginfo_t *info)
{
	struct thread_group *g;
	int result = -ESRCH;
	TAILQ_FOREACH (g, &kernel.groups, all_link) {
		if (!pid_shown(g->pid) || pid_shown(g->pid) == 1)
			continue;
		if (g == kernel.init || g == sender->group || g->state == GROUP_DEAD)
			continue;
		int err = kill_group_locked(sender, g, info);
		/* Being allowed to signal none of those there are is no error. */
		if (err != -EPERM)
			result = err;
		else if (result == -ESRCH)
			result = 0;
	}
	return result;
}

static int kill_pid(struct task *t, s32 pid, const siginfo_t *info)
{
	lock_guard(&kernel.tasks_lock);
	if (pid > 0) {
		/* The number of a thread stands for its process here. */
		struct pid_entry *e = pid_lookup(kernel.pids, pid_given(pid));
		if (!e || !(e->task || e->group))
			return -ESRCH;
		return kill_group_locked(t, e->group ? e->group : e->task->group, info);
	}
	if (pid == -1)
		return kill_all_locked(t, info);
	if (pid == INT32_MIN)
		return -ESRCH;
	return signal_kill_pgrp_locked(t, pid ? pgrp_find_locked(pid_given(-pid)) : t->group->pgrp,
	                               info);
}

s64 sys_kill(struct task *t, const struct syscall_args *a)
{
	siginfo_t info;
	if (bad_signal(arg_int(a, 1)))
		return -EINVAL;
	signal_info_from(t, arg_int(a, 1), SI_USER, &info);
	return kill_pid(t, arg_int(a, 0), &info);
}

/* tgid <= 0: any process. */
static int kill_thread(struct task *t, s32 tgid, s32 tid, const siginfo_t *info)
{
	lock_guard(&kernel.tasks_lock);
	struct pid_entry *e = pid_lookup(kernel.pids, pid_given(tid));
	if (!e || !e->task || (tgid > 0 && e->task->group->pid != pid_given(tgid)))
		return -ESRCH;
	int err = signal_permission(t, e->task->group, info->si_signo);
	if (err || info->si_signo == 0)
		return err;
	return signal_send_task(e->task, info);
}

s64 sys_tkill(struct task *t, const struct syscall_args *a)
{
	siginfo_t info;
	if (arg_int(a, 0) <= 0 || bad_signal(arg_int(a, 1)))
		return -EINVAL;
	signal_info_from(t, arg_int(a, 1), SI_TKILL, &info);
	return kill_thread(t, 0, arg_int(a, 0), &info);
}

s64 sys_tgkill(struct task *t, const struct syscall_args *a)
{
	siginfo_t info;
	if (arg_int(a, 0) <= 0 || arg_int(a, 1) <= 0 || bad_signal(arg_int(a, 2)))
		return -EINVAL;
	signal_info_from(t, arg_int(a, 2), SI_TKILL, &info);
	return kill_thread(t, arg_int(a, 0), arg_int(a, 1), &info);
}

/*
 * The caller's own siginfo. To others it must not look like the kernel's or
 * tgkill's (rt_sigqueueinfo(2)).
 */
static int copy_info(struct task *t, struct uptr p, int sig, s32 target, siginfo_t *info)
{
	if (get_user(info, p) != 0)
		return -EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && target != t->group->own_pid &&
	    target != t->own_tid)
		return -EPERM;
	signal_info_given(t, info);
	return 0;
}

s64 sys_rt_sigqueueinfo(struct task *t, const struct syscall_args *a)
{
	siginfo_t info;
	int err = copy_info(t, arg_ptr(a, 2), arg_int(a, 1), arg_int(a, 0), &info);
	if (err)
		return err;
	if (bad_signal(arg_int(a, 1)))
		return -EINVAL;
	if (arg_int(a, 0) <= 0)
		return -ESRCH;
	return kill_pid(t, arg_int(a, 0), &info);
}

s64 sys_rt_tgsigqueueinfo(struct task *t, const struct syscall_args *a)
{
	siginfo_t info;
	if (arg_int(a, 0) <= 0 || arg_int(a, 1) <= 0)
		return -EINVAL;
	int err = copy_info(t, arg_ptr(a, 3), arg_int(a, 2), arg_int(a, 1), &info);
	if (err)
		return err;
	if (bad_signal(arg_int(a, 2)))
		return -EINVAL;
	return kill_thread(t, arg_int(a, 0), arg_int(a, 1), &info);
}
