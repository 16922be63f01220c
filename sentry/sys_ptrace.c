/*
 * ptrace(2): the requests. Arguments are copied in and results out by the tracer;
 * what lies between is done by the tracee's fiber (ptrace_ask).
 */
#include "base/fiber.h"
#include "base/uspace.h"
#include "sentry/ptrace_internal.h"
#include "sentry/signal_internal.h"
#include "sentry/syscall.h"
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define OLD_SETOPTIONS  21
#define SYSEMU_         31
#define SYSEMU_STEP     32
#define SIGINFO_AT_ONCE 64 /* entries of a queue copied in one call of the tracee's */

/* ---- asking the tracee -------------------------------------------------------- */

static bool is_mine_locked(const struct task *t, const struct task *tracee)
{
	return tracee->trace.tracer == t;
}

/* Stopped, for its tracer to see, and not on its way to its end. */
static bool is_frozen_locked(const struct task *t, const struct task *tracee)
{
	return is_mine_locked(t, tracee) && tracee->trace.stopped && !tracee->trace.listening &&
	       !tracee->killed;
}

static bool is_mine(const struct task *t, const struct task *tracee)
{
	lock_guard(&tracee->group->siglock);
	return is_mine_locked(t, tracee);
}

s64 ptrace_ask(struct task *t, struct task *tracee, struct ptrace_call *c)
{
	struct lock *siglock = &tracee->group->siglock;
	bool done;

	c->tracer = t->fiber;
	c->done = false;
	{
		lock_guard(siglock);
		/* Only one of t's own calls can be under way: t waits for it. */
		if (!is_frozen_locked(t, tracee))
			return -ESRCH;
		tracee->trace.call = c;
		fiber_unpark(tracee->fiber);
	}
	for (;;) {
		lock_acquire(siglock);
		done = c->done;
		lock_release(siglock);
		if (done)
			return c->result;
		fiber_park();
	}
}

/* ---- going on -------------------------------------------------------------------- */

static s64 resume(struct task *t, struct task *tracee, u64 request, u64 sig)
{
	struct tracee *tr = &tracee->trace;

	lock_guard(&tracee->group->siglock);
	if (!is_frozen_locked(t, tracee))
		return -ESRCH;
	if (sig > NSIG_MAX)
		return -EIO;
	tr->calls = request == PTRACE_SYSCALL;
	tr->emulate = request == SYSEMU_ || request == SYSEMU_STEP;
	tr->step = request == PTRACE_SINGLESTEP || request == SYSEMU_STEP;
	tr->code = (int)sig;
	ptrace_wake_locked(tracee);
	return 0;
}

static s64 interrupt(struct task *t, struct task *tracee)
{
	struct tracee *tr = &tracee->trace;

	lock_guard(&tracee->group->siglock);
	if (!is_mine_locked(t, tracee))
		return -ESRCH;
	if (!(tr->flags & PTRACE_SEIZED))
		return -EIO;
	if (tracee->killed || tracee->exiting)
		return 0;
	tr->trap_stop = true;
	if (tr->listening)
		ptrace_wake_locked(tracee);
	signal_wake_locked(tracee);
	return 0;
}

/* The tracee stays in its group's stop, and can be woken by news of it alone. */
static s64 listen_to(struct task *t, struct task *tracee)
{
	struct tracee *tr = &tracee->trace;

	lock_guard(&tracee->group->siglock);
	if (!is_frozen_locked(t, tracee))
		return -ESRCH;
	if (!(tr->flags & PTRACE_SEIZED) || !tr->info ||
	    tr->info->si_code >> 8 != PTRACE_EVENT_STOP)
		return -EIO;
	tr->listening = true;
	if (tr->trap_notify)
		ptrace_wake_locked(tracee);
	return 0;
}

static s64 kill_tracee(struct task *t, struct task *tracee)
{
	siginfo_t info = {.si_signo = SIGKILL, .si_code = SI_USER};

	if (!is_mine(t, tracee))
		return -ESRCH;
	signal_info_from(t, SIGKILL, SI_USER, &info);
	(void)signal_send_task(tracee, &info);
	return 0;
}

/* ---- what is copied out and in ----------------------------------------------------- */

/* A word of memory or of struct user: libc's wrapper hands it to the program as the result. */
static s64 peek(struct task *t, struct task *tracee, s64 (*fn)(struct task *, struct ptrace_call *),
                u64 addr, struct uptr to)
{
	u64 word = 0;
	struct ptrace_call c = {.fn = fn, .addr = addr, .buf = &word, .n = sizeof(word)};
	s64 err = ptrace_ask(t, tracee, &c);

	return err ? err : put_user(to, &word);
}

