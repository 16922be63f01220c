/*
 * clone: making a task from another (clone(2); kernel/fork.c copy_process).
 *
 * The child is built while nobody else can see it, host thread and all; then,
 * in one step under the tasks lock, it gets its number and its place in the tree; only
 * after that may its fiber, which has been waiting at the gate, begin. What can fail
 * comes before the step.
 */
#include "base/bug.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "sentry/cpu_limit.h"
#include "sentry/mm.h"
#include "sentry/ns_set.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/pidfd.h"
#include "sentry/seccomp.h"
#include "sentry/session.h"
#include "sentry/signal_internal.h"
#include "sentry/task_internal.h"
#include "sentry/user_account.h"
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define CLONE_CLEAR_SIGHAND_K 0x100000000ULL
#define CLONE_NEWTIME_K       0x80ULL
#define NAMESPACE_FLAGS       ((u64)(NS_SET_FLAGS | CLONE_NEWNS | CLONE_NEWPID))

/* ---- vfork --------------------------------------------------------------- */

struct vfork_wait *vfork_wait_create(struct fiber *parent)
{
	struct vfork_wait *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	ref_init(&v->ref);
	lock_init(&v->lock, RANK_OBJECT);
	v->parent = parent;
	return v;
}

void vfork_wait_put(struct vfork_wait *v)
{
	if (ref_put(&v->ref))
		free(v);
}

void vfork_release(struct task *t)
{
	struct vfork_wait *v = t->vfork;
	if (!v)
		return;
	t->vfork = NULL;
	{
		lock_guard(&v->lock);
		v->done = true;
		if (v->parent)
			fiber_unpark(v->parent);
	}
	vfork_wait_put(v);
}

void vfork_wait_for(struct task *t, struct vfork_wait *v)
{
	/* The child may need the very CPU that t's host thread is on. */
	fiber_takes_long();
	/* Only death ends it early: signals wait until the child has let go (vfork(2)). */
	for (;;) {
		bool over;
		{
			lock_guard(&t->group->siglock);
			over = t->killed;
		}
		lock_acquire(&v->lock);
		over |= v->done;
		if (over)
			v->parent = NULL;
		lock_release(&v->lock);
		if (over)
			break;
		fiber_park();
	}
	vfork_wait_put(v);
}

/* ---- checks --------------------------------------------------------------- */

