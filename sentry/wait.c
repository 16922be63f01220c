/*
 * Waiting for children and tracees (wait(2); kernel/exit.c do_wait). A look at
 * them takes the tasks lock, finds one with news and, unless WNOWAIT, takes the
 * news from it: a zombie is released, a stop or continuation marked as reported. The
 * waiter that finds none looks again once it is on child_waitq, so that no news is missed.
 */
#include "sentry/wait.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "fs/vfs/file.h"
#include "sentry/cpu_time.h"
#include "sentry/pid_ns.h"
#include "sentry/proc/proc.h"
#include "sentry/task_internal.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/wait.h>

static bool has_id(const struct wait_request *rq, const struct thread_group *g, s32 tid)
{
	switch (rq->what) {
	case WAIT_ALL:
		return true;
	case WAIT_PID:
		return tid == rq->id;
	case WAIT_PGID:
		return g->pgrp && g->pgrp->pgid == rq->id;
	case WAIT_GROUP:
		return g == rq->group && tid == g->pid;
	}
	return false;
}

static bool is_meant(const struct wait_request *rq, const struct task *t,
                     const struct thread_group *child)
{
	if (!has_id(rq, child, child->pid))
		return false;
	if ((rq->options & __WNOTHREAD) && child->parent_task != t)
		return false;
	/* A 'clone' child is one that sends its parent something else than SIGCHLD. */
	if (rq->options & __WALL)
		return true;
	return (child->exit_signal != SIGCHLD) == !!(rq->options & __WCLONE);
}

static void fill(struct wait_result *out, struct thread_group *child, int status, int code,
                 int value)
{
	/* Now: once it is released nobody can tell. */
	out->pid = pid_shown(child->pid);
	out->uid = task_uid(child->leader);
	out->status = status;
	out->code = code;
	out->value = value;
}

static bool take_zombie(struct task *t, struct thread_group *child, int options,
                        struct wait_result *out)
{
	int status = child->exit_status, sig = status & 0x7f;
	if (!(options & WEXITED) || child->state != GROUP_ZOMBIE)
		return false;
	fill(out, child, status, sig ? CLD_KILLED : CLD_EXITED, sig ? sig : (status >> 8) & 0xff);
	out->rusage = child->rusage;
	rusage_add(&out->rusage, &child->children_rusage);
	if (!(options & WNOWAIT)) {
		rusage_add(&t->group->children_rusage, &out->rusage);
		group_release_locked(child);
	}
	return true;
}

static bool take_stop(struct thread_group *child, int options, struct wait_result *out)
{
	int sig = 0;
	if (!(options & WSTOPPED) || child->state != GROUP_LIVE)
		return false;
	{
		lock_guard(&child->siglock);
		if (child->stop_complete && !child->stop_reported) {
			sig = child->stop_signal;
			if (!(options & WNOWAIT))
				child->stop_reported = true;
		}
	}
	if (!sig)
		return false;
	fill(out, child, sig << 8 | 0x7f, CLD_STOPPED, sig);
	group_rusage(child, &out->rusage);
	return true;
}

static bool take_continue(struct thread_group *child, int options, struct wait_result *out)
{
	bool continued;
	if (!(options & WCONTINUED) || child->state != GROUP_LIVE)
		return false;
	{
		lock_guard(&child->siglock);
		continued = child->continued;
		if (!(options & WNOWAIT))
			child->continued = false;
	}
	if (!continued)
		return false;
	fill(out, child, 0xffff, CLD_CONTINUED, SIGCONT);
	group_rusage(child, &out->rusage);
	return true;
}

/* ---- tracees ---------------------------------------------------------------- */

static void fill_tracee(struct wait_result *out, struct task *p, int status, int code, int value)
{
	lock_guard(&p->group->siglock);
	*out = (struct wait_result){.pid = pid_shown(p->tid),
	                            .uid = p->caller.cred->uid,
	                            .status = status,
	                            .code = code,
	                            .value = value,
	                            .rusage = p->used};
}

