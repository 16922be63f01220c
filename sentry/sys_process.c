/*
 * System calls that make, end and wait for processes and threads.
 */
#include "base/cred.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/fs_context.h"
#include "sentry/mm.h"
#include "sentry/pid_ns.h"
#include "sentry/pidfd.h"
#include "sentry/syscall.h"
#include "sentry/task_internal.h"
#include "sentry/wait.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* ---- clone ----------------------------------------------------------------- */

/* A stack or a thread area that no program could have (copy_thread, do_arch_prctl). */
static bool bad_tls(const struct clone_args_k *k)
{
	return (k->flags & CLONE_SETTLS) && k->tls.addr >= GUEST_MAX;
}

s64 sys_clone(struct task *t, const struct syscall_args *a)
{
	struct clone_args_k k = {
	    .flags = (u32)arg_u64(a, 0) & ~(u64)CSIGNAL,
	    .exit_signal = (int)(arg_u64(a, 0) & CSIGNAL),
	    .stack = arg_ptr(a, 1),
	    .parent_tid = arg_ptr(a, 2),
	    .child_tid = arg_ptr(a, 3),
	    .tls = arg_ptr(a, 4),
	    /* clone(2): the pidfd goes where the parent's tid would have gone. */
	    .pidfd = arg_ptr(a, 2),
	};
	if ((k.flags & CLONE_PIDFD) && (k.flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)))
		return -EINVAL;
	/* CLONE_DETACHED and CLONE_STOPPED's successors mean nothing to Linux any more. */
	if (bad_tls(&k))
		return -EPERM;
	return task_clone(t, &k);
}

s64 sys_fork(struct task *t, const struct syscall_args *a unused_arg)
{
	struct clone_args_k k = {.exit_signal = SIGCHLD};
	return task_clone(t, &k);
}

s64 sys_vfork(struct task *t, const struct syscall_args *a unused_arg)
{
	struct clone_args_k k = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};
	return task_clone(t, &k);
}

