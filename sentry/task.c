/*
 * Task and thread group objects: their making and freeing, looking them up,
 * and the parts of a task that others may look at while it runs.
 *
 * Who holds a task: the process tree, until it is released (exit.c); its
 * fiber, until it ends; and lookups. A task holds its group. Who holds a
 * group: the tree until it has been waited for, tasks, pidfds, timers, lookups.
 */
#include "sentry/task.h"
#include "base/bug.h"
#include "base/census.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/name_epoch.h"
#include "sentry/mm.h"
#include "sentry/ns_set.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/posix_timer.h"
#include "sentry/seccomp.h"
#include "sentry/task_internal.h"
#include "sentry/uts.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

static CENSUS(task_census, "task");
static CENSUS(group_census, "thread_group");

/* PR_SET_TIMERSLACK's default, ns (prctl(2)). */
#define DEFAULT_TIMER_SLACK 50000

struct task *task_alloc(void)
{
	struct task *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	ref_init(&t->ref);
	sigqueue_init(&t->pending);
	pseudo_names_init(&t->proc_names);
	TAILQ_INIT(&t->tracees);
	t->altstack.ss_flags = SS_DISABLE;
	t->timer_slack = t->default_timer_slack = DEFAULT_TIMER_SLACK;
	t->opened_fd = -1;
	atomic_init(&t->syscall_nr, ~0ULL);
	t->sched_policy = SCHED_OTHER;
	t->cpus_allowed = kernel.cpus_online;
	census_add(&task_census, 1);
	return t;
}

struct task *task_get(struct task *t)
{
	ref_get(&t->ref);
	return t;
}

void task_put(struct task *t)
{
	if (!ref_put(&t->ref))
		return;
	BUG_ON(t->trace.flags || !TAILQ_EMPTY(&t->tracees));
	BUG_ON(t->mm || t->thread || t->caller.files || t->caller.fs || t->ns);
	sigqueue_flush(&t->pending);
	seccomp_filter_put(t->seccomp);
	seccomp_filter_put(t->seccomp_next);
	if (t->caller.cred)
		cred_put(t->caller.cred);
	pid_ns_put(t->child_pid_ns);
	if (t->group)
		group_put(t->group);
	census_add(&task_census, -1);
	free(t);
}

struct thread_group *group_alloc(void)
{
	struct thread_group *g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	ref_init(&g->ref);
	TAILQ_INIT(&g->threads);
	TAILQ_INIT(&g->children);
	lock_init(&g->siglock, RANK_SIGHAND);
	lock_init(&g->limits_lock, RANK_OBJECT);
	sigqueue_init(&g->pending);
	waitq_init(&g->signal_waitq);
	waitq_init(&g->child_waitq);
	waitq_init(&g->exit_waitq);
	waitq_init(&g->barrier_waitq);
	g->exit_signal = SIGCHLD;
	g->dumpable = true;
	census_add(&group_census, 1);
	return g;
}

struct thread_group *group_get(struct thread_group *g)
{
	ref_get(&g->ref);
	return g;
}

void group_put(struct thread_group *g)
{
	if (!ref_put(&g->ref))
		return;
	BUG_ON(!TAILQ_EMPTY(&g->threads) || !TAILQ_EMPTY(&g->children) || g->pgrp);
	sigqueue_flush(&g->pending);
	if (g->sighand)
		sighand_put(g->sighand);
	posix_timers_free(g);
	pid_ns_put(g->pid_ns);
	waitq_destroy(&g->signal_waitq);
	waitq_destroy(&g->child_waitq);
	waitq_destroy(&g->exit_waitq);
	waitq_destroy(&g->barrier_waitq);
	census_add(&group_census, -1);
	free(g);
}

static struct task *find_global(s32 tid)
{
	lock_guard(&kernel.tasks_lock);
	struct pid_entry *e = pid_lookup(kernel.pids, tid);
	return e && e->task ? task_get(e->task) : NULL;
}

struct task *task_find(s32 tid)
{
	return find_global(pid_given(tid));
}

struct task *task_find_in(struct pid_ns *n, s32 tid)
{
	return find_global(pid_ns_in(n, tid));
}

struct thread_group *group_find(s32 pid)
{
	lock_guard(&kernel.tasks_lock);
	struct pid_entry *e = pid_lookup(kernel.pids, pid_given(pid));
	return e && e->group ? group_get(e->group) : NULL;
}

/* ---- what others may look at ------------------------------------------ */

void task_set_cred(struct task *t, struct cred *c)
{
	struct cred *old;
	{
		lock_guard(&t->group->siglock);
		old = t->caller.cred;
		t->caller.cred = c;
	}
	/* What it has been told of files' owners is what they are called in its user namespace. */
	if (old->user_ns != c->user_ns && t->thread)
		platform_thread_forget_fds(t->thread);
	cred_put(old);
	name_epoch_end();
	task_update_identity(t);
}

