/*
 * prctl(2), arch_prctl(2), personality(2). What does not exist on x86-64, or would be
 * no more than a promise here, is EINVAL, as on a kernel built without it.
 */
#include "sentry/sys_prctl.h"
#include "base/cred.h"
#include "base/uspace.h"
#include "sentry/mm.h"
#include "sentry/seccomp.h"
#include "sentry/syscall.h"
#include <asm/prctl.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#define PR_GET_IO_FLUSHER 58
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

static s64 put_int(struct uptr p, int value)
{
	return put_user(p, &value);
}

static s64 set_pdeathsig(struct task *t, u64 sig)
{
	if (sig > NSIG_MAX)
		return -EINVAL;
	lock_guard(&kernel.tasks_lock);
	t->pdeath_signal = (int)sig;
	return 0;
}

static s64 set_name(struct task *t, struct uptr p)
{
	char name[COMM_LEN];
	/* Cut off, not refused, when too long. */
	ssize_t n = copy_in_str(name, p, sizeof(name));
	if (n == -EFAULT)
		return n;
	name[sizeof(name) - 1] = 0;
	task_set_comm(t, name);
	return 0;
}

static s64 get_auxv(struct task *t, const struct syscall_args *a)
{
	if (arg_u64(a, 3) || arg_u64(a, 4))
		return -EINVAL;
	if (copy_out(arg_ptr(a, 1), t->mm->auxv, min_of(arg_u64(a, 2), (u64)t->mm->auxv_len)) != 0)
		return -EFAULT;
	return t->mm->auxv_len;
}

/* Options about the process and its credentials. */
static s64 prctl_process(struct task *t, int option, const struct syscall_args *a)
{
	u64 v = arg_u64(a, 1);
	switch (option) {
	case PR_GET_DUMPABLE:
		return t->group->dumpable;
	case PR_SET_DUMPABLE:
		if (v > 1)
			return -EINVAL;
		t->group->dumpable = v;
		return 0;
	case PR_SET_CHILD_SUBREAPER: {
		lock_guard(&kernel.tasks_lock);
		t->group->child_subreaper = v != 0;
		return 0;
	}
	case PR_GET_CHILD_SUBREAPER:
		return put_int(arg_ptr(a, 1), t->group->child_subreaper);
	case PR_SET_NO_NEW_PRIVS:
		if (v != 1 || arg_u64(a, 2) || arg_u64(a, 3) || arg_u64(a, 4))
			return -EINVAL;
		t->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		if (v || arg_u64(a, 2) || arg_u64(a, 3) || arg_u64(a, 4))
			return -EINVAL;
		return t->no_new_privs;
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
		return prctl_capbset(t, option == PR_CAPBSET_DROP, v);
	case PR_GET_SECUREBITS:
		return t->caller.cred->securebits;
	case PR_SET_SECUREBITS:
		return prctl_set_securebits(t, v);
	case PR_GET_KEEPCAPS:
		return !!(t->caller.cred->securebits & SECBIT_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		return prctl_set_keepcaps(t, v);
	case PR_CAP_AMBIENT:
		if (arg_u64(a, 3) || arg_u64(a, 4))
			return -EINVAL;
		return prctl_ambient(t, v, arg_u64(a, 2));
	case PR_GET_SECCOMP:
		return seccomp_mode(t);
	case PR_SET_SECCOMP:
		return seccomp_prctl(t, v, arg_ptr(a, 2));
	case PR_SET_MM:
		return task_capable(t, CAP_SYS_RESOURCE) ? -EINVAL : -EPERM;
	case PR_GET_THP_DISABLE:
		if (v || arg_u64(a, 2) || arg_u64(a, 3) || arg_u64(a, 4))
			return -EINVAL;
		return t->group->thp_disable;
	case PR_SET_THP_DISABLE:
		/* Advice about the host's own ways with memory: kept and shown. */
		if (arg_u64(a, 2) || arg_u64(a, 3) || arg_u64(a, 4))
			return -EINVAL;
		t->group->thp_disable = v != 0;
		return 0;
	case PR_GET_IO_FLUSHER:
		if (!task_capable(t, CAP_SYS_RESOURCE))
			return -EPERM;
		return v || arg_u64(a, 2) || arg_u64(a, 3) || arg_u64(a, 4) ? -EINVAL : 0;
	case PR_SET_IO_FLUSHER:
		return task_capable(t, CAP_SYS_RESOURCE) ? -EINVAL : -EPERM;
	case PR_GET_AUXV:
		return get_auxv(t, a);
	}
	return -EINVAL;
}

/* Options about the calling thread alone. */
static s64 prctl_thread(struct task *t, int option, const struct syscall_args *a)
{
	u64 v = arg_u64(a, 1);
	char comm[COMM_LEN];
	switch (option) {
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(t, v);
	case PR_GET_PDEATHSIG:
		return put_int(arg_ptr(a, 1), t->pdeath_signal);
	case PR_SET_NAME:
		return set_name(t, arg_ptr(a, 1));
	case PR_GET_NAME:
		task_comm(t, comm);
		return copy_out(arg_ptr(a, 1), comm, sizeof(comm));
	case PR_SET_TIMERSLACK:
		t->timer_slack = (s64)v > 0 ? v : t->default_timer_slack;
		return 0;
	case PR_GET_TIMERSLACK:
		return (s64)min_of(t->timer_slack, (u64)INT32_MAX);
	case PR_GET_TID_ADDRESS:
		return put_user(arg_ptr(a, 1), &t->clear_child_tid.addr);
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return v == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_TSC:
		return put_int(arg_ptr(a, 1), PR_TSC_ENABLE);
	case PR_SET_TSC:
		return v == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
		/* Of the caller's own events, of which there are none. */
		return 0;
	case PR_MCE_KILL_GET:
		if (v || arg_u64(a, 2) || arg_u64(a, 3) || arg_u64(a, 4))
			return -EINVAL;
		return PR_MCE_KILL_DEFAULT;
	}
	return -EINVAL;
}

s64 sys_prctl(struct task *t, const struct syscall_args *a)
{
	int option = arg_int(a, 0);
	s64 result = prctl_thread(t, option, a);
	return result == -EINVAL ? prctl_process(t, option, a) : result;
}

static s64 set_base(struct task *t, bool fs, u64 base)
{
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	/* Beyond it segment bases are the kernel's. */
	if (base >= USER_END)
		return -EPERM;
	if (fs)
		regs->fs_base = base;
	else
		regs->gs_base = base;
	platform_thread_regs_changed(t->thread);
	return 0;
}

s64 sys_arch_prctl(struct task *t, const struct syscall_args *a)
{
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	u64 base;
	switch (arg_int(a, 0)) {
	case ARCH_SET_FS:
		return set_base(t, true, arg_u64(a, 1));
	case ARCH_SET_GS:
		return set_base(t, false, arg_u64(a, 1));
	case ARCH_GET_FS:
		base = regs->fs_base;
		return put_user(arg_ptr(a, 1), &base);
	case ARCH_GET_GS:
		base = regs->gs_base;
		return put_user(arg_ptr(a, 1), &base);
	case ARCH_GET_CPUID:
		return 1;
	case ARCH_SET_CPUID:
		/* No faulting to be had (arch_prctl(2)). */
		return -ENODEV;
	}
	return -EINVAL;
}

s64 sys_personality(struct task *t, const struct syscall_args *a)
{
	u32 old = t->group->personality;
	if (arg_u32(a, 0) != 0xffffffff) {
		t->group->personality = arg_u32(a, 0);
		task_update_identity(t);
	}
	return old;
}