static int check_clone3(const struct clone_args *c)
{
	if (c->flags & ~((u64)0xffffffff | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP))
		return -EINVAL;
	if (c->flags & (CLONE_DETACHED | (CSIGNAL & ~(u64)CLONE_NEWTIME)))
		return -EINVAL;
	if ((c->flags & (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND)) ==
	    (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((c->flags & (CLONE_THREAD | CLONE_PARENT)) && c->exit_signal)
		return -EINVAL;
	if (c->exit_signal & ~(u64)CSIGNAL || c->exit_signal > NSIG_MAX)
		return -EINVAL;
	if (!c->stack != !c->stack_size || c->stack + c->stack_size < c->stack ||
	    c->stack + c->stack_size > GUEST_MAX)
		return -EINVAL;
	if (c->set_tid_size > 32 || !c->set_tid != !c->set_tid_size)
		return -EINVAL;
	/* cgroup file systems give no descriptor that a process could be born into. */
	if (c->flags & CLONE_INTO_CGROUP)
		return -EBADF;
	return 0;
}

/* Structures that grow: unknown bytes must be zero, missing ones are (clone3(2),
 * copy_struct_from_user). */
static int copy_clone_args(struct clone_args *c, struct uptr p, u64 size)
{
	u8 tail[64];
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	memset(c, 0, sizeof(*c));
	if (copy_in(c, p, min_of(size, sizeof(*c))) != 0)
		return -EFAULT;
	for (u64 done = sizeof(*c); done < size; done += sizeof(tail)) {
		size_t n = min_of(size - done, sizeof(tail));
		if (copy_in(tail, uptr_add(p, done), n) != 0)
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (tail[i])
				return -E2BIG;
	}
	return 0;
}

s64 sys_clone3(struct task *t, const struct syscall_args *a)
{
	struct clone_args c;
	s32 set_tid[PID_NS_DEPTH + 1];
	int err = copy_clone_args(&c, arg_ptr(a, 0), arg_u64(a, 1));
	if (!err)
		err = check_clone3(&c);
	if (err)
		return err;
	if (copy_in(set_tid, uptr_make(c.set_tid), c.set_tid_size * sizeof(set_tid[0])) != 0)
		return -EFAULT;
	for (u64 i = 0; i < c.set_tid_size; i++)
		if (set_tid[i] < 1)
			return -EINVAL;
	struct clone_args_k k = {
	    .flags = c.flags,
	    .exit_signal = (int)c.exit_signal,
	    .stack = uptr_make(c.stack ? c.stack + c.stack_size : 0),
	    .tls = uptr_make(c.tls),
	    .parent_tid = uptr_make(c.parent_tid),
	    .child_tid = uptr_make(c.child_tid),
	    .pidfd = uptr_make(c.pidfd),
	    .set_tid = set_tid,
	    .set_tid_count = (u32)c.set_tid_size,
	};
	if (bad_tls(&k))
		return -EPERM;
	return task_clone(t, &k);
}

s64 sys_set_tid_address(struct task *t, const struct syscall_args *a)
{
	t->clear_child_tid = arg_ptr(a, 0);
	return t->own_tid;
}

/* ---- exit --------------------------------------------------------------------- */

s64 sys_exit(struct task *t, const struct syscall_args *a)
{
	t->exit_code = (arg_int(a, 0) & 0xff) << 8;
	lock_guard(&t->group->siglock);
	/* The thread alone: taken up when it looks at its signals on the way out of this call. */
	t->killed = true;
	signal_recalc_locked(t);
	return 0;
}

s64 sys_exit_group(struct task *t, const struct syscall_args *a)
{
	group_exit_start(t->group, (arg_int(a, 0) & 0xff) << 8);
	return 0;
}

/* ---- wait ----------------------------------------------------------------------- */

s64 sys_wait4(struct task *t, const struct syscall_args *a)
{
	s32 pid = arg_int(a, 0);
	int options = arg_int(a, 2);
	struct wait_result r;
	struct wait_request rq = {.what = WAIT_ALL};
	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid < -1) {
		rq.what = WAIT_PGID;
		rq.id = pid_given(-pid);
	} else if (pid == 0) {
		lock_guard(&kernel.tasks_lock);
		rq.what = WAIT_PGID;
		rq.id = t->group->pgrp->pgid;
	} else if (pid > 0) {
		rq.what = WAIT_PID;
		rq.id = pid_given(pid);
	}
	rq.options = options | WEXITED;
	int err = wait_for_child(t, &rq, &r);
	if (err || r.pid == 0)
		return err;
	if (!uptr_is_null(arg_ptr(a, 1)) && put_user(arg_ptr(a, 1), &r.status) != 0)
		return -EFAULT;
	if (!uptr_is_null(arg_ptr(a, 3)) && put_user(arg_ptr(a, 3), &r.rusage) != 0)
		return -EFAULT;
	return r.pid;
}

/* Whom waitid is to wait for. A pidfd's group comes with a reference. */
static int waitid_target(struct task *t, int which, s32 id, struct wait_request *rq)
{
	switch (which) {
	case P_ALL:
		rq->what = WAIT_ALL;
		return 0;
	case P_PID:
		rq->what = WAIT_PID;
		rq->id = pid_given(id);
		return id <= 0 ? -EINVAL : 0;
	case P_PGID: {
		rq->what = WAIT_PGID;
		rq->id = pid_given(id);
		if (id < 0)
			return -EINVAL;
		lock_guard(&kernel.tasks_lock);
		if (id == 0)
			rq->id = t->group->pgrp->pgid;
		return 0;
	}
	case P_PIDFD: {
		u32 flags;
		rq->what = WAIT_GROUP;
		if (id < 0)
			return -EINVAL;
		return pidfd_group(id, &rq->group, &flags);
	}
	}
	return -EINVAL;
}

s64 sys_waitid(struct task *t, const struct syscall_args *a)
{
	int options = arg_int(a, 3);
	struct wait_request rq = {.options = options};
	struct wait_result r;
	bool nonblock = false;
	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD |
	                __WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	int err = waitid_target(t, arg_int(a, 0), arg_int(a, 1), &rq);
	if (err)
		return err;
	if (arg_int(a, 0) == P_PIDFD && !(options & WNOHANG) && pidfd_is_nonblock(arg_int(a, 1))) {
		nonblock = true;
		rq.options |= WNOHANG;
	}
	err = wait_for_child(t, &rq, &r);
	if (rq.group)
		group_put(rq.group);
	if (!err && r.pid == 0 && nonblock)
		err = -EAGAIN;
	if (err)
		return err;
	if (r.pid && !uptr_is_null(arg_ptr(a, 4)) && put_user(arg_ptr(a, 4), &r.rusage) != 0)
		return -EFAULT;
	if (!uptr_is_null(arg_ptr(a, 2))) {
		siginfo_t info;
		/* All of it, also when there is nothing to report: si_pid is then 0. */
		memset(&info, 0, sizeof(info));
		if (r.pid) {
			info.si_signo = SIGCHLD;
			info.si_code = r.code;
			info.si_pid = r.pid;
			info.si_uid = user_ns_uid_show(t->caller.cred->user_ns, r.uid);
			info.si_status = r.value;
		}
		/* As Linux: signo, errno, code and the fields of a child, no byte more. */
		if (copy_out(arg_ptr(a, 2), &info, offsetof(siginfo_t, si_status) + sizeof(int)) !=
		    0)
			return -EFAULT;
	}
	return 0;
}
