/* Guest signal frames: what is pushed can be popped, and nothing else can do harm. */
#include <criterion/criterion.h>
#define marshal_deliver frame_test_deliver
#include "platform/stub/frame.c"
#include "platform/stub/registers.c"
#include "tests/unit/platform/frame_double.h"

static struct stub_context *ctx;

bool frame_test_deliver(const struct stub_context *c, const struct stub_reply *reply)
{
	return c && reply->segments < 100;
}

static void setup(void)
{
	ctx = context_create();
	memset(ctx, 0, sizeof(*ctx));
	frame_double_reset();
	map_at(GUEST_PAGE, 4 * PAGE_SIZE);
	fpu.x.xmm[0] = 42;
	ctx->reply.frame.sp = GUEST_PAGE + 4 * PAGE_SIZE - 64;
	ctx->reply.frame.signo = 10;
	ctx->reply.frame.handler = 0x401000;
	ctx->reply.frame.restorer = 0x402000;
	ctx->reply.frame.mask = 0xabc;
	ctx->reply.regs.rip = 0x400123;
	ctx->reply.regs.rbx = 77;
	ctx->reply.regs.eflags = 0x646; /* with the direction flag */
	ctx->reply.rax = 99;
	/* The thread's own bases: registers_load sets them in earnest. */
	__asm__ volatile("rdfsbase %0; rdgsbase %1"
	                 : "=r"(ctx->reply.regs.fs_base), "=r"(ctx->reply.regs.gs_base));
}

TestSuite(frame, .init = setup);

static struct host_frame *pushed(void)
{
	return (struct host_frame *)frame.uc.mc.rsp;
}

Test(frame, push_is_laid_out_as_the_host_does)
{
	cr_assert_eq(frame_push(ctx, &frame), 0);
	struct host_frame *f = pushed();
	cr_expect_eq(frame.uc.mc.rsp % 16, 8);
	cr_expect_eq(frame.uc.mc.rip, 0x401000);
	cr_expect_eq(frame.uc.mc.rdi, 10);
	cr_expect_eq(frame.uc.mc.rsi, (u64)&f->info);
	cr_expect_eq(frame.uc.mc.rdx, (u64)&f->uc);
	cr_expect_eq(frame.uc.mc.eflags & EFLAGS_DF, 0);
	cr_expect_eq(f->restorer, 0x402000);
	cr_expect_eq(f->uc.sigmask, 0xabc);
	cr_expect_eq(f->uc.mc.rip, 0x400123);
	cr_expect_eq(f->uc.mc.rax, 99);
	cr_expect_eq(f->uc.mc.eflags & EFLAGS_DF, EFLAGS_DF);
	cr_expect_eq(f->uc.mc.fpstate % 64, 0);
	cr_expect_eq(((struct host_xstate *)f->uc.mc.fpstate)->xmm[0], 42);
	/* The handler starts with fresh FPU state. */
	cr_expect_eq(fpu.x.header_xfeatures, 0);
	cr_expect_eq(fpu.x.mxcsr, 0x1f80);
}

Test(frame, push_and_pop_are_inverse)
{
	cr_assert_eq(frame_push(ctx, &frame), 0);
	ctx->reply.regs.rsp = frame.uc.mc.rsp + 8;
	cr_assert_eq(frame_pop(ctx, &frame), 0);
	cr_expect_eq(frame.uc.mc.rip, 0x400123);
	cr_expect_eq(frame.uc.mc.rbx, 77);
	cr_expect_eq(frame.uc.mc.rax, 99);
	cr_expect_eq(frame.uc.mc.cs, 0x33);
	cr_expect_eq(frame.uc.mc.fpstate, (u64)&fpu);
	cr_expect_eq(ctx->request.value, 0xabc);
	cr_expect_eq(fpu.x.header_xfeatures, FEATURES);
	cr_expect_eq(fpu.x.mxcsr, 0x1fa0);
	cr_expect_eq(fpu.x.xmm[0], 42);
}

