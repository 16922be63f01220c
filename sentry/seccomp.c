/*
 * seccomp for guests (seccomp(2)).
 *
 * A filter is a chain: each task's newest program points to the older ones, which
 * it shares with whoever inherited them. On each call all of them run, newest
 * first, and the most restrictive answer wins (kernel/seccomp.c
 * seccomp_run_filters). The programs are classic BPF, checked once when installed
 * and then interpreted (bpf.c).
 */
#include "sentry/seccomp.h"
#include "base/cred.h"
#include "base/ref.h"
#include "base/uspace.h"
#include "sentry/bpf.h"
#include "sentry/signal_internal.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

/* MAX_INSNS_PER_PATH: of all programs of a chain, four for the cost of each. */
#define CHAIN_MAX 32768
#define MAX_ERRNO 4095

struct seccomp_filter {
	struct ref ref;
	struct seccomp_filter *older; /* held, or NULL */
	bool strict;                  /* SECCOMP_MODE_STRICT: no program */
	u16 len;
	struct sock_filter insn[];
};

struct seccomp_filter *seccomp_filter_get(struct seccomp_filter *f)
{
	if (f)
		ref_get(&f->ref);
	return f;
}

void seccomp_filter_put(struct seccomp_filter *f)
{
	/* A loop, as a chain may be long. */
	while (f && ref_put(&f->ref)) {
		struct seccomp_filter *older = f->older;
		free(f);
		f = older;
	}
}

int seccomp_mode(const struct task *t)
{
	if (!t->seccomp)
		return SECCOMP_MODE_DISABLED;
	return t->seccomp->strict ? SECCOMP_MODE_STRICT : SECCOMP_MODE_FILTER;
}

u32 seccomp_filter_count(const struct task *t)
{
	u32 n = 0;
	for (const struct seccomp_filter *f = t->seccomp; f; f = f->older)
		n += !f->strict;
	return n;
}

/* ---- running ---------------------------------------------------------------- */

static u32 run_chain(const struct seccomp_filter *f, const struct seccomp_data *data)
{
	u32 result = SECCOMP_RET_ALLOW;
	for (; f; f = f->older) {
		u32 r = bpf_run(f->insn, (const u8 *)data);
		/* As signed numbers actions are ordered by severity: KILL_PROCESS is negative. */
		if ((s32)(r & SECCOMP_RET_ACTION_FULL) < (s32)(result & SECCOMP_RET_ACTION_FULL))
			result = r;
	}
	return result;
}

/* SIGSYS about this call; its registers are shown as they were before it. */
static void send_sigsys(struct task *t, int data, bool fatal)
{
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	siginfo_t info = {.si_signo = SIGSYS, .si_code = 1 /* SYS_SECCOMP */, .si_errno = data};
	info.si_call_addr = (void *)regs->rip;
	info.si_syscall = (int)regs->orig_rax;
	info.si_arch = AUDIT_ARCH_X86_64;
	regs->rax = regs->orig_rax;
	if (fatal)
		group_exit_start(t->group, SIGSYS);
	else
		signal_force(t, &info);
	/* Not a call that could be restarted any more. */
	regs->orig_rax = ~0ULL;
	platform_thread_regs_changed(t->thread);
}

static void end_thread(struct task *t, int sig)
{
	lock_guard(&t->group->siglock);
	t->exit_code = sig;
	t->killed = true;
	signal_recalc_locked(t);
}

static bool strict_allows(struct task *t, u64 nr)
{
	switch (nr) {
	case SYS_read:
	case SYS_write:
	case SYS_exit:
	case SYS_rt_sigreturn:
		return true;
	}
	end_thread(t, SIGKILL);
	return false;
}

static bool filters_allow(struct task *t, bool asked);

/* The tracer may change the call, which is then judged once more, or take its place. */
static bool tracer_allows(struct task *t, u32 value)
{
	if (!ptrace_event_enabled(t, PTRACE_EVENT_SECCOMP)) {
		platform_thread_regs(t->thread)->rax = (u64)-ENOSYS;
		return false;
	}
	ptrace_event(t, PTRACE_EVENT_SECCOMP, value);
	if (t->killed || (s32)platform_thread_regs(t->thread)->orig_rax == -1)
		return false;
	return filters_allow(t, true);
}

bool seccomp_allows(struct task *t)
{
	return filters_allow(t, false);
}

/* asked: a tracer has had its say about this call. */
static bool filters_allow(struct task *t, bool asked)
{
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	struct seccomp_data data = {
	    .nr = (int)regs->orig_rax,
	    .arch = AUDIT_ARCH_X86_64,
	    .instruction_pointer = regs->rip,
	    .args = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
	};
	if (t->seccomp->strict)
		return strict_allows(t, regs->orig_rax);
	u32 result = run_chain(t->seccomp, &data);
	u32 value = result & SECCOMP_RET_DATA;
	switch (result & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return true;
	case SECCOMP_RET_ERRNO:
		regs->rax = (u64) - (s64)min_of(value, (u32)MAX_ERRNO);
		return false;
	case SECCOMP_RET_TRAP:
		send_sigsys(t, (int)value, false);
		return false;
	case SECCOMP_RET_TRACE:
		return asked || tracer_allows(t, value);
	case SECCOMP_RET_USER_NOTIF:
		/* Nobody listens: as if there were no such call. */
		regs->rax = (u64)-ENOSYS;
		return false;
	case SECCOMP_RET_KILL_THREAD: {
		lock_acquire(&t->group->siglock);
		bool alone = t->group->nlive == 1;
		lock_release(&t->group->siglock);
		if (!alone) {
			end_thread(t, SIGSYS);
			return false;
		}
		break;
	}
	}
	send_sigsys(t, (int)value, true);
	return false;
}

