/*
 * Signal frames on a guest's stack: a frame is pushed, the input changes bytes of it, and it is
 * popped. Input: where the stack pointer then is, and changes (where, how many bytes, the bytes).
 * Whatever the guest wrote, the host must be able to load what becomes of it (or it kills the
 * stub), and what is the host's in its own frame must stay.
 */
#include "tests/fuzz/fuzz.h"
#define marshal_deliver frame_fuzz_deliver
#include "platform/stub/frame.c"
#include "platform/stub/registers.c"
#include "tests/unit/platform/frame_double.h"

#define STACK (4 * PAGE_SIZE)

static struct stub_context *ctx;

bool frame_fuzz_deliver(const struct stub_context *c, const struct stub_reply *reply)
{
	return c && reply->segments < 100;
}

static void begin(void)
{
	frame_double_reset();
	memset(&ctx->reply, 0, sizeof(ctx->reply));
	memset(&ctx->request, 0, sizeof(ctx->request));
	memset((void *)GUEST_PAGE, 0, STACK);
	frame.uc.mc.ss = 0x2b;
	ctx->reply.frame.sp = GUEST_PAGE + STACK - 64;
	ctx->reply.frame.signo = 10;
	ctx->reply.frame.handler = 0x401000;
	ctx->reply.regs.rip = 0x400123;
	ctx->reply.regs.eflags = 0x246;
	/* The thread's own bases, as registers_load sets them in earnest. */
	__asm__ volatile("rdfsbase %0; rdgsbase %1"
	                 : "=r"(ctx->reply.regs.fs_base), "=r"(ctx->reply.regs.gs_base));
}

static void change(struct input *in)
{
	while (in->n) {
		u64 at = input_u16(in) % STACK;
		u64 n = input_u8(in) % 64;

		input_bytes(in, (void *)(GUEST_PAGE + at), min_of(n, STACK - at));
	}
}

static void check_fpu(void)
{
	static const u64 none[6];
	u32 magic2;

	memcpy(&magic2, fpu.bytes + EXTENDED - 4, 4);
	must(magic2 == HOST_FP_MAGIC2);
	must(fpu.x.magic1 == HOST_FP_MAGIC1 && fpu.x.extended_size == EXTENDED);
	must(fpu.x.xstate_size == EXTENDED - 4 && fpu.x.xfeatures == FEATURES);
	must(!(fpu.x.header_xfeatures & ~FEATURES) && fpu.x.xcomp_bv == 0);
	must(memcmp(fpu.x.header_reserved, none, sizeof(none)) == 0);
	must(fpu.x.mxcsr_mask == 0xffff && !(fpu.x.mxcsr & ~0xffffu));
}

static void check_frame(const struct host_sigcontext *was)
{
	const struct host_sigcontext *mc = &frame.uc.mc;

	must(mc->cs == was->cs && mc->ss == was->ss && mc->fs == was->fs && mc->gs == was->gs);
	must(mc->fpstate == (u64)&fpu);
	must((mc->eflags & ~SIGRETURN_EFLAGS) == (was->eflags & ~SIGRETURN_EFLAGS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct host_sigcontext was;
	u64 sp;
	s64 err;

	if (!ctx) {
		ctx = context_create();
		memset(ctx, 0, sizeof(*ctx));
		map_at(GUEST_PAGE, STACK);
	}
	begin();
	must(frame_push(ctx, &frame) == 0);
	sp = frame.uc.mc.rsp + 8;
	was = frame.uc.mc;
	ctx->reply.regs.rsp = input_u8(&in) & 1 ? input_u64(&in) : sp;
	change(&in);
	err = frame_pop(ctx, &frame);
	must(err == 0 || err == -EFAULT);
	check_fpu();
	check_frame(&was);
	if (err)
		must(memcmp(&was, &frame.uc.mc, sizeof(was)) == 0);
	return 0;
}
