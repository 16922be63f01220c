/*
 * System calls about identity in the process tree: pids, process groups,
 * sessions.
 */
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/session.h"
#include "sentry/syscall.h"
#include "sentry/tty/tty.h"
#include <errno.h>
#include <linux/capability.h>

s64 sys_getpid(struct task *t, const struct syscall_args *a unused_arg)
{
	return t->group->own_pid;
}

s64 sys_gettid(struct task *t, const struct syscall_args *a unused_arg)
{
	return t->own_tid;
}

s64 sys_getppid(struct task *t, const struct syscall_args *a unused_arg)
{
	lock_guard(&kernel.tasks_lock);
	return group_shown_parent_locked(t->group);
}

/* The group that a pid argument means: 0 is the caller's. tasks_lock held. */
static struct thread_group *group_of(struct task *t, s32 pid)
{
	struct pid_entry *e;
	if (pid == 0)
		return t->group;
	e = pid_lookup(kernel.pids, pid_given(pid));
	if (!e)
		return NULL;
	return e->group ? e->group : e->task ? e->task->group : NULL;
}

s64 sys_getpgid(struct task *t, const struct syscall_args *a)
{
	lock_guard(&kernel.tasks_lock);
	struct thread_group *g = group_of(t, arg_int(a, 0));
	return g && g->pgrp ? pid_shown(g->pgrp->pgid) : -ESRCH;
}

s64 sys_getpgrp(struct task *t, const struct syscall_args *a unused_arg)
{
	lock_guard(&kernel.tasks_lock);
	return pid_shown(t->group->pgrp->pgid);
}

s64 sys_getsid(struct task *t, const struct syscall_args *a)
{
	lock_guard(&kernel.tasks_lock);
	struct thread_group *g = group_of(t, arg_int(a, 0));
	return g && g->pgrp ? pid_shown(g->pgrp->session->sid) : -ESRCH;
}

/* setpgid(2)'s rules; kernel/sys.c has them in this order. tasks_lock held. */
static int setpgid_locked(struct task *t, s32 pid, s32 pgid)
{
	struct thread_group *self = t->group, *g;
	struct pid_entry *e = pid_lookup(kernel.pids, pid);
	struct process_group *pg;
	if (!e || !(e->group || e->task))
		return -ESRCH;
	/* A thread that leads no group has no process group of its own. */
	g = e->group;
	if (!g)
		return -EINVAL;
	if (g->parent == self) {
		if (g->pgrp->session != self->pgrp->session)
			return -EPERM;
		if (g->did_exec)
			return -EACCES;
	} else if (g != self) {
		return -ESRCH;
	}
	if (g->pgrp->session->sid == g->pid)
		return -EPERM;
	pg = pgrp_find_locked(pgid);
	if (pgid != pid) {
		if (!pg || pg->session != self->pgrp->session)
			return -EPERM;
	}
	if (pg) {
		if (pg->session != g->pgrp->session)
			return -EPERM;
		if (pg != g->pgrp)
			pgrp_join_locked(g, pg);
		return 0;
	}
	pg = pgrp_create_locked(pgid, g->pgrp->session);
	if (!pg)
		return -ENOMEM;
	pgrp_join_locked(g, pg);
	pgrp_put(pg);
	return 0;
}

s64 sys_setpgid(struct task *t, const struct syscall_args *a)
{
	s32 pid = arg_int(a, 0), pgid = arg_int(a, 1);
	if (pid == 0)
		pid = t->group->own_pid;
	if (pgid == 0)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	lock_guard(&kernel.tasks_lock);
	return setpgid_locked(t, pid_given(pid), pid_given(pgid));
}

/* vhangup(2): all that have the caller's terminal open lose it. */
s64 sys_vhangup(struct task *t, const struct syscall_args *a unused_arg)
{
	struct tty *tty;
	if (!task_capable(t, CAP_SYS_TTY_CONFIG))
		return -EPERM;
	tty = tty_controlling(t);
	if (tty) {
		tty_hangup(tty);
		tty_put(tty);
	}
	return 0;
}

s64 sys_setsid(struct task *t, const struct syscall_args *a unused_arg)
{
	struct thread_group *g = t->group;
	lock_guard(&kernel.tasks_lock);
	/* A process group leader has followers that would be left in the old session. */
	if (pgrp_find_locked(g->pid) || session_find_locked(g->pid))
		return -EPERM;
	struct session *s = session_create_locked(g->pid);
	if (!s)
		return -ENOMEM;
	struct process_group *pg = pgrp_create_locked(g->pid, s);
	if (!pg) {
		pid_lookup(kernel.pids, g->pid)->session = NULL;
		session_put(s);
		return -ENOMEM;
	}
	pgrp_join_locked(g, pg);
	pgrp_put(pg);
	session_put(s);
	return g->own_pid;
}