static int check_flags(struct task *t, const struct clone_args_k *a)
{
	const struct cred *c = t->caller.cred;
	u64 f = a->flags;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && (f & CLONE_CLEAR_SIGHAND_K))
		return -EINVAL;
	if ((f & (CLONE_NEWNS | CLONE_FS)) == (CLONE_NEWNS | CLONE_FS))
		return -EINVAL;
	if ((f & (CLONE_NEWUSER | CLONE_FS)) == (CLONE_NEWUSER | CLONE_FS))
		return -EINVAL;
	/* A sibling of a process that has no parent would have none to be reaped by. */
	if ((f & CLONE_PARENT) && !t->group->parent)
		return -EINVAL;
	if ((f & CLONE_THREAD) && (f & (CLONE_NEWUSER | CLONE_NEWPID)))
		return -EINVAL;
	if ((f & (CLONE_NEWIPC | CLONE_SYSVSEM)) == (CLONE_NEWIPC | CLONE_SYSVSEM))
		return -EINVAL;
	if (f & CLONE_NEWTIME_K)
		return -EINVAL;
	/* Threads share their numbers; who has unshared them for his children has no more threads.
	 */
	if ((f & CLONE_THREAD) && t->child_pid_ns && t->child_pid_ns != t->group->pid_ns)
		return -EINVAL;
	/* Who makes a user namespace, too, has every right in it. */
	if ((f & NAMESPACE_FLAGS) && !(f & CLONE_NEWUSER) && !cred_has_own_cap(c, CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

/* Counts the child against its user and RLIMIT_NPROC (setrlimit(2)). */
static int charge(struct task *t, struct task *child)
{
	u32 uid = t->caller.cred->uid;
	u64 limit = task_rlimit(t, RLIMIT_NPROC);
	if (uid == 0 || task_capable(t, CAP_SYS_RESOURCE) || task_capable(t, CAP_SYS_ADMIN))
		limit = ~0ULL;
	int err = user_charge(uid, USER_TASKS, limit);
	if (!err)
		child->charged_uid = uid;
	return err;
}

/* ---- building the child ------------------------------------------------------ */

static void copy_plain(struct task *t, struct task *child, const struct clone_args_k *a)
{
	u64 f = a->flags;
	memcpy(child->comm, t->comm, sizeof(child->comm));
	child->blocked = t->blocked;
	child->no_new_privs = t->no_new_privs;
	child->timer_slack = child->default_timer_slack = t->timer_slack;
	child->sched_policy = t->sched_policy;
	child->sched_priority = t->sched_priority;
	child->nice = t->nice;
	child->ioprio = t->ioprio;
	child->cpus_allowed = t->cpus_allowed;
	child->seccomp = seccomp_filter_get(t->seccomp);
	child->start_time = time_monotonic() - kernel.boot_monotonic + kernel.boot_boottime;
	child->fresh = true;
	child->told_opens = t->told_opens;
	/* A thread of its own in the same memory must not run on its maker's signal stack. */
	if ((f & (CLONE_VM | CLONE_VFORK)) != CLONE_VM)
		child->altstack = t->altstack;
	if (!(f & CLONE_VM)) {
		child->rseq = t->rseq;
		child->rseq_len = t->rseq_len;
		child->rseq_sig = t->rseq_sig;
	}
	if (f & CLONE_CHILD_CLEARTID)
		child->clear_child_tid = a->child_tid;
	child->caller.raise = t->caller.raise;
	child->caller.killed = t->caller.killed;
	child->caller.pid_given = t->caller.pid_given;
	child->caller.pid_shown = t->caller.pid_shown;
	child->caller.fsize_limit = t->caller.fsize_limit;
	child->caller.nofile_limit = t->caller.nofile_limit;
}

static struct thread_group *group_copy(struct task *t, const struct clone_args_k *a)
{
	struct thread_group *from = t->group, *g = group_alloc();
	if (!g)
		return NULL;
	if (a->flags & CLONE_SIGHAND) {
		g->sighand = from->sighand;
		atomic_fetch_add(&g->sighand->users, 1);
	} else {
		g->sighand = sighand_copy(from->sighand);
	}
	if (!g->sighand) {
		group_put(g);
		return NULL;
	}
	if (a->flags & CLONE_CLEAR_SIGHAND_K)
		for (int i = 0; i < NSIG_MAX; i++)
			if (g->sighand->action[i].handler != KSIG_IGN)
				g->sighand->action[i] = (struct ksigaction){0};
	{
		lock_guard(&from->limits_lock);
		memcpy(g->limits, from->limits, sizeof(g->limits));
	}
	g->dumpable = from->dumpable;
	g->thp_disable = from->thp_disable;
	g->barrier_registered = from->barrier_registered;
	g->barrier_global = from->barrier_global;
	g->oom_score_adj = from->oom_score_adj;
	g->personality = from->personality;
	g->start_time = time_monotonic() - kernel.boot_monotonic + kernel.boot_boottime;
	g->parent_exec_id = from->exec_id;
	/* CLONE_PARENT: the new one answers to the same parent in the same way. */
	g->exit_signal = a->flags & CLONE_PARENT ? from->exit_signal : a->exit_signal;
	return g;
}

static int copy_fs(struct task *t, struct task *child, u64 flags)
{
	struct fs_context *fs = t->caller.fs;
	if (flags & CLONE_NEWNS)
		return fs_context_unshare(fs, child->caller.cred->user_ns, &child->caller.fs);
	child->caller.fs = flags & CLONE_FS ? fs_context_get(fs) : fs_context_copy(fs);
	return child->caller.fs ? 0 : -ENOMEM;
}

/* The namespace of the child's number, and of all below it that it asks for a number in. */
static int copy_pid_ns(struct task *t, struct task *child, const struct clone_args_k *a)
{
	struct pid_ns *n = t->child_pid_ns ? t->child_pid_ns : t->group->pid_ns;
	const struct cred *c = child->caller.cred;
	int err = 0;
	if (a->flags & CLONE_THREAD)
		return 0;
	if (a->flags & CLONE_NEWPID) {
		/* The children's namespace has been unshared before: one is made in one's own. */
		if (n != t->group->pid_ns)
			return -EINVAL;
		err = pid_ns_create(n, c->user_ns, &child->group->pid_ns);
	} else {
		child->group->pid_ns = pid_ns_get(n);
	}
	if (err)
		return err;
	n = child->group->pid_ns;
	if (a->set_tid_count > n->level + 1)
		return -EINVAL;
	for (u32 i = 0; i < a->set_tid_count; i++, n = n->parent) {
		if (!cred_has_cap_in(t->caller.cred, n->ns.owner, CAP_SYS_ADMIN) &&
		    !cred_has_cap_in(t->caller.cred, n->ns.owner, CAP_CHECKPOINT_RESTORE))
			return -EPERM;
	}
	return 0;
}

static int copy_resources(struct task *t, struct task *child, const struct clone_args_k *a)
{
	struct ns_set *ns;
	u64 f = a->flags;
	int err = 0;
	child->group = f & CLONE_THREAD ? group_get(t->group) : group_copy(t, a);
	if (!child->group)
		return -ENOMEM;
	if (f & CLONE_NEWUSER)
		err = task_new_user_ns(t, &child->caller.cred);
	else
		child->caller.cred = cred_get(t->caller.cred);
	if (!err)
		err = copy_pid_ns(t, child, a);
	if (!err)
		err = copy_fs(t, child, f);
	if (!err)
		err = ns_set_derive(t->ns, f, child->caller.cred->user_ns, &ns);
	if (err)
		return err;
	task_set_ns(child, ns);
	child->caller.files = f & CLONE_FILES ? fdtable_get(t->caller.files)
	                                      : fdtable_copy(t->caller.files, FDTABLE_MAX);
	return child->caller.files ? 0 : -ENOMEM;
}

/* The host's side: a thread in the same space, or a copy of the space. */
static int copy_memory(struct task *t, struct task *child, const struct clone_args_k *a)
{
	int err;
	if (a->flags & CLONE_VM) {
		err = platform_thread_clone(t->thread, &child->thread);
		if (!err)
			child->mm = mm_join(t->mm);
	} else {
		err = mm_fork(t, &child->mm, &child->thread);
	}
	if (err)
		return err;
	child->caller.uspace = platform_thread_uspace(child->thread);
	if (!(a->flags & CLONE_THREAD)) {
		child->group->shares_space = a->flags & CLONE_VM;
		task_usage_begin(child);
	}
	struct user_regs_struct *regs = platform_thread_regs(child->thread);
	regs->rax = 0;
	if (!uptr_is_null(a->stack))
		regs->rsp = a->stack.addr;
	if (a->flags & CLONE_SETTLS)
		regs->fs_base = a->tls.addr;
	platform_thread_regs_changed(child->thread);
	return 0;
}

/*
 * Under the lock that the fiber looks with: it can be past the gate, and at
 * its end, only when the unpark is over.
 */
void task_open_gate(struct task *t, enum task_gate gate)
{
	lock_guard(&t->group->siglock);
	t->gate = gate;
	fiber_unpark(t->fiber);
}

/* Undoes whatever of the above has been done for a child that nobody has seen. */
static void abandon(struct task *child)
{
	struct platform_thread *thread = child->thread;
	struct mm *mm = child->mm;
	child->thread = NULL;
	child->mm = NULL;
	if (thread)
		mm_leave(mm, thread);
	if (child->caller.files)
		fdtable_put(child->caller.files);
	if (child->caller.fs)
		fs_context_put(child->caller.fs);
	child->caller.files = NULL;
	child->caller.fs = NULL;
	task_set_ns(child, NULL);
	user_uncharge(child->charged_uid, USER_TASKS);
	if (child->vfork)
		vfork_release(child);
	if (child->fiber)
		task_open_gate(child, TASK_STILLBORN);
	task_put(child);
}

/* ---- its place in the tree -------------------------------------------------- */

static void place_thread(struct thread_group *g, struct task *child)
{
	lock_assert_held(&g->siglock);
	TAILQ_INSERT_TAIL(&g->threads, child, thread_link);
	g->nthreads++;
	g->nlive++;
	/* A stop under way is its, too (task_join_group_stop). */
	if (!g->stop_signal)
		return;
	child->stop_pending = true;
	child->stop_sig = (u8)g->stop_signal;
	child->stop_counted = !g->stop_complete;
	g->stop_count += child->stop_counted;
	signal_wake_locked(child);
}

static void place_group(struct task *t, struct task *child, const struct clone_args_k *a)
{
	struct thread_group *g = child->group;
	bool sibling = a->flags & CLONE_PARENT;
	g->pid = child->tid;
	g->own_pid = child->own_tid;
	if (g->pid_ns && g->pid_ns->parent && !g->pid_ns->init) {
		g->pid_ns->init = g;
		g->unkillable = true;
	}
	g->leader = child;
	TAILQ_INSERT_TAIL(&g->threads, child, thread_link);
	g->nthreads = g->nlive = 1;
	g->parent = sibling ? t->group->parent : t->group;
	g->parent_task = sibling ? t->group->parent_task : t;
	TAILQ_INSERT_TAIL(&g->parent->children, g, sibling_link);
	group_get(g);
	TAILQ_INSERT_TAIL(&kernel.groups, g, all_link);
	pgrp_join_locked(g, t->group->pgrp);
	pid_lookup(kernel.pids, child->tid)->group = g;
}

/* The event that t's tracer wants to be told of this child, or 0 (kernel_clone). */
static int clone_event(const struct task *t, const struct clone_args_k *a)
{
	int event = a->flags & CLONE_VFORK      ? PTRACE_EVENT_VFORK
	            : a->exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE
	                                        : PTRACE_EVENT_FORK;
	if ((a->flags & CLONE_UNTRACED) || !ptrace_event_enabled(t, event))
		return 0;
	return event;
}

/* In the initial pid namespace, and in those nested down to the child's own. tasks_lock held. */
static s32 take_numbers(struct task *child, const struct clone_args_k *a)
{
	struct pid_ns *n = child->group->pid_ns;
	u32 level = n ? n->level : 0;
	/* The last one asked for is the initial namespace's, if there is one for each. */
	s32 want = a->set_tid_count > level ? a->set_tid[level] : 0, nr;
	int err;
	if (n && (n->dead || (n->parent && !n->init && n->last)))
		return -ENOMEM;
	nr = pid_alloc(kernel.pids, want);
	if (nr < 0)
		return nr;
	err = pid_ns_enter(n, pid_lookup(kernel.pids, nr), a->set_tid,
	                   min_of(a->set_tid_count, level));
	if (err) {
		pid_release(kernel.pids, nr);
		return err;
	}
	return nr;
}

static int place(struct task *t, struct task *child, const struct clone_args_k *a)
{
	struct thread_group *g = t->group;
	lock_guard(&kernel.tasks_lock);
	lock_guard(&g->siglock);
	/*
	 * A signal sent to the group or to its process group while the child was in the
	 * making would miss it: it is taken first, and the call made again (fork(2)).
	 */
	if (fiber_interrupted(t->fiber))
		return -ERESTARTNOINTR;
	if ((a->flags & CLONE_THREAD) && g->exec_task)
		return -ERESTARTNOINTR;
	if (kernel.ntasks >= kernel.max_tasks)
		return -EAGAIN;
	s32 nr = take_numbers(child, a);
	if (nr < 0)
		return nr;
	child->tid = nr;
	child->own_tid = pid_ns_out(child->group->pid_ns, nr);
	pid_lookup(kernel.pids, nr)->task = task_get(child);
	if (a->flags & CLONE_THREAD)
		place_thread(g, child);
	else
		place_group(t, child, a);
	if ((a->flags & CLONE_PTRACE) || clone_event(t, a))
		ptrace_inherit_locked(t, child);
	child->caller.pid = child->group->pid;
	child->caller.tid = nr;
	kernel.ntasks++;
	atomic_fetch_add_explicit(&kernel.forks, 1, memory_order_relaxed);
	return 0;
}

/* Fails before the child can be seen: the descriptor is closed again if a later step fails. */
static int install_pidfd(struct task *child, const struct clone_args_k *a, int *fd)
{
	struct file *f;
	int err = pidfd_create(child->group, a->flags & CLONE_THREAD ? child : NULL, 0, &f);
	if (err)
		return err;
	*fd = fd_install(f, true);
	if (*fd < 0)
		return *fd;
	s32 value = *fd;
	return put_user(a->pidfd, &value);
}

static void queue_child_tid(struct task *child, const struct clone_args_k *a)
{
	/* In the child's memory, by its own thread; an address that faults is its own loss. */
	struct hostop op = {
	    .kind = HOSTOP_STORE32, .addr = a->child_tid.addr, .val = (u32)child->own_tid};
	if (a->flags & CLONE_CHILD_SETTID)
		BUG_ON(platform_thread_queue(child->thread, &op) != 0);
}

/* Everything that may fail, in the order of cost. */
static int build(struct task *t, struct task *child, const struct clone_args_k *a, int *pidfd)
{
	int err = charge(t, child);
	if (err) {
		task_put(child);
		return err;
	}
	copy_plain(t, child, a);
	err = copy_resources(t, child, a);
	if (!err)
		err = copy_memory(t, child, a);
	if (!err && (a->flags & CLONE_VFORK)) {
		child->vfork = vfork_wait_create(t->fiber);
		err = child->vfork ? 0 : -ENOMEM;
	}
	if (!err && (a->flags & CLONE_PIDFD))
		err = install_pidfd(child, a, pidfd);
	if (!err) {
		err =
		    fiber_create(task_run, task_get(child), "task", &child->caller, &child->fiber);
		if (err)
			task_put(child);
	}
	if (!err)
		err = place(t, child, a);
	if (err) {
		if (*pidfd >= 0)
			fdtable_close(t->caller.files, *pidfd);
		abandon(child);
	}
	return err;
}

/* The child as t's tracer, if there is one, is to see it. */
static u64 event_number(struct task *t, const struct task *child)
{
	lock_guard(&kernel.tasks_lock);
	return t->trace.tracer ? (u64)pid_ns_out(t->trace.tracer->group->pid_ns, child->tid) : 0;
}

s64 task_clone(struct task *t, const struct clone_args_k *a)
{
	int pidfd = -1;
	int err = check_flags(t, a);
	if (err)
		return err;
	/* A cheap look before the dear work; place() looks again. */
	if (fiber_interrupted(t->fiber))
		return -ERESTARTNOINTR;
	struct task *child = task_alloc();
	if (!child)
		return -ENOMEM;
	err = build(t, child, a, &pidfd);
	if (err)
		return err;
	if (!(a->flags & CLONE_THREAD))
		/* The limit is inherited, the time used is not (setrlimit(2)); without memory, it
		 * is lost. */
		(void)cpu_limit_changed(child->group);
	s32 tid = pid_shown(child->tid);
	u64 told = event_number(t, child);
	struct vfork_wait *v = child->vfork;
	int event = clone_event(t, a);
	if (v)
		ref_get(&v->ref);
	if (a->flags & CLONE_PARENT_SETTID) {
		(void)!put_user(a->parent_tid, &tid);
		/* A thread may clear that very word at its end, which may come at once. */
		if (a->flags & CLONE_VM)
			platform_thread_settle(t->thread);
	}
	queue_child_tid(child, a);
	task_start(child);
	task_put(child);
	if (event)
		ptrace_event(t, event, told);
	if (v) {
		vfork_wait_for(t, v);
		ptrace_event(t, PTRACE_EVENT_VFORK_DONE, told);
	}
	return tid;
}

void task_start(struct task *t)
{
	task_update_identity(t);
	task_open_gate(t, TASK_GO);
}