static s64 poke(struct task *t, struct task *tracee, s64 (*fn)(struct task *, struct ptrace_call *),
                u64 addr, u64 word)
{
	struct ptrace_call c = {
	    .fn = fn, .addr = addr, .data = word, .buf = &word, .n = sizeof(word)};

	return ptrace_ask(t, tracee, &c);
}

static s64 get_block(struct task *t, struct task *tracee,
                     s64 (*fn)(struct task *, struct ptrace_call *), size_t n, struct uptr to,
                     size_t wanted)
{
	struct ptrace_call c = {.fn = fn, .buf = calloc(1, n), .n = n};
	s64 err = c.buf ? ptrace_ask(t, tracee, &c) : -ENOMEM;

	if (!err)
		err = copy_out(to, c.buf, wanted);
	free(c.buf);
	return err;
}

static s64 set_block(struct task *t, struct task *tracee,
                     s64 (*fn)(struct task *, struct ptrace_call *), struct uptr from, size_t n)
{
	struct ptrace_call c = {.fn = fn, .buf = malloc(n ? n : 1), .n = n};
	s64 err = c.buf ? copy_in(c.buf, from, n) : -ENOMEM;

	if (!err)
		err = ptrace_ask(t, tracee, &c);
	free(c.buf);
	return err;
}

struct regset {
	u64 type;
	size_t size, unit; /* size 0: the machine's XSAVE image */
	s64 (*get)(struct task *, struct ptrace_call *);
	s64 (*set)(struct task *, struct ptrace_call *);
};
static const struct regset regsets[] = {
    {NT_PRSTATUS, sizeof(struct user_regs_struct), 8, ptrace_get_regs, ptrace_set_regs},
    {NT_FPREGSET, sizeof(struct user_fpregs_struct), 8, ptrace_get_fpregs, ptrace_set_fpregs},
    {NT_X86_XSTATE, 0, 8, ptrace_get_xstate, ptrace_set_xstate},
};

static s64 regset(struct task *t, struct task *tracee, bool set, u64 type, struct uptr arg)
{
	const struct regset *r = NULL;
	struct iovec iov;
	size_t size;
	s64 err;

	if (get_user(&iov, arg))
		return -EFAULT;
	for (size_t i = 0; i < array_size(regsets); i++)
		if (regsets[i].type == type)
			r = &regsets[i];
	if (!r || iov.iov_len % r->unit)
		return -EINVAL;
	size = r->size ? r->size : platform_xstate_size();
	iov.iov_len = min_of(iov.iov_len, size);
	if (set)
		err = set_block(t, tracee, r->set, uptr_make((u64)iov.iov_base), iov.iov_len);
	else
		err = get_block(t, tracee, r->get, size, uptr_make((u64)iov.iov_base), iov.iov_len);
	return err ? err : put_user(uptr_add(arg, offsetof(struct iovec, iov_len)), &iov.iov_len);
}

/* ---- signals ------------------------------------------------------------------------- */

static s64 get_info(struct task *tracee, struct ptrace_call *c)
{
	lock_guard(&tracee->group->siglock);
	if (!tracee->trace.info)
		return -EINVAL;
	memcpy(c->buf, tracee->trace.info, sizeof(siginfo_t));
	return 0;
}

static s64 set_info(struct task *tracee, struct ptrace_call *c)
{
	lock_guard(&tracee->group->siglock);
	if (!tracee->trace.info)
		return -EINVAL;
	memcpy(tracee->trace.info, c->buf, sizeof(siginfo_t));
	return 0;
}

static s64 get_mask(struct task *tracee, struct ptrace_call *c)
{
	lock_guard(&tracee->group->siglock);
	*(u64 *)c->buf = tracee->restore_mask ? tracee->saved_mask : tracee->blocked;
	return 0;
}

static s64 set_mask(struct task *tracee, struct ptrace_call *c)
{
	lock_guard(&tracee->group->siglock);
	tracee->blocked = *(u64 *)c->buf & ~SIG_KERNEL_ONLY;
	tracee->restore_mask = false;
	return 0;
}

