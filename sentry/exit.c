/*
 * The end of tasks and processes (exit(2), kernel/exit.c).
 *
 * A thread first lets go of what it uses, while it can still be waited for
 * (files may have to be flushed), then leaves the tree in one step under the tasks lock: its
 * children get another parent; the last thread of a group makes it a zombie and tells the
 * parent, or, if that does not care, releases it at once. A leader that ends before
 * its other threads stays in the list, because it is the process's pid.
 */
#include "base/bug.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/fs_context.h"
#include "sentry/cpu_limit.h"
#include "sentry/cpu_time.h"
#include "sentry/futex_pi.h"
#include "sentry/mm.h"
#include "sentry/ns_set.h"
#include "sentry/ipc/ipc.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/posix_timer.h"
#include "sentry/proc/proc.h"
#include "sentry/session.h"
#include "sentry/signal_internal.h"
#include "sentry/task_internal.h"
#include "sentry/tty/tty.h"
#include "sentry/user_account.h"
#include <bsd/sys/queue.h>
#include <errno.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>

/* ---- letting go -------------------------------------------------------- */

/* From here on t takes no signals, and neither stops nor holds up a stop. */
static bool begin_exit(struct task *t, int *exit_code)
{
	struct thread_group *g = t->group;
	bool last, stop_complete;
	int stop_signal;
	{
		lock_guard(&g->siglock);
		t->exiting = true;
		last = --g->nlive == 0;
		if (g->group_exiting) {
			*exit_code = g->group_exit_status;
		} else if (last) {
			/* The last one out decides what wait reports. */
			g->group_exiting = true;
			g->group_exit_status = *exit_code;
		}
		signal_retarget_locked(t, ~t->blocked);
		/* What closing files has to wait for is bounded, and no longer to be cut short. */
		fiber_clear_interrupt(t->fiber);
		stop_complete = stop_participate_locked(t);
		stop_signal = g->stop_signal;
	}
	if (stop_complete) {
		lock_guard(&kernel.tasks_lock);
		signal_notify_stop_locked(g, CLD_STOPPED, stop_signal);
	}
	return last;
}

/*
 * CLONE_CHILD_CLEARTID: the word is cleared and one waiter woken (pthread_join),
 * by the thread itself on its way out of the host.
 */
static void clear_tid(struct task *t)
{
	u64 addr = t->clear_child_tid.addr;
	struct hostop store = {.kind = HOSTOP_STORE32, .fd = -1, .addr = addr};
	struct hostop wake = {.kind = HOSTOP_FUTEX,
	                      .fd = -1,
	                      .flags = FUTEX_WAKE,
	                      .addr = addr,
	                      .val = 1,
	                      .deadline = NO_DEADLINE};
	if (!addr || platform_space_threads(platform_thread_space(t->thread)) < 2)
		return;
	/* When all threads die together nobody is left to join one; Linux has it that way too,
	 * but for those that are not quite last. */
	if (t->group->group_exiting && !t->group->shares_space)
		return;
	if (platform_thread_queue(t->thread, &store) == 0 &&
	    platform_thread_queue(t->thread, &wake) == 0) {
		/* An address that faults fails the store, and with it the wake; nobody minds. */
		s64 ignored = platform_thread_sync(t->thread);
		(void)ignored;
	}
}

void task_leave_words(struct task *t)
{
	robust_list_exit(t);
	futex_pi_exit(t);
	clear_tid(t);
	t->robust_list = uptr_make(0);
	t->clear_child_tid = uptr_make(0);
}

static void leave_memory(struct task *t, bool last)
{
	struct thread_group *g = t->group;
	struct platform_thread *thread;
	struct mm *mm;
	if (!t->thread)
		return;
	if (!t->host_gone)
		task_leave_words(t);
	task_usage_end(t, last);
	{
		lock_guard(&g->siglock);
		thread = t->thread;
		mm = t->mm;
		t->thread = NULL;
		t->mm = NULL;
		t->caller.uspace = NULL;
	}
	mm_leave(mm, thread);
}

