/*
 * Every way in: the one signal handler of a stub.
 *
 * A system call of the guest (SIGSYS), a fault of its, and the sentry's
 * interrupt all arrive here, on the thread's private alternate stack, with the
 * guest's state in the host's own signal frame. The handler puts a request in
 * the thread's context, waits for the reply, carries it out, and leaves by
 * rt_sigreturn. It has no state of its own between two traps.
 *
 * A call from a rewritten site comes by fast.S, with the registers saved by itself and no
 * frame. Most replies need none; for one that does (a signal frame, a fork, all
 * registers) the stub traps then, on purpose, and goes on in the frame that it gets.
 *
 * The handler itself may be interrupted, and may fault while it copies guest
 * memory. Such a nested signal is told by the instruction pointer, which lies in
 * the stub's text, and never becomes a request. So at most three frames are nested: that of a
 * trap, of a fault in a copy, and of an interrupt, which is blocked while it is handled. An
 * interrupt that becomes a request unblocks itself first, as it may have to wait like any other.
 */
#include "platform/stub/stub.h"

_Static_assert(sizeof(struct host_sigcontext) == 256 &&
                   offsetof(struct host_sigcontext, cs) == 144 &&
                   offsetof(struct host_sigcontext, err) == 256 - 104,
               "fast.S builds one");
_Static_assert(PROMOTE_INTERRUPT == 1, "fast.S knows");

static bool in_range(u64 rip, const char *begin, const char *end)
{
	return rip >= (u64)begin && rip < (u64)end;
}

/* One in so many trapped calls goes to the sentry in any case. */
#define SAMPLE_EVERY 8

void stub_die(void)
{
	for (;;)
		host3(__NR_exit, 1, 0, 0);
}

/* A signal that hit the stub. True if it is dealt with and the stub goes on where uc says. */
static bool nested(int signo, struct host_ucontext *uc)
{
	u64 rip = uc->mc.rip;
	if (signo == STUB_INTERRUPT_SIGNAL) {
		if (in_range(rip, leave_begin, leave_end))
			uc->mc.rip = (u64)leave_begin;
		else if (in_range(rip, fast_leave_begin, fast_leave_end))
			uc->mc.rip = (u64)fast_leave_begin;
		else if (in_range(rip, direct_leave_begin, direct_leave_end))
			uc->mc.rip = (u64)direct_leave_begin;
		else if (in_range(rip, cpuid_leave_begin, cpuid_leave_end))
			uc->mc.rip = (u64)cpuid_leave_begin;
		else if (in_range(rip, futex_begin, futex_end))
			uc->mc.rip = (u64)futex_begin;
		return true;
	}
	if (signo == SIGSYS) {
		/* The filter refused a call of ours. */
		uc->mc.rax = (u64)-EPERM;
		return true;
	}
	if (signo == SIGSEGV || signo == SIGBUS) {
		for (const struct stub_fault *f = stub_faults; f < stub_faults_end; f++) {
			if (rip >= f->begin && rip < f->end) {
				uc->mc.rip = f->resume;
				return true;
			}
		}
	}
	return false;
}

/* Unaligned accesses of the handler must not fault because guest code asked for alignment checks.
 */
static void alignment_check_off(void)
{
	__asm__ volatile("pushfq; andl $~0x40000, (%%rsp); popfq" ::: "memory", "cc");
}

static void request_fault(struct stub_context *ctx, int signo, const struct host_frame *frame)
{
	const struct host_sigcontext *mc = &frame->uc.mc;
	struct stub_request *rq = &ctx->request;
	ctx->call.kind = REQUEST_FAULT;
	ctx->call.segments = 0;
	rq->signo = signo;
	rq->code = frame->info.code;
	rq->addr = frame->info.addr;
	rq->trapno = mc->trapno;
	rq->error_code = mc->err;
	rq->cr2 = mc->cr2;
}

static void request_interrupt(struct stub_context *ctx, struct host_frame *frame)
{
	registers_save(&ctx->request.regs, &frame->uc.mc, ~0ULL);
	ctx->call.kind = REQUEST_INTERRUPT;
	ctx->call.segments = 0;
}