/* ---- installing --------------------------------------------------------------- */

static int set_strict(struct task *t)
{
	struct seccomp_filter *f;
	if (t->seccomp)
		return t->seccomp->strict ? 0 : -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	ref_init(&f->ref);
	f->strict = true;
	t->seccomp = f;
	task_update_identity(t);
	return 0;
}

static int copy_program(struct uptr p, struct seccomp_filter **out)
{
	struct {
		u16 len;
		u8 pad[6];
		u64 filter;
	} prog;
	struct seccomp_filter *f;
	int err;
	if (get_user(&prog, p) != 0)
		return -EFAULT;
	if (prog.len == 0 || prog.len > BPF_MAXINSNS)
		return -EINVAL;
	f = calloc(1, sizeof(*f) + prog.len * sizeof(f->insn[0]));
	if (!f)
		return -ENOMEM;
	ref_init(&f->ref);
	f->len = prog.len;
	err = copy_in(f->insn, uptr_make(prog.filter), prog.len * sizeof(f->insn[0]));
	if (!err)
		err = bpf_check(f->insn, f->len, sizeof(struct seccomp_data));
	if (err) {
		free(f);
		return err;
	}
	*out = f;
	return 0;
}

static bool is_ancestor(const struct seccomp_filter *old, const struct seccomp_filter *f)
{
	for (; f; f = f->older)
		if (f == old)
			return true;
	return old == NULL;
}

/*
 * SECCOMP_FILTER_FLAG_TSYNC: all threads get the caller's filters, if theirs
 * are ancestors of them. Other threads pick theirs up at their next look (do_work):
 * none is inside the call that a filter may forbid but has not been checked.
 * Returns the tid of a thread that stands in the way.
 */
static s32 sync_threads(struct task *t, struct seccomp_filter *fresh, struct seccomp_filter *before)
{
	struct thread_group *g = t->group;
	struct task *i;
	lock_guard(&g->siglock);
	TAILQ_FOREACH (i, &g->threads, thread_link) {
		const struct seccomp_filter *theirs =
		    i->seccomp_next ? i->seccomp_next : i->seccomp;
		if (i != t && !i->exiting &&
		    (!is_ancestor(theirs, before) || (theirs && theirs->strict)))
			return i->own_tid;
	}
	TAILQ_FOREACH (i, &g->threads, thread_link) {
		if (i == t || i->exiting)
			continue;
		seccomp_filter_put(i->seccomp_next);
		i->seccomp_next = seccomp_filter_get(fresh);
		i->no_new_privs_next = t->no_new_privs;
		atomic_fetch_or(&i->works, TASK_WORK_SECCOMP);
		if (i->thread)
			platform_thread_interrupt(i->thread);
	}
	return 0;
}

void seccomp_adopt(struct task *t)
{
	struct seccomp_filter *old = NULL;
	{
		lock_guard(&t->group->siglock);
		if (!t->seccomp_next)
			return;
		old = t->seccomp;
		t->seccomp = t->seccomp_next;
		t->seccomp_next = NULL;
		t->no_new_privs |= t->no_new_privs_next;
	}
	seccomp_filter_put(old);
	task_update_identity(t);
}

static s64 set_filter(struct task *t, u64 flags, struct uptr p)
{
	struct seccomp_filter *f, *before = t->seccomp;
	u32 total = 0;
	int err;
	if (flags & ~(u64)(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
	                   SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
		return -EINVAL;
	err = copy_program(p, &f);
	if (err)
		return err;
	/* Else a set-user-ID program could be made to run with calls that lie to it. */
	if (!t->no_new_privs && !cred_has_own_cap(t->caller.cred, CAP_SYS_ADMIN)) {
		free(f);
		return -EACCES;
	}
	for (const struct seccomp_filter *i = before; i; i = i->older)
		total += i->len + 4U;
	if (total + f->len > CHAIN_MAX || (before && before->strict)) {
		free(f);
		return before && before->strict ? -EINVAL : -ENOMEM;
	}
	f->older = before; /* the task's reference becomes the chain's */
	if (flags & SECCOMP_FILTER_FLAG_TSYNC) {
		s32 tid = sync_threads(t, f, before);
		if (tid) {
			free(f);
			return flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : tid;
		}
	}
	t->seccomp = f;
	task_update_identity(t);
	return 0;
}

static s64 action_available(struct uptr p)
{
	u32 action;
	if (get_user(&action, p) != 0)
		return -EFAULT;
	switch (action) {
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ALLOW:
		return 0;
	}
	return -EOPNOTSUPP;
}

s64 sys_seccomp(struct task *t, const struct syscall_args *a)
{
	switch (arg_u32(a, 0)) {
	case SECCOMP_SET_MODE_STRICT:
		if (arg_u64(a, 1) || arg_u64(a, 2))
			return -EINVAL;
		return set_strict(t);
	case SECCOMP_SET_MODE_FILTER:
		return set_filter(t, arg_u64(a, 1), arg_ptr(a, 2));
	case SECCOMP_GET_ACTION_AVAIL:
		if (arg_u64(a, 1))
			return -EINVAL;
		return action_available(arg_ptr(a, 2));
	}
	return -EINVAL;
}

s64 seccomp_prctl(struct task *t, u64 mode, struct uptr filter)
{
	if (mode == SECCOMP_MODE_STRICT)
		return set_strict(t);
	if (mode == SECCOMP_MODE_FILTER)
		return set_filter(t, 0, filter);
	return -EINVAL;
}