/* ---- children ------------------------------------------------------------ */

static struct task *live_thread(struct thread_group *g)
{
	struct task *t;
	TAILQ_FOREACH (t, &g->threads, thread_link)
		if (!t->exited && !t->exiting)
			return t;
	return NULL;
}

/* Who takes over the children of g: an ancestor that asked for it, or its init (prctl(2)). */
static struct thread_group *find_reaper(struct thread_group *g)
{
	struct pid_ns *n = g->pid_ns;
	for (struct thread_group *p = g->parent; p && p->pid_ns == n; p = p->parent)
		if (p->child_subreaper && p->state == GROUP_LIVE && live_thread(p))
			return p;
	if (n && n->parent)
		return n->init != g ? n->init : NULL;
	if (kernel.init && kernel.init != g && kernel.init->state == GROUP_LIVE)
		return kernel.init;
	return NULL;
}

static void send_parent_death_signals(struct thread_group *child, struct task *dying)
{
	struct task *t;
	TAILQ_FOREACH (t, &child->threads, thread_link) {
		if (!t->pdeath_signal)
			continue;
		siginfo_t info = {.si_signo = t->pdeath_signal, .si_code = SI_USER};
		info.si_pid = dying->group->pid;
		info.si_uid = dying->caller.cred->uid;
		(void)signal_send_group(child, &info);
	}
}

/* The threads' stubs answer getppid(2) themselves. */
static void tell_threads_of_parent(struct thread_group *g)
{
	struct task *t;
	lock_guard(&g->siglock);
	TAILQ_FOREACH (t, &g->threads, thread_link)
		if (t->thread)
			platform_thread_set_parent(t->thread, group_shown_parent_locked(g));
}

static void adopt(struct thread_group *child, struct thread_group *reaper)
{
	struct thread_group *old = child->parent;
	TAILQ_REMOVE(&old->children, child, sibling_link);
	child->parent = reaper;
	child->parent_task = reaper ? live_thread(reaper) : NULL;
	child->exit_signal = SIGCHLD;
	if (reaper)
		TAILQ_INSERT_TAIL(&reaper->children, child, sibling_link);
	tell_threads_of_parent(child);
	/* A zombie that is traced from elsewhere is not yet for its parent to see. */
	if (child->state == GROUP_ZOMBIE && !child->leader->trace.flags &&
	    (!reaper || signal_notify_exit_locked(child))) {
		group_release_locked(child);
		return;
	}
	pgrp_check_orphaned_locked(child, old);
}

/*
 * The parent of a process is a thread: its end is what PDEATHSIG tells of,
 * even if other threads of the parent's group live on and keep the children.
 */
static void leave_children(struct task *t)
{
	struct thread_group *g = t->group, *child, *next;
	struct task *heir = live_thread(g);
	struct thread_group *reaper = heir ? NULL : find_reaper(g);
	TAILQ_FOREACH_SAFE (child, &g->children, sibling_link, next) {
		if (heir && child->parent_task != t)
			continue;
		send_parent_death_signals(child, t);
		if (heir)
			child->parent_task = heir;
		else
			adopt(child, reaper);
	}
}

/* ---- leaving the tree ------------------------------------------------------ */

static void unhash_task(struct task *t)
{
	ptrace_unlink_both_locked(t);
	struct pid_entry *e = pid_lookup(kernel.pids, t->tid);
	BUG_ON(!e || e->task != t);
	e->task = NULL;
	pid_release(kernel.pids, t->tid);
	TAILQ_REMOVE(&t->group->threads, t, thread_link);
	proc_task_ended_locked(t);
	task_put(t);
}

