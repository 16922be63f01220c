/*
 * Waiting for children (wait(2); kernel/exit.c do_wait). A look at the
 * children takes the tasks lock, finds one with news and, unless WNOWAIT, takes the
 * news from it: a zombie is released, a stop or continuation marked as reported. The
 * waiter that finds none looks again once it is on child_waitq, so that no news is missed.
 */
#include "sentry/wait.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "fs/vfs/file.h"
#include "sentry/cpu_time.h"
#include "sentry/task_internal.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/wait.h>

static bool is_meant(const struct wait_request *rq, const struct task *t,
                     const struct thread_group *child)
{
	switch (rq->what) {
	case WAIT_ALL:
		break;
	case WAIT_PID:
		if (child->pid != rq->id)
			return false;
		break;
	case WAIT_PGID:
		if (!child->pgrp || child->pgrp->pgid != rq->id)
			return false;
		break;
	case WAIT_GROUP:
		if (child != rq->group)
			return false;
		break;
	}
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
	out->pid = child->pid;
	out->uid = child->leader->caller.cred->uid;
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
		if (child->stop_signal && child->stop_count == 0 && !child->stop_reported) {
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

/* 1: *out has news; 0: there may be some later; -ECHILD: there is nobody to wait for. */
static int look(struct task *t, const struct wait_request *rq, struct wait_result *out)
{
	struct thread_group *child;
	bool any = false;
	lock_guard(&kernel.tasks_lock);
	TAILQ_FOREACH (child, &t->group->children, sibling_link) {
		if (!is_meant(rq, t, child))
			continue;
		any = true;
		if (take_zombie(t, child, rq->options, out) || take_stop(child, rq->options, out) ||
		    take_continue(child, rq->options, out))
			return 1;
	}
	return any ? 0 : -ECHILD;
}

int wait_for_child(struct task *t, const struct wait_request *rq, struct wait_result *out)
{
	struct wait_fiber w;
	int found;
	*out = (struct wait_result){0};
	found = look(t, rq, out);
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
