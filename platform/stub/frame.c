/*
 * Guest signal frames, in the host's own format (arch/x86/kernel/signal_64.c):
 * the frame by which the trap came is copied to the guest's stack with its
 * XSAVE area, adjusted as the sentry says; a return from a signal handler is
 * the reverse. What comes from a guest's stack is made such that the host's own
 * rt_sigreturn accepts it, as that is how it takes effect.
 */
#include "platform/stub/stub.h"

static struct host_xstate *frame_xstate(const struct host_frame *frame)
{
	return (struct host_xstate *)frame->uc.mc.fpstate;
}

void xstate_reset(struct host_frame *frame)
{
	if (frame_xstate(frame))
		host_xstate_reset(frame_xstate(frame));
}

s64 frame_push(struct stub_context *ctx, struct host_frame *frame)
{
	const struct stub_frame f = ctx->reply.frame;
	struct host_xstate *x = frame_xstate(frame);
	u32 xbytes = x ? host_xstate_bytes(x) : 0;
	u64 fp = (f.sp - xbytes) & ~63UL;
	u64 sp = ((fp - sizeof(struct host_frame)) & ~15UL) - 8;
	struct host_frame out;

	if (f.sp >= GUEST_MAX || sp >= f.sp || f.sp - sp > STUB_STACK_SIZE)
		return -EFAULT;
	registers_load(ctx, &frame->uc.mc, &ctx->reply.regs);
	frame->uc.mc.rax = ctx->reply.rax;
	/* What the call wrote goes first: the handler, and the saved result, must know. */
	if (ctx->reply.segments && !marshal_deliver(ctx, &ctx->reply))
		frame->uc.mc.rax = (u64)-EFAULT;

	out = *frame;
	out.restorer = f.restorer;
	out.uc.link = 0;
	out.uc.stack = f.altstack;
	out.uc.sigmask = f.mask;
	out.uc.mc.oldmask = f.mask;
	out.uc.mc.fpstate = x ? fp : 0;
	out.uc.mc.trapno = f.trapno;
	out.uc.mc.err = f.error_code;
	out.uc.mc.cr2 = f.cr2;
	memcpy(&out.info, f.info, sizeof(out.info));
	if (x && stub_copy((void *)fp, x, xbytes) != xbytes)
		return -EFAULT;
	if (stub_copy((void *)sp, &out, sizeof(out)) != sizeof(out))
		return -EFAULT;

	xstate_reset(frame);
	frame->uc.mc.rdi = (u64)(s64)f.signo;
	frame->uc.mc.rsi = sp + offsetof(struct host_frame, info);
	frame->uc.mc.rdx = sp + offsetof(struct host_frame, uc);
	frame->uc.mc.rax = 0;
	frame->uc.mc.rsp = sp;
	frame->uc.mc.rip = f.handler;
	frame->uc.mc.eflags &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
	registers_save(&ctx->request.regs, &frame->uc.mc, ~0ULL);
	return 0;
}

/*
 * Loads FPU state from an image at guest address `from` of n bytes (legacy area,
 * header and what follows, without the trailing magic) into the host frame.
 */
static s64 xstate_load(struct host_xstate *x, u64 from, u32 n)
{
	const struct host_xstate ours = *x;
	if (stub_copy(x, (void *)from, n) != n) {
		/* Half a state must not become the guest's: it gets none. */
		memcpy(x, &ours, sizeof(ours));
		return -EFAULT;
	}
	host_xstate_adopt(x, &ours, n);
	return 0;
}

static s64 xstate_pop(struct host_frame *frame, u64 from)
{
	struct host_xstate *x = frame_xstate(frame);
	struct host_xstate theirs;
	u32 magic2, size = HOST_FX_SIZE;
	if (!x)
		return 0;
	if (from == 0) {
		xstate_reset(frame);
		return 0;
	}
	if (!guest_range(from, HOST_FX_SIZE) ||
	    stub_copy(&theirs, (void *)from, HOST_FX_SIZE) != HOST_FX_SIZE)
		return -EFAULT;
	if (host_xstate_extended(x, &theirs, from)) {
		if (!guest_range(from, theirs.xstate_size + sizeof(magic2)) ||
		    stub_copy(&magic2, (void *)(from + theirs.xstate_size), sizeof(magic2)) !=
		        sizeof(magic2))
			return -EFAULT;
		if (magic2 == HOST_FP_MAGIC2)
			size = theirs.xstate_size;
	}
	s64 err = xstate_load(x, from, size);
	if (!err)
		host_xstate_trim(x, &theirs, size);
	return err;
}

s64 frame_pop(struct stub_context *ctx, struct host_frame *frame)
{
	struct stub_request *rq = &ctx->request;
	struct host_sigcontext *mc = &frame->uc.mc, *in;
	u64 sp = ctx->reply.regs.rsp - 8;
	struct host_frame got;
	s64 err;
	if (!guest_range(sp, sizeof(got)) ||
	    stub_copy(&got, (void *)sp, offsetof(struct host_frame, info)) !=
	        offsetof(struct host_frame, info))
		return -EFAULT;
	err = xstate_pop(frame, got.uc.mc.fpstate);
	if (err)
		return err;
	in = &got.uc.mc;
	/* Everything but the selectors and what belongs to the host frame itself. */
	in->cs = mc->cs;
	in->gs = mc->gs;
	in->fs = mc->fs;
	in->ss = mc->ss;
	in->err = mc->err;
	in->trapno = mc->trapno;
	in->oldmask = mc->oldmask;
	in->cr2 = mc->cr2;
	in->fpstate = mc->fpstate;
	in->eflags = (in->eflags & SIGRETURN_EFLAGS) | (mc->eflags & ~SIGRETURN_EFLAGS);
	*mc = *in;
	registers_save(&rq->regs, mc, ~0ULL);
	rq->value = got.uc.sigmask;
	rq->altstack = got.uc.stack;
	return 0;
}

s64 xstate_get(struct stub_context *ctx, struct host_frame *frame)
{
	struct host_xstate *x = frame_xstate(frame);
	u32 n = x ? host_xstate_bytes(x) : 0;
	if (n > HOST_FX_SIZE)
		n -= sizeof(u32); /* the trailing magic */
	memcpy(ctx->window, x, n);
	return n;
}

s64 xstate_set(struct stub_context *ctx, struct host_frame *frame, u64 n)
{
	struct host_xstate *x = frame_xstate(frame);
	u32 room = x ? host_xstate_bytes(x) : 0;
	if (!x || n < HOST_FX_SIZE || n > room || (n > HOST_FX_SIZE && n < HOST_FX_SIZE + 64))
		return -EINVAL;
	return xstate_load(x, (u64)ctx->window, (u32)n);
}