void group_release_locked(struct thread_group *g)
{
	struct task *leader = g->leader;
	BUG_ON(g->state != GROUP_ZOMBIE);
	{
		lock_guard(&g->siglock);
		g->state = GROUP_DEAD;
		sigqueue_flush(&g->pending);
	}
	if (g->parent)
		TAILQ_REMOVE(&g->parent->children, g, sibling_link);
	g->parent = NULL;
	TAILQ_REMOVE(&kernel.groups, g, all_link);
	pgrp_leave_locked(g);
	pid_lookup(kernel.pids, g->pid)->group = NULL;
	{
		lock_guard(&g->siglock);
		unhash_task(leader);
	}
	group_put(g);
}

void group_reap(struct thread_group *g)
{
	{
		lock_guard(&kernel.tasks_lock);
		if (g->state == GROUP_ZOMBIE && !g->parent)
			group_release_locked(g);
	}
	proc_forget_ended();
}

/* Nothing of a sandbox outlives its init (pid_namespaces(7)). */
static void init_ended(struct thread_group *init)
{
	struct thread_group *g;
	kernel.exit_status = init->exit_status;
	TAILQ_FOREACH (g, &kernel.groups, all_link)
		if (g != init && g->state == GROUP_LIVE)
			group_exit_start(g, SIGKILL);
	atomic_store(&kernel.ended, true);
	waitq_wake(&kernel.exit_waitq, EPOLLIN);
}

static void tell_parent_locked(struct thread_group *g)
{
	/* One that lost its parent with the sandbox's init has nobody to wait for it. */
	if (g->parent ? signal_notify_exit_locked(g) : !g->from_outside)
		group_release_locked(g);
}

void group_bequeath_locked(struct thread_group *g, bool news)
{
	struct ksigaction a = {0};
	if (news) {
		tell_parent_locked(g);
		return;
	}
	if (g->parent) {
		lock_guard(&g->parent->siglock);
		a = sighand_get(g->parent->sighand, SIGCHLD);
	}
	if (a.handler == KSIG_IGN || (a.flags & SA_NOCLDWAIT))
		group_release_locked(g);
}

/* All threads have ended, but some may be zombies that their tracers have not seen. */
static void group_died(struct thread_group *g)
{
	{
		lock_guard(&g->siglock);
		g->exit_status = g->group_exit_status;
	}
	group_usage_final(g);
	pgrp_check_orphaned_locked(g, NULL);
	if (g == kernel.init)
		init_ended(g);
	if (g->pid_ns && g->pid_ns->init == g)
		g->pid_ns->init = NULL;
}

/* Only the leader is left: the process is a zombie. */
static void group_ended(struct thread_group *g)
{
	struct task *leader = g->leader;
	{
		lock_guard(&g->siglock);
		g->state = GROUP_ZOMBIE;
	}
	waitq_wake(&g->exit_waitq, EPOLLIN | EPOLLRDNORM);
	if (!leader->trace.flags)
		tell_parent_locked(g);
	else
		/* The parent hears of it when the tracer has. */
		signal_notify_tracer_exit_locked(
		    leader, ptrace_reparented_locked(leader) ? SIGCHLD : g->exit_signal);
}

static bool only_leader_left(const struct thread_group *g)
{
	return g->nthreads == 0 && TAILQ_FIRST(&g->threads) == g->leader &&
	       !TAILQ_NEXT(g->leader, thread_link);
}

void thread_release_locked(struct task *t)
{
	struct thread_group *g = t->group;
	{
		lock_guard(&g->siglock);
		unhash_task(t);
	}
	if (g->state == GROUP_LIVE && only_leader_left(g))
		group_ended(g);
}

static void leave_tree(struct task *t, int exit_code)
{
	struct thread_group *g = t->group;
	bool last;
	lock_guard(&kernel.tasks_lock);
	task_usage_to_group_locked(t);
	ptrace_tracer_exit_locked(t);
	{
		lock_guard(&g->siglock);
		t->exited = true;
		t->exit_code = exit_code;
		t->fiber = NULL;
		last = --g->nthreads == 0;
		sigqueue_flush(&t->pending);
		ptrace_trapped_locked(t);
		if (g->exec_task && g->exec_task != t)
			fiber_unpark(g->exec_task->fiber);
	}
	kernel.ntasks--;
	user_uncharge(t->charged_uid, USER_TASKS);
	leave_children(t);
	if (last)
		group_died(g);
	if (t != g->leader && !t->trace.flags) {
		lock_guard(&g->siglock);
		unhash_task(t);
	}
	if (only_leader_left(g))
		group_ended(g);
	else if (t->trace.flags)
		signal_notify_tracer_exit_locked(t, SIGCHLD);
}