/* Entries from the addr-th on of a queue; data: of the group's. The result: how many. */
static s64 peek_queue(struct task *tracee, struct ptrace_call *c)
{
	struct sigqueue_list *l = c->data ? &tracee->group->pending : &tracee->pending;
	siginfo_t *out = c->buf;
	struct sigqueue_entry *e;
	u64 index = 0, n = 0;

	lock_guard(&tracee->group->siglock);
	TAILQ_FOREACH (e, &l->queue, link) {
		if (index++ < c->addr)
			continue;
		if (n == c->n)
			break;
		out[n++] = e->info;
	}
	return (s64)n;
}

static s64 peek_infos(struct task *t, struct task *tracee, struct uptr args, struct uptr to)
{
	struct {
		u64 off;
		u32 flags;
		s32 nr;
	} a;
	siginfo_t *infos;
	s64 done = 0, got = 0;

	if (get_user(&a, args))
		return -EFAULT;
	if ((a.flags & ~(u32)PTRACE_PEEKSIGINFO_SHARED) || a.nr < 0)
		return -EINVAL;
	infos = malloc(SIGINFO_AT_ONCE * sizeof(*infos));
	if (!infos)
		return -ENOMEM;
	while (done < a.nr) {
		struct ptrace_call c = {.fn = peek_queue,
		                        .addr = a.off + (u64)done,
		                        .data = a.flags & PTRACE_PEEKSIGINFO_SHARED,
		                        .buf = infos,
		                        .n = min_of(a.nr - done, (s64)SIGINFO_AT_ONCE)};
		got = ptrace_ask(t, tracee, &c);
		if (got <= 0)
			break;
		if (copy_out(uptr_add(to, (u64)done * sizeof(*infos)), infos,
		             (size_t)got * sizeof(*infos))) {
			got = -EFAULT;
			break;
		}
		done += got;
	}
	free(infos);
	return done ? done : got;
}

/* ---- options and messages -------------------------------------------------------------- */

static s64 set_options(struct task *t, struct task *tracee, u64 options)
{
	lock_guard(&tracee->group->siglock);
	if (!is_frozen_locked(t, tracee))
		return -ESRCH;
	if (options & ~(u64)PTRACE_OPTIONS)
		return -EINVAL;
	tracee->trace.options = (u32)options;
	return 0;
}

static s64 event_message(struct task *tracee, struct ptrace_call *c)
{
	*(u64 *)c->buf = tracee->trace.message;
	return 0;
}

/* struct ptrace_syscall_info, and how much of it is meant. */
struct call_info {
	u8 op, pad[3];
	u32 arch;
	u64 ip, sp;
	union {
		struct {
			u64 nr, args[6];
		} entry;
		struct {
			s64 rval;
			u8 is_error;
		} exit;
		struct {
			u64 nr, args[6];
			u32 ret_data;
		} seccomp;
	};
};

static void fill_args(u64 *nr, u64 *args, const struct user_regs_struct *r)
{
	*nr = r->orig_rax;
	args[0] = r->rdi;
	args[1] = r->rsi;
	args[2] = r->rdx;
	args[3] = r->r10;
	args[4] = r->r8;
	args[5] = r->r9;
}

static s64 call_info(struct task *tracee, struct ptrace_call *c)
{
	const struct tracee *tr = &tracee->trace;
	const struct user_regs_struct *r;
	struct call_info *ci = c->buf;
	int code = tr->info ? tr->info->si_code : 0;

	if (!tracee->thread)
		return -ESRCH;
	r = platform_thread_regs(tracee->thread);
	*ci = (struct call_info){.arch = AUDIT_ARCH_X86_64, .ip = r->rip, .sp = r->rsp};
	if (code == (SIGTRAP | 0x80) && tr->message == PTRACE_MESSAGE_ENTRY) {
		ci->op = PTRACE_SYSCALL_INFO_ENTRY;
		fill_args(&ci->entry.nr, ci->entry.args, r);
		return offsetof(struct call_info, entry) + sizeof(ci->entry);
	}
	if (code == (SIGTRAP | 0x80) && tr->message == PTRACE_MESSAGE_EXIT) {
		ci->op = PTRACE_SYSCALL_INFO_EXIT;
		ci->exit.rval = (s64)r->rax;
		ci->exit.is_error = ci->exit.rval < 0 && ci->exit.rval >= -4095;
		return offsetof(struct call_info, exit.is_error) + sizeof(ci->exit.is_error);
	}
	if (code == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
		ci->op = PTRACE_SYSCALL_INFO_SECCOMP;
		fill_args(&ci->seccomp.nr, ci->seccomp.args, r);
		ci->seccomp.ret_data = (u32)tr->message;
		return offsetof(struct call_info, seccomp.ret_data) + sizeof(ci->seccomp.ret_data);
	}
	return offsetof(struct call_info, entry);
}

