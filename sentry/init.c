/*
 * Processes that are not forked: the first one, and those that come from
 * outside the sandbox later. Each starts a session of its own, has no parent, and
 * loads its first program on its own fiber.
 */
#include "base/bug.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "fs/vfs/file.h"
#include "sentry/ns_set.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/session.h"
#include "sentry/signal_internal.h"
#include "sentry/task_internal.h"
#include "sentry/user_account.h"
#include <errno.h>
#include <string.h>

/* What Linux gives its init (include/asm-generic/resource.h), but for what moat itself bounds. */
static void default_limits(struct rlimit64 *l)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		l[i] = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
	l[RLIMIT_STACK].rlim_cur = 8 << 20;
	l[RLIMIT_CORE] = (struct rlimit64){0, 0};
	l[RLIMIT_NPROC] = (struct rlimit64){kernel.max_tasks, kernel.max_tasks};
	l[RLIMIT_NOFILE].rlim_max = file_nr_open();
	l[RLIMIT_NOFILE].rlim_cur = min_of(l[RLIMIT_NOFILE].rlim_max, (u64)1024);
	l[RLIMIT_MEMLOCK] = (struct rlimit64){8 << 20, 8 << 20};
	l[RLIMIT_SIGPENDING] = (struct rlimit64){31232, 31232};
	l[RLIMIT_MSGQUEUE] = (struct rlimit64){819200, 819200};
	l[RLIMIT_NICE] = l[RLIMIT_RTPRIO] = (struct rlimit64){0, 0};
}

/* 0: no such process */
static s32 process_given(s32 pid)
{
	struct thread_group *g = group_find(pid);
	s32 nr = g ? g->pid : 0;

	if (g)
		group_put(g);
	return nr;
}

static void raise_in_caller(struct caller *c, int sig)
{
	struct task *t = container_of(c, struct task, caller);
	siginfo_t info = {.si_signo = sig, .si_code = SI_USER};
	info.si_pid = c->pid;
	info.si_uid = c->cred->uid;
	/* The writer itself, not any thread of its process (pipe(7), SIGPIPE). */
	(void)signal_send_task(t, &info);
}

static bool caller_killed(const struct caller *c)
{
	return container_of(c, struct task, caller)->killed;
}

static int place(struct task *t)
{
	struct thread_group *g = t->group;
	lock_guard(&kernel.tasks_lock);
	if (kernel.ntasks >= kernel.max_tasks)
		return -EAGAIN;
	s32 nr = pid_alloc(kernel.pids, 0);
	if (nr < 0)
		return nr;
	struct session *s = session_create_locked(nr);
	struct process_group *pg = s ? pgrp_create_locked(nr, s) : NULL;
	if (!pg) {
		struct pid_entry *e = pid_lookup(kernel.pids, nr);
		e->session = NULL;
		if (s)
			session_put(s);
		pid_release(kernel.pids, nr);
		return -ENOMEM;
	}
	t->tid = t->caller.tid = t->caller.pid = g->pid = nr;
	t->own_tid = g->own_pid = nr;
	g->pid_ns = pid_ns_get(kernel.pid_ns);
	g->leader = t;
	TAILQ_INSERT_TAIL(&g->threads, t, thread_link);
	g->nthreads = g->nlive = 1;
	g->from_outside = true;
	pgrp_join_locked(g, pg);
	pgrp_put(pg);
	session_put(s);
	struct pid_entry *e = pid_lookup(kernel.pids, nr);
	e->task = task_get(t);
	e->group = g;
	group_get(g);
	TAILQ_INSERT_TAIL(&kernel.groups, g, all_link);
	if (!kernel.init)
		kernel.init = g;
	kernel.ntasks++;
	return 0;
}

int task_create_init(struct fs_context *fs, struct fdtable *files, struct cred *cred,
                     struct task_boot *boot, struct task **out)
{
	struct task *t = task_alloc();
	int err = -ENOMEM;
	if (!t)
		return err;
	t->group = group_alloc();
	if (t->group)
		t->group->sighand = sighand_create();
	if (!t->group || !t->group->sighand)
		goto fail;
	default_limits(t->group->limits);
	t->group->start_time = t->start_time =
	    time_monotonic() - kernel.boot_monotonic + kernel.boot_boottime;
	t->boot = boot;
	t->fresh = true;
	t->caller.raise = raise_in_caller;
	t->caller.killed = caller_killed;
	t->caller.pid_given = process_given;
	t->caller.pid_shown = pid_shown;
	task_refresh_limits(t);
	strcpy(t->comm, "moat");
	err = user_charge(cred->uid, USER_TASKS, ~0ULL);
	if (err)
		goto fail;
	t->charged_uid = cred->uid;
	err = fiber_create(task_run, task_get(t), "task", &t->caller, &t->fiber);
	if (err) {
		task_put(t);
		goto uncharge;
	}
	t->caller.fs = fs;
	t->caller.files = files;
	t->caller.cred = cred;
	task_set_ns(t, ns_set_get(kernel.ns));
	err = place(t);
	if (err == 0) {
		*out = t;
		return 0;
	}
	t->caller.fs = NULL;
	t->caller.files = NULL;
	t->caller.cred = NULL;
	task_set_ns(t, NULL);
	task_open_gate(t, TASK_STILLBORN);
uncharge:
	user_uncharge(cred->uid, USER_TASKS);
fail:
	task_put(t);
	return err;
}