/* A wait on a guest futex ended early: the sentry decides whether to restart it. */
static void request_interrupted_wait(struct stub_context *ctx, const struct host_sigcontext *mc)
{
	registers_save(&ctx->request.regs, mc, __NR_futex);
	ctx->request.regs.rax = (u64)-EINTR;
	ctx->call.kind = REQUEST_INTERRUPT;
	ctx->call.segments = 0;
}

/*
 * What the thread has used, if this call is its last as a rule: then the sentry wants to know, and
 * to ask would be a hand-over more.
 */
static bool usage_told(struct stub_context *ctx, u64 nr)
{
	switch (nr) {
	case __NR_execve:
	case __NR_execveat:
	case __NR_exit:
	case __NR_exit_group:
		return host3(__NR_getrusage, STUB_RUSAGE_THREAD, &ctx->request.usage, 0) == 0;
	default:
		return false;
	}
}

/* Last of all, and at once: workers look at this line all the time, and would take it away. */
static void request_arguments(struct stub_context *ctx, const struct host_sigcontext *mc, u64 nr,
                              u32 segments, bool fast)
{
	struct stub_call *c = &ctx->call;
	c->kind = REQUEST_SYSCALL;
	c->segments = (u8)segments;
	c->fast = fast;
	c->says =
	    (u8)((ctx->told_used ? CALL_TOLD_USED : 0) | (usage_told(ctx, nr) ? CALL_USAGE : 0));
	ctx->told_used = 0;
	c->nr = (u32)nr;
	c->arg[0] = mc->rdi;
	c->arg[1] = mc->rsi;
	c->arg[2] = mc->rdx;
	c->arg[3] = mc->r10;
	c->arg[4] = mc->r8;
	c->arg[5] = mc->r9;
}

/*
 * Makes the request of a call that the stub cannot answer. False if it has been answered.
 * sample: of the calls that the stub could answer, the sentry gets some, so that it knows of their
 * sites.
 */
static bool request_call(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr, bool sample)
{
	bool sampled = sample && ctx->self && ++ctx->traps % SAMPLE_EVERY == 0;
	u32 segments;
	ctx->request.weight = sampled ? SAMPLE_EVERY : 1;
	if (ctx->direct && !sampled && direct_call(ctx, mc, nr)) {
		if (nr != __NR_futex || mc->rax != (u64)-EINTR)
			return false;
		request_interrupted_wait(ctx, mc);
		return true;
	}
	/* As ptrace shows it: a call that nobody implements. */
	mc->rax = (u64)-ENOSYS;
	segments = marshal_call(ctx, mc, nr);
	ctx->name_call.nr = 0;
	if (ctx->direct && !sampled && name_answer(ctx, mc, nr, segments))
		return false;
	registers_save(&ctx->request.regs, mc, nr);
	request_arguments(ctx, mc, nr, segments, !sample);
	return true;
}

/*
 * The interrupt stopped guest code: from here on other interrupts may come. To set the mask is
 * not among the stub's calls, but rt_sigreturn does it, to a place of ours instead of the guest's.
 */
static noreturn void interrupted_guest(struct stub_context *ctx, struct host_frame *frame)
{
	const struct host_sigcontext guest = frame->uc.mc;
	struct host_sigcontext *mc = &frame->uc.mc;
	mc->rip = (u64)interrupt_unblocked;
	/* As after a call instruction, below all that is still needed. */
	mc->rsp = (((u64)&guest - 256) & ~15UL) - 8;
	mc->rdi = (u64)ctx;
	mc->rsi = (u64)frame;
	mc->rdx = (u64)&guest;
	mc->eflags = EFLAGS_IF;
	stub_return(&frame->uc);
}

void interrupt_unblocked(struct stub_context *ctx, struct host_frame *frame,
                         const struct host_sigcontext *guest)
{
	memcpy(&frame->uc.mc, guest, sizeof(*guest));
	trap_interrupted(ctx, frame);
}

/* stub_promote has trapped: this frame takes the place of the registers that were saved. */
static noreturn void promoted(struct stub_context *ctx, struct host_frame *frame)
{
	struct host_sigcontext *mc = &frame->uc.mc;
	enum promotion why = (enum promotion)mc->rsi;
	memcpy(mc, (const void *)mc->rdi, offsetof(struct host_sigcontext, cs));
	if (why == PROMOTE_INTERRUPT)
		trap_interrupted(ctx, frame);
	trap_serve(ctx, frame);
}