/* How it ends, as wait would report it, before anything has been let go of. */
static void tell_of_exit(struct task *t, int exit_code)
{
	if (!ptrace_event_enabled(t, PTRACE_EVENT_EXIT))
		return;
	{
		lock_guard(&t->group->siglock);
		if (t->group->group_exiting)
			exit_code = t->group->group_exit_status;
		/* What killed it does not end this stop; only what comes from now on. */
		t->killed = false;
	}
	ptrace_event(t, PTRACE_EVENT_EXIT, (u64)(u32)exit_code);
}

static bool is_nested_init(const struct thread_group *g)
{
	return g->pid_ns && g->pid_ns->parent && g->pid_ns->init == g;
}

void task_exit(struct task *t, int exit_code)
{
	tell_of_exit(t, exit_code);
	bool last = begin_exit(t, &exit_code);
	if (last) {
		posix_timers_stop(t->group);
		ipc_group_exit(t->group);
		cpu_limit_stop(t->group);
		tty_leader_exit(t);
	}
	leave_memory(t, last);
	vfork_release(t);
	task_set_files(t, NULL);
	task_set_fs(t, NULL);
	task_set_ns(t, NULL);
	if (last && is_nested_init(t->group))
		pid_ns_zap(t->group->pid_ns, t);
	leave_tree(t, exit_code);
	proc_forget_ended();
}

/* ---- exec in a group of several threads ----------------------------------- */

/*
 * execve(2): 'all threads other than the calling thread are destroyed'. If
 * the leader is among them, the caller takes its number and its place, so that
 * the process keeps its pid (fs/exec.c de_thread).
 */
static void take_leader_identity(struct task *t)
{
	struct thread_group *g = t->group;
	struct task *old = g->leader;
	s32 tid = t->tid;
	struct pid_entry *e = pid_lookup(kernel.pids, g->pid);
	ptrace_unlink_both_locked(old);
	e->task = t;
	g->leader = t;
	t->tid = t->caller.tid = g->pid;
	t->own_tid = g->own_pid;
	TAILQ_REMOVE(&g->threads, old, thread_link);
	pid_lookup(kernel.pids, tid)->task = NULL;
	pid_release(kernel.pids, tid);
	proc_task_ended_locked(old);
	task_put(old);
}

static bool others_gone(struct task *t, int *err)
{
	struct thread_group *g = t->group;
	lock_guard(&kernel.tasks_lock);
	lock_guard(&g->siglock);
	if (t->killed || g->nthreads == 1) {
		*err = t->killed ? -EINTR : 0;
		if (!*err && g->leader != t)
			take_leader_identity(t);
		g->exec_task = NULL;
		return true;
	}
	return false;
}

int group_single_thread(struct task *t)
{
	struct thread_group *g = t->group;
	struct task *i;
	int err = 0;
	{
		lock_guard(&g->siglock);
		if (t->killed || g->group_exiting || g->exec_task)
			return -EINTR;
		if (g->nthreads == 1 && g->leader == t)
			return 0;
		g->exec_task = t;
		stop_end_locked(g);
		TAILQ_FOREACH (i, &g->threads, thread_link) {
			if (i == t || i->exited)
				continue;
			i->killed = true;
			if (i->thread)
				platform_thread_doom(i->thread);
			signal_wake_locked(i);
		}
	}
	while (!others_gone(t, &err))
		fiber_park();
	proc_forget_ended();
	if (!err)
		task_update_identity(t);
	return err;
}