static s64 get_call_info(struct task *t, struct task *tracee, u64 size, struct uptr to)
{
	struct call_info ci;
	struct ptrace_call c = {.fn = call_info, .buf = &ci};
	s64 n = ptrace_ask(t, tracee, &c);

	if (n > 0 && copy_out(to, &ci, min_of((u64)n, size)))
		return -EFAULT;
	return n;
}

/* ---- the call --------------------------------------------------------------------------- */

/* What needs a stopped tracee and moves data. */
static s64 request_data(struct task *t, struct task *tracee, u64 request, u64 addr, u64 data)
{
	const size_t regs = sizeof(struct user_regs_struct), fp = sizeof(struct user_fpregs_struct);
	struct uptr p = uptr_make(data);

	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(t, tracee, ptrace_peek, addr, p);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return poke(t, tracee, ptrace_poke, addr, data);
	case PTRACE_PEEKUSER:
		return peek(t, tracee, ptrace_peek_user, addr, p);
	case PTRACE_POKEUSER:
		return poke(t, tracee, ptrace_poke_user, addr, data);
	case PTRACE_GETREGS:
		return get_block(t, tracee, ptrace_get_regs, regs, p, regs);
	case PTRACE_SETREGS:
		return set_block(t, tracee, ptrace_set_regs, p, regs);
	case PTRACE_GETFPREGS:
		return get_block(t, tracee, ptrace_get_fpregs, fp, p, fp);
	case PTRACE_SETFPREGS:
		return set_block(t, tracee, ptrace_set_fpregs, p, fp);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return regset(t, tracee, request == PTRACE_SETREGSET, addr, p);
	case PTRACE_GETSIGINFO:
		return get_block(t, tracee, get_info, sizeof(siginfo_t), p, sizeof(siginfo_t));
	case PTRACE_SETSIGINFO:
		return set_block(t, tracee, set_info, p, sizeof(siginfo_t));
	case PTRACE_PEEKSIGINFO:
		return peek_infos(t, tracee, uptr_make(addr), p);
	case PTRACE_GETSIGMASK:
		return addr != 8 ? -EINVAL : get_block(t, tracee, get_mask, 8, p, 8);
	case PTRACE_SETSIGMASK:
		return addr != 8 ? -EINVAL : set_block(t, tracee, set_mask, p, 8);
	case PTRACE_GETEVENTMSG:
		return get_block(t, tracee, event_message, 8, p, 8);
	case PTRACE_GET_SYSCALL_INFO:
		return get_call_info(t, tracee, addr, p);
	}
	return -EIO;
}

static bool is_frozen(struct task *t, struct task *tracee)
{
	lock_guard(&tracee->group->siglock);
	return is_frozen_locked(t, tracee);
}

static s64 request_of(struct task *t, struct task *tracee, u64 request, u64 addr, u64 data)
{
	switch (request) {
	case PTRACE_ATTACH:
	case PTRACE_SEIZE:
		return ptrace_attach(t, tracee, request == PTRACE_SEIZE, addr, data);
	case PTRACE_KILL:
		return kill_tracee(t, tracee);
	case PTRACE_INTERRUPT:
		return interrupt(t, tracee);
	}
	/* Before any argument is looked at. */
	if (!is_frozen(t, tracee))
		return -ESRCH;
	switch (request) {
	case PTRACE_CONT:
	case PTRACE_SYSCALL:
	case PTRACE_SINGLESTEP:
	case SYSEMU_:
	case SYSEMU_STEP:
		return resume(t, tracee, request, data);
	case PTRACE_DETACH:
		return data > NSIG_MAX ? -EIO : ptrace_detach(t, tracee, (int)data);
	case PTRACE_LISTEN:
		return listen_to(t, tracee);
	case OLD_SETOPTIONS:
	case PTRACE_SETOPTIONS:
		return set_options(t, tracee, data);
	}
	return request_data(t, tracee, request, addr, data);
}

s64 sys_ptrace(struct task *t, const struct syscall_args *a)
{
	u64 request = arg_u64(a, 0);
	struct task *tracee;
	s64 result;

	if (request == PTRACE_TRACEME)
		return ptrace_traceme(t);
	tracee = task_find(arg_int(a, 1));
	if (!tracee)
		return -ESRCH;
	result = request_of(t, tracee, request, arg_u64(a, 2), arg_u64(a, 3));
	task_put(tracee);
	return result;
}