/*
 * True if the trap is one of cpuid.S's, and the registers are the guest's again: behind the
 * instruction, with an interrupt due; or before it, as it shall run itself. The latter, too,
 * for a guest that steps itself: the jump here was no step, the instruction is.
 */
static bool cpuid_trapped(const struct stub_context *ctx, struct host_frame *frame)
{
	struct host_sigcontext *mc = &frame->uc.mc;
	if (mc->rip == (u64)cpuid_interrupted)
		mc->rip = ctx->cpuid_back;
	else if (mc->rip == (u64)cpuid_refused)
		mc->rip = (u32)mc->rbx;
	else if (mc->rip == (u64)stub_cpuid)
		mc->rip = mc->rbx - 2;
	else
		return false;
	return true;
}

void trap_entry(int signo, struct host_siginfo *info, struct host_ucontext *uc)
{
	struct host_frame *frame = container_of(uc, struct host_frame, uc);
	struct host_sigcontext *mc = &uc->mc;
	unsigned k = (unsigned)(((u64)frame - STUB_STACKS) / STUB_STACK_SIZE);
	struct stub_context *ctx = stub_context_at(STUB_CONTEXTS, k);
	u64 nr = ~0ULL;

	if (mc->eflags & EFLAGS_AC)
		alignment_check_off();
	if (in_range(mc->rip, stub_text_begin, stub_text_end)) {
		if (nested(signo, uc))
			return;
		if (mc->rip == (u64)leave_end && signo == SIGSEGV) {
			/* The host refused the frame we left by: show the guest's registers, not
			 * ours. */
			struct host_frame *refused = (struct host_frame *)(mc->rsp - 8);
			refused->uc.mc.fpstate = mc->fpstate;
			*mc = refused->uc.mc;
		} else if (mc->rip == (u64)zygote_trap) {
			ctx->call.kind = REQUEST_DONE;
			ctx->request.result = 0;
			handover(ctx);
			trap_serve(ctx, frame);
		} else if (mc->rip == (u64)promote_trapped && signo == SIGTRAP) {
			promoted(ctx, frame);
		} else if (mc->rip == (u64)stub_fast && signo == SIGTRAP) {
			/* A guest that steps itself: its next step is behind the call. */
			mc->rip = mc->rcx;
			nr = (u32)mc->rax;
			signo = SIGSYS;
		} else if (signo == SIGTRAP && cpuid_trapped(ctx, frame)) {
			stub_leave(ctx, uc);
		} else {
			stub_die();
		}
	}
	if (signo == SIGSYS) {
		if (nr == ~0ULL)
			nr = (u32)info->syscall;
		if (!request_call(ctx, mc, nr, true))
			stub_leave(ctx, uc);
	} else if (signo == STUB_INTERRUPT_SIGNAL) {
		/* The request it was meant for may have come in between; a later one is pending. */
		if (!ctx->interrupt)
			return;
		interrupted_guest(ctx, frame);
	} else {
		request_fault(ctx, signo, frame);
		registers_save(&ctx->request.regs, mc, nr);
	}
	handover(ctx);
	trap_serve(ctx, frame);
}

/* The guest was about to run when the interrupt flag was seen. */
void trap_interrupted(struct stub_context *ctx, struct host_frame *frame)
{
	request_interrupt(ctx, frame);
	handover(ctx);
	trap_serve(ctx, frame);
}

/*
 * VERB_RESUME: true if guest code may go on; false if there is a new request.
 * Host operations come first, as what is copied out may lie in what they map.
 */
