/*
 * Calls that need no sentry (design 2.2.3): what a thread may know about itself,
 * and futexes, which belong to the host kernel as guest memory does. A guest
 * that scribbles on its identity lies only to itself.
 */
#include "platform/stub/stub.h"

#define FUTEX_OP_MASK (~(u64)128) /* FUTEX_PRIVATE_FLAG makes no difference to what is allowed */

static bool direct_futex(struct stub_context *ctx, struct host_sigcontext *mc)
{
	u64 op = mc->rsi & 0xffffffff;
	s64 result;
	if (!guest_range(mc->rdi, 4))
		return false;
	switch (op & FUTEX_OP_MASK) {
	case 1: /* FUTEX_WAKE */
		mc->rax = (u64)host3(__NR_futex, mc->rdi, op, mc->rdx);
		return true;
	case 0: /* FUTEX_WAIT */
		if (mc->r10 != 0)
			return false;
		result = stub_futex(ctx, mc->rdi, op, mc->rdx, 0, 0, 0);
		/* Interrupted: the sentry sees a call that returned -EINTR and may restart it. */
		mc->rax = (u64)result;
		return true;
	}
	return false;
}

bool direct_call(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr)
{
	const struct thread_identity *id = &ctx->identity;
	switch (nr) {
	case __NR_getpid:
		mc->rax = (u64)(s64)id->pid;
		break;
	case __NR_gettid:
		mc->rax = (u64)(s64)id->tid;
		break;
	case __NR_getuid:
		mc->rax = id->uid;
		break;
	case __NR_geteuid:
		mc->rax = id->euid;
		break;
	case __NR_getgid:
		mc->rax = id->gid;
		break;
	case __NR_getegid:
		mc->rax = id->egid;
		break;
	case __NR_futex:
		if (!direct_futex(ctx, mc))
			return false;
		break;
	default:
		return false;
	}
	ctx->direct_calls++;
	return true;
}
