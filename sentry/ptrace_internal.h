/* Between the files of sentry/ that make up ptrace(2). */
#pragma once
#include "sentry/ptrace.h"
#include "sentry/task.h"

/*
 * A request that the tracee's fiber carries out while it is stopped. On the
 * tracer's stack, which waits for it.
 */
struct ptrace_call {
	s64 (*fn)(struct task *tracee, struct ptrace_call *c);
	u64 addr, data;
	void *buf; /* sentry memory, in or out */
	size_t n;
	s64 result; /* -ESRCH: it has died meanwhile */
	struct fiber *tracer;
	bool done; /* tracee's siglock */
};
/* -ESRCH: t does not trace it, or it is not stopped for it. */
s64 ptrace_ask(struct task *t, struct task *tracee, struct ptrace_call *c);
/* Both siglock held. The tracee goes on. */
void ptrace_wake_locked(struct task *tracee);

/* ptrace_link.c */
must_check int ptrace_traceme(struct task *t);
must_check int ptrace_attach(struct task *t, struct task *tracee, bool seize, u64 addr,
                             u64 options);
/* t lets go of its tracee, which goes on with signal sig. siglock not held. */
must_check int ptrace_detach(struct task *t, struct task *tracee, int sig);

/* Messages of the stops at calls: include/uapi/linux/ptrace.h PTRACE_EVENTMSG_SYSCALL_*. */
#define PTRACE_MESSAGE_ENTRY 1
#define PTRACE_MESSAGE_EXIT  2

#define PTRACE_OPTIONS 0x1000ff /* PTRACE_O_*, without SUSPEND_SECCOMP */

/* Bodies of struct ptrace_call: ptrace_memory.c */
s64 ptrace_peek(struct task *tracee, struct ptrace_call *c); /* n bytes at addr to buf; -EIO */
s64 ptrace_poke(struct task *tracee, struct ptrace_call *c);
/* ptrace_regs.c; user: a word of struct user at addr. -EIO, -ENOSPC */
s64 ptrace_peek_user(struct task *tracee, struct ptrace_call *c);
s64 ptrace_poke_user(struct task *tracee, struct ptrace_call *c);
s64 ptrace_get_regs(struct task *tracee, struct ptrace_call *c); /* struct user_regs_struct */
s64 ptrace_set_regs(struct task *tracee, struct ptrace_call *c); /* the first n bytes of one */
s64 ptrace_get_fpregs(struct task *tracee, struct ptrace_call *c);
s64 ptrace_set_fpregs(struct task *tracee, struct ptrace_call *c);
s64 ptrace_get_xstate(struct task *tracee, struct ptrace_call *c); /* n: platform_xstate_size() */
s64 ptrace_set_xstate(struct task *tracee, struct ptrace_call *c);