void task_set_files(struct task *t, struct fdtable *files)
{
	struct fdtable *old;
	{
		lock_guard(&t->group->siglock);
		old = t->caller.files;
		t->caller.files = files;
	}
	if (t->thread)
		platform_thread_forget_fds(t->thread);
	/* Closing may park: outside the lock, and after the task has stopped using it. */
	if (old)
		fdtable_put(old);
}

void task_set_fs(struct task *t, struct fs_context *fs)
{
	struct fs_context *old;
	{
		lock_guard(&t->group->siglock);
		old = t->caller.fs;
		t->caller.fs = fs;
	}
	if (fs)
		name_epoch_end();
	if (old)
		fs_context_put(old);
}

struct cred *task_cred_get(struct task *t)
{
	lock_guard(&t->group->siglock);
	return t->caller.cred ? cred_get(t->caller.cred) : NULL;
}

u32 task_uid(struct task *t)
{
	lock_guard(&t->group->siglock);
	return t->caller.cred->uid;
}

struct mm *task_mm_get(struct task *t)
{
	lock_guard(&t->group->siglock);
	return t->mm ? mm_get(t->mm) : NULL;
}

struct fdtable *task_files_get(struct task *t)
{
	lock_guard(&t->group->siglock);
	return t->caller.files ? fdtable_get(t->caller.files) : NULL;
}

struct fs_context *task_fs_get(struct task *t)
{
	lock_guard(&t->group->siglock);
	return t->caller.fs ? fs_context_get(t->caller.fs) : NULL;
}

void task_adopt_image(struct task *t, struct mm *mm, struct platform_thread *thread)
{
	bool moves = thread != t->thread;
	/* What has been used in the old space stays with the process. */
	if (t->thread && moves)
		task_usage_save(t);
	lock_acquire(&t->group->siglock);
	t->mm = mm;
	t->thread = thread;
	t->caller.uspace = platform_thread_uspace(thread);
	t->group->shares_space = false;
	if (moves)
		task_usage_begin(t);
	lock_release(&t->group->siglock);
	task_update_identity(t);
}

s32 group_shown_parent_locked(const struct thread_group *g)
{
	return g->parent ? pid_ns_out(g->pid_ns, g->parent->pid) : 0;
}

/* ---- small things ------------------------------------------------------ */

u64 task_rlimit(struct task *t, int resource)
{
	lock_guard(&t->group->limits_lock);
	return t->group->limits[resource].rlim_cur;
}

bool task_capable(const struct task *t, int cap)
{
	return cred_has_cap(t->caller.cred, cap);
}

void task_refresh_limits(struct task *t)
{
	t->caller.fsize_limit = task_rlimit(t, RLIMIT_FSIZE);
	t->caller.nofile_limit = task_rlimit(t, RLIMIT_NOFILE);
}

void task_update_identity(struct task *t)
{
	const struct thread_group *g = t->group;
	const struct cred *c = t->caller.cred;
	const struct user_ns *u = c->user_ns;
	u32 persona = atomic_load(&t->group->personality) & PER_MASK;
	struct thread_identity id = {
	    .pid = g->own_pid,
	    .tid = t->own_tid,
	    .uid = user_ns_uid_show(u, c->uid),
	    .euid = user_ns_uid_show(u, c->euid),
	    .gid = user_ns_gid_show(u, c->gid),
	    .egid = user_ns_gid_show(u, c->egid),
	    .names = t->ns && uts_is_published(t->ns->uts) && persona != PER_LINUX32,
	};
	bool watched = t->seccomp || t->trace.flags;
	/* Another may write the maps of the namespace at any time, but only once. */
	bool unsettled = u->ns.owner && !(atomic_load(&u->uid_map) && atomic_load(&u->gid_map));
	/* A filter of the guest's, or its tracer, must see every call: the stub answers none. */
	if (!t->thread)
		return;
	{
		/* Changes by others are told under the same locks: none is lost. */
		lock_guard(&kernel.tasks_lock);
		lock_guard(&t->group->siglock);
		platform_thread_set_parent(t->thread, group_shown_parent_locked(g));
		platform_thread_set_any_cpu(t->thread, t->cpus_allowed == kernel.cpus_online);
	}
	platform_thread_set_identity(t->thread, watched || unsettled ? NULL : &id);
}

/* A name is never seen half changed. */
void task_comm(struct task *t, char out[COMM_LEN])
{
	lock_guard(&t->group->siglock);
	memcpy(out, t->comm, COMM_LEN);
}

void task_set_comm(struct task *t, const char *name)
{
	lock_guard(&t->group->siglock);
	memset(t->comm, 0, sizeof(t->comm));
	strncpy(t->comm, name, sizeof(t->comm) - 1);
}