static bool resume(struct stub_context *ctx, struct host_sigcontext *mc, struct host_frame *frame,
                   u32 flags)
{
	struct stub_reply *reply = &ctx->reply;
	bool has_result = false, interrupted = false;
	s64 result = 0;
	if (reply->ops) {
		bool ok = hostops_run(ctx, &result, &has_result, &interrupted);
		if (!ok) {
			ctx->call.kind = REQUEST_OPS_FAILED;
			return false;
		}
	}
	if (flags & REPLY_REGS_CHANGED)
		registers_load(ctx, mc, &reply->regs);
	if (flags & REPLY_RESET_FPU)
		xstate_reset(frame);
	mc->rax = has_result ? (u64)result : reply->rax;
	if (reply->segments && !marshal_deliver(ctx, reply))
		mc->rax = (u64)-EFAULT;
	if (interrupted) {
		request_interrupted_wait(ctx, mc);
		return false;
	}
	if (flags & REPLY_OPS_ONLY) {
		request_interrupt(ctx, frame);
		return false;
	}
	if (flags & REPLY_LASTS)
		name_keep(ctx, (s64)reply->rax, reply->epoch);
	if (flags & REPLY_STAT_LASTS)
		name_keep_stat(ctx, reply);
	ctx->state = STUB_GUEST;
	return true;
}

/* Can this reply be carried out only in a host frame? */
static bool needs_frame(u32 verb, u32 flags)
{
	switch (verb) {
	case VERB_RESUME:
		return flags & ~(REPLY_LASTS | REPLY_STAT_LASTS);
	case VERB_FORK:
	case VERB_CLONE:
	case VERB_FRAME_PUSH:
	case VERB_FRAME_POP:
	case VERB_XSTATE_GET:
	case VERB_XSTATE_SET:
		return true;
	default:
		return false;
	}
}

/* Carries out replies until guest code may go on. frame: NULL in a call without a trap. */
static void serve(struct stub_context *ctx, struct host_sigcontext *mc, struct host_frame *frame)
{
	for (;;) {
		struct stub_reply *reply = &ctx->reply;
		struct stub_request *rq = &ctx->request;
		u8 *window = ctx->window;
		u64 a = reply->arg[0], b = reply->arg[1],
		    c = reply->arg[2] & (STUB_WINDOW_SIZE - 1);
		bool has_result, interrupted;
		u32 verb = reply->verb, flags = reply->flags;
		s64 result = 0;

		if (!frame && needs_frame(verb, flags))
			stub_promote(mc, PROMOTE_SERVE);
		switch (verb) {
		case VERB_RESUME:
			if (resume(ctx, mc, frame, flags))
				return;
			handover(ctx);
			continue;
		case VERB_OPS:
			if (!hostops_run(ctx, &result, &has_result, &interrupted)) {
				ctx->call.kind = REQUEST_OPS_FAILED;
				handover(ctx);
				continue;
			}
			break;
		case VERB_FORK:
			result = spawn_fork(ctx, frame, a, b);
			break;
		case VERB_CLONE:
			result = spawn_thread(ctx, frame, a);
			break;
		case VERB_EXIT:
			spawn_exit();
		case VERB_COPY_IN:
			result =
			    (s64)stub_copy(window + c, (void *)a, min_of(b, STUB_WINDOW_SIZE - c));
			break;
		case VERB_COPY_STR:
			result = (s64)stub_copy_str(window + c, (void *)a,
			                            min_of(b, STUB_WINDOW_SIZE - c));
			break;
		case VERB_COPY_OUT:
			result =
			    (s64)stub_copy((void *)a, window + c, min_of(b, STUB_WINDOW_SIZE - c));
			break;
		case VERB_CMPXCHG:
			result = stub_cmpxchg32(a, (u32)b, (u32)reply->arg[2], &rq->value);
			break;
		case VERB_FRAME_PUSH:
			result = frame_push(ctx, frame);
			break;
		case VERB_FRAME_POP:
			result = frame_pop(ctx, frame);
			break;
		case VERB_XSTATE_GET:
			result = xstate_get(ctx, frame);
			break;
		case VERB_USAGE:
			result = host3(__NR_getrusage, STUB_RUSAGE_THREAD, window, 0);
			break;
		case VERB_XSTATE_SET:
			result = xstate_set(ctx, frame, a);
			break;
		default:
			result = -ENOSYS;
		}
		ctx->call.kind = REQUEST_DONE;
		rq->result = result;
		handover(ctx);
	}
}

void trap_serve(struct stub_context *ctx, struct host_frame *frame)
{
	serve(ctx, &frame->uc.mc, frame);
	stub_leave(ctx, &frame->uc);
}

void fast_call(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr)
{
	if (!request_call(ctx, mc, nr, false))
		return;
	handover(ctx);
	serve(ctx, mc, NULL);
}