/* A thread, or a process as its tracer sees it: its parent has yet to hear of it. */
static bool take_dead_tracee(struct task *p, int options, struct wait_result *out)
{
	struct thread_group *g = p->group;
	int status, sig;
	if (!(options & WEXITED) || !p->exited || (p == g->leader && g->state != GROUP_ZOMBIE))
		return false;
	status = g->group_exiting ? g->group_exit_status : p->exit_code;
	sig = status & 0x7f;
	fill_tracee(out, p, status, sig ? CLD_KILLED : CLD_EXITED,
	            sig ? sig : (status >> 8) & 0xff);
	if (options & WNOWAIT)
		return true;
	if (p != g->leader) {
		thread_release_locked(p);
	} else {
		ptrace_unlink_locked(p);
		group_bequeath_locked(g, true);
	}
	return true;
}

static bool take_tracee_stop(struct task *p, int options, struct wait_result *out)
{
	int code;
	{
		lock_guard(&p->group->siglock);
		if (!p->trace.stopped || p->trace.listening || !p->trace.code)
			return false;
		code = p->trace.code;
		if (!(options & WNOWAIT))
			p->trace.code = 0;
	}
	fill_tracee(out, p, code << 8 | 0x7f, CLD_TRAPPED, code);
	return true;
}

/* Ptrace-stops are reported whether or not WUNTRACED asks for stops. */
static bool take_tracee(struct task *t, struct task *p, int options, struct wait_result *out)
{
	bool leader = p == p->group->leader;
	/* Its parent's own tracee: a child like any other when it is dead. */
	if (leader && !ptrace_reparented_locked(p) && take_zombie(t, p->group, options, out))
		return true;
	return take_dead_tracee(p, options, out) || take_tracee_stop(p, options, out) ||
	       (leader && take_continue(p->group, options, out));
}

static bool look_at_tracees(struct task *t, struct task *tracer, const struct wait_request *rq,
                            struct wait_result *out, bool *any)
{
	struct task *p;
	TAILQ_FOREACH (p, &tracer->tracees, trace.link) {
		if (!has_id(rq, p->group, p->tid))
			continue;
		*any = true;
		if (take_tracee(t, p, rq->options, out))
			return true;
	}
	return false;
}

/* ---- all together ------------------------------------------------------------- */

static bool take_child(struct task *t, struct thread_group *child, int options,
                       struct wait_result *out)
{
	struct task *leader = child->leader;
	bool traced = leader->trace.flags;
	/* What its parent's process traces has no stops but those; what others trace, no end. */
	if (traced && !ptrace_reparented_locked(leader))
		return take_tracee(t, leader, options, out);
	return (!traced && take_zombie(t, child, options, out)) || take_stop(child, options, out) ||
	       take_continue(child, options, out);
}

/* 1: *out has news; 0: there may be some later; -ECHILD: there is nobody to wait for. */
static int look(struct task *t, const struct wait_request *rq, struct wait_result *out)
{
	struct thread_group *child;
	struct task *i;
	bool any = false;
	lock_guard(&kernel.tasks_lock);
	TAILQ_FOREACH (child, &t->group->children, sibling_link) {
		if (!is_meant(rq, t, child))
			continue;
		any = true;
		if (take_child(t, child, rq->options, out))
			return 1;
	}
	TAILQ_FOREACH (i, &t->group->threads, thread_link) {
		if ((rq->options & __WNOTHREAD) && i != t)
			continue;
		if (look_at_tracees(t, i, rq, out, &any))
			return 1;
	}
	return any ? 0 : -ECHILD;
}

static int await_news(struct task *t, const struct wait_request *rq, struct wait_result *out)
{
	struct wait_fiber w;
	int found = look(t, rq, out);
	if (found < 0)
		return found;
	if (found > 0 || (rq->options & WNOHANG))
		return 0;
	wait_fiber_init(&w);
	waitq_add(&t->group->child_waitq, &w.waiter, EPOLLIN);
	while ((found = look(t, rq, out)) == 0) {
		if (fiber_sleep(NO_DEADLINE) != 0) {
			found = -ERESTARTSYS;
			break;
		}
	}
	waitq_remove(&t->group->child_waitq, &w.waiter);
	return found < 0 ? found : 0;
}

int wait_for_child(struct task *t, const struct wait_request *rq, struct wait_result *out)
{
	int err;
	*out = (struct wait_result){0};
	err = await_news(t, rq, out);
	proc_forget_ended();
	return err;
}