Test(frame, push_to_where_nothing_is)
{
	ctx->reply.frame.sp = 0x300000000;
	cr_expect_eq(frame_push(ctx, &frame), -EFAULT);
	ctx->reply.frame.sp = 8; /* below zero */
	cr_expect_eq(frame_push(ctx, &frame), -EFAULT);
	ctx->reply.frame.sp = STUB_STACKS + 4096;
	cr_expect_eq(frame_push(ctx, &frame), -EFAULT);
}

static struct host_frame *prepare_pop(void)
{
	cr_assert_eq(frame_push(ctx, &frame), 0);
	ctx->reply.regs.rsp = frame.uc.mc.rsp + 8;
	return pushed();
}

Test(frame, pop_without_fpu_state_gives_fresh_state)
{
	prepare_pop()->uc.mc.fpstate = 0;
	cr_assert_eq(frame_pop(ctx, &frame), 0);
	cr_expect_eq(fpu.x.header_xfeatures, 0);
	cr_expect_eq(fpu.x.mxcsr, 0x1f80);
}

Test(frame, pop_of_a_legacy_image)
{
	struct host_xstate *x = (struct host_xstate *)prepare_pop()->uc.mc.fpstate;
	x->magic1 = 0;
	x->header_xfeatures = ~0ULL;
	cr_assert_eq(frame_pop(ctx, &frame), 0);
	cr_expect_eq(fpu.x.header_xfeatures, 3);
	cr_expect_eq(fpu.x.magic1, HOST_FP_MAGIC1);
}

Test(frame, pop_never_loads_what_the_host_would_refuse)
{
	struct host_xstate *x = (struct host_xstate *)prepare_pop()->uc.mc.fpstate;
	x->mxcsr = 0xffffffff;
	x->header_xfeatures = ~0ULL;
	x->xcomp_bv = ~0ULL;
	x->header_reserved[3] = 1;
	x->xfeatures = ~0ULL;
	cr_assert_eq(frame_pop(ctx, &frame), 0);
	cr_expect_eq(fpu.x.mxcsr, 0xffff);
	cr_expect_eq(fpu.x.header_xfeatures, FEATURES);
	cr_expect_eq(fpu.x.xcomp_bv, 0);
	cr_expect_eq(fpu.x.header_reserved[3], 0);
	cr_expect_eq(fpu.x.xfeatures, FEATURES);
	cr_expect_eq(fpu.x.extended_size, EXTENDED);
}

Test(frame, pop_with_sizes_that_lie)
{
	struct host_xstate *x = (struct host_xstate *)prepare_pop()->uc.mc.fpstate;
	x->xstate_size = 0x7fffffff;
	x->extended_size = 0x7fffffff;
	cr_assert_eq(frame_pop(ctx, &frame), 0);
	/* Taken for a legacy image: nothing beyond it was read. */
	cr_expect_eq(fpu.x.header_xfeatures, 3);
}

Test(frame, pop_from_where_nothing_is)
{
	prepare_pop()->uc.mc.fpstate = 0x300000000;
	cr_expect_eq(frame_pop(ctx, &frame), -EFAULT);
	ctx->reply.regs.rsp = 0x300000000;
	cr_expect_eq(frame_pop(ctx, &frame), -EFAULT);
	ctx->reply.regs.rsp = STUB_STACKS;
	cr_expect_eq(frame_pop(ctx, &frame), -EFAULT);
	ctx->reply.regs.rsp = 0;
	cr_expect_eq(frame_pop(ctx, &frame), -EFAULT);
}

Test(frame, pop_keeps_flags_that_are_not_the_guests)
{
	prepare_pop()->uc.mc.eflags = ~0ULL;
	cr_assert_eq(frame_pop(ctx, &frame), 0);
	cr_expect_eq(frame.uc.mc.eflags & 0x3000, 0); /* I/O privilege */
	cr_expect_eq(frame.uc.mc.eflags & 0x200, 0x200);
}
