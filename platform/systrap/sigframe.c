/*
 * Guest signal frames and FPU state: the sentry says what a frame holds, the
 * stub, which has the host's frame at hand, builds and reads it
 * (platform/stub/frame.c).
 */
#include "platform/systrap/systrap.h"
#include <errno.h>
#include <string.h>

int sigframe_push(struct platform_thread *pt, const struct signal_frame *f)
{
	struct systrap_thread *t = systrap_thread(pt);
	struct stub_frame *out = &t->ctx->reply.frame;
	s64 result;
	/* A frame must name the guest's own code. */
	patch_event(t);
	/* Queued operations share the reply's room with the frame, and belong before it. */
	if (pt->ops) {
		result = thread_sync(pt);
		if (result < 0 && result >= -4095)
			return (int)result;
	}
	*out = (struct stub_frame){.signo = f->signo,
	                           .handler = f->handler,
	                           .restorer = f->restorer,
	                           .sp = f->sp,
	                           .mask = f->mask,
	                           .trapno = f->trapno,
	                           .error_code = f->error_code,
	                           .cr2 = f->cr2,
	                           .altstack = f->altstack};
	_Static_assert(sizeof(out->info) == sizeof(f->info), "siginfo_t is 128 bytes");
	memcpy(out->info, &f->info, sizeof(out->info));
	reply_registers(t);
	guestmem_reply(t);
	result = exchange_verb(t, VERB_FRAME_PUSH);
	t->outs = 0;
	if (result == -ESRCH)
		return 0; /* the next run reports the death */
	if (result != 0)
		return -EFAULT;
	request_registers(t);
	/* The stub has put them where the guest will find them. */
	pt->regs_changed = pt->reset_fpu = false;
	return 0;
}

int sigframe_pop(struct platform_thread *pt, u64 *mask, stack_t *altstack)
{
	struct systrap_thread *t = systrap_thread(pt);
	s64 result;
	u64 rip;
	guestmem_flush(t);
	reply_registers(t);
	result = exchange_verb(t, VERB_FRAME_POP);
	if (result != 0)
		return -EFAULT;
	request_registers(t);
	*mask = t->ctx->request.value;
	*altstack = t->ctx->request.altstack;
	pt->regs_changed = pt->reset_fpu = false;
	/*
	 * A frame names the guest's own code. Where the signal came in a call by a rewritten site,
	 * to go on there as it says would be a fault in the middle of the jump, and another trap.
	 */
	rip = pt->regs.rip;
	patch_enter(t);
	pt->regs_changed = pt->regs.rip != rip;
	return 0;
}

int xstate_get(struct platform_thread *pt, void *buf, size_t n)
{
	struct systrap_thread *t = systrap_thread(pt);
	s64 got;
	/* The image takes the start of the window. */
	guestmem_flush(t);
	t->ins = 0;
	got = exchange_verb(t, VERB_XSTATE_GET);
	if (got <= 0 || got > STUB_WINDOW_SIZE)
		return got == -ESRCH ? -ESRCH : -EIO;
	memset(buf, 0, n);
	memcpy(buf, t->ctx->window, min_of(n, (size_t)got));
	return 0;
}

int xstate_set(struct platform_thread *pt, const void *buf, size_t n)
{
	struct systrap_thread *t = systrap_thread(pt);
	s64 result;
	if (n > STUB_WINDOW_SIZE)
		return -EINVAL;
	guestmem_flush(t);
	t->ins = 0;
	memcpy(t->ctx->window, buf, n);
	t->ctx->reply.arg[0] = n;
	result = exchange_verb(t, VERB_XSTATE_SET);
	return result < 0 && result >= -4095 ? (int)result : 0;
}
