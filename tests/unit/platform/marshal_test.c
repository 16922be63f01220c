/* What travels with a call, by descriptor; what is delivered after it. */
#include <criterion/criterion.h>
#include "platform/stub/marshal.c"
#include "tests/unit/platform/stub_double.h"

#define NR 100

static struct stub_context *ctx;
static u32 segments;

static void describe(unsigned arg, struct marshal_arg how)
{
	stub_shared()->marshal[NR].arg[arg] = how;
}

static void setup(void)
{
	ctx = context_create();
	memset(ctx, 0, sizeof(*ctx));
	map_at(STUB_SHARED, PAGE_ALIGN(sizeof(struct stub_shared)));
	map_at(GUEST_PAGE, PAGE_SIZE);
}

TestSuite(marshal, .init = setup);

Test(marshal, unknown_call_and_no_buffers)
{
	struct host_sigcontext mc = {.rdi = GUEST_PAGE};
	segments = marshal_call(ctx, &mc, NR);
	cr_expect_eq(segments, 0);
	segments = marshal_call(ctx, &mc, MARSHAL_NR);
	cr_expect_eq(segments, 0);
	segments = marshal_call(ctx, &mc, ~0ULL);
	cr_expect_eq(segments, 0);
}

Test(marshal, path_with_its_nul)
{
	struct host_sigcontext mc = {.rsi = GUEST_PAGE + 10};
	describe(1, (struct marshal_arg){.kind = MARSHAL_PATH});
	strcpy((char *)GUEST_PAGE + 10, "/etc/passwd");
	segments = marshal_call(ctx, &mc, NR);
	cr_assert_eq(segments, 1);
	cr_expect_eq(ctx->request.segment[0].addr, GUEST_PAGE + 10);
	cr_expect_eq(ctx->request.segment[0].len, 12);
	cr_expect_str_eq((char *)ctx->window + ctx->request.segment[0].offset, "/etc/passwd");
}

Test(marshal, path_that_runs_into_nothing)
{
	struct host_sigcontext mc = {.rdi = GUEST_PAGE + PAGE_SIZE - 5};
	describe(0, (struct marshal_arg){.kind = MARSHAL_PATH});
	memset((void *)(GUEST_PAGE + PAGE_SIZE - 5), 'x', 5);
	segments = marshal_call(ctx, &mc, NR);
	cr_assert_eq(segments, 1);
	cr_expect_eq(ctx->request.segment[0].len, 5);
}

Test(marshal, several_buffers_do_not_overlap)
{
	struct host_sigcontext mc = {
	    .rdi = GUEST_PAGE, .rsi = 100, .rdx = GUEST_PAGE + 200, .r10 = GUEST_PAGE + 300};
	describe(0, (struct marshal_arg){.kind = MARSHAL_IN_LEN, .len_arg = 1});
	describe(2, (struct marshal_arg){.kind = MARSHAL_IN_SIZE, .size = 16});
	describe(3, (struct marshal_arg){.kind = MARSHAL_OUT_SIZE, .size = 16});
	segments = marshal_call(ctx, &mc, NR);
	cr_assert_eq(segments, 2);
	cr_expect_eq(ctx->request.segment[0].len, 100);
	cr_expect_eq(ctx->request.segment[1].len, 16);
	cr_expect_geq(ctx->request.segment[1].offset, 100);
}

Test(marshal, too_long_bad_or_of_the_stub_is_left_out)
{
	struct host_sigcontext mc = {.rdi = GUEST_PAGE, .rsi = ~0ULL};
	describe(0, (struct marshal_arg){.kind = MARSHAL_IN_LEN, .len_arg = 1});
	segments = marshal_call(ctx, &mc, NR);
	cr_expect_eq(segments, 0);
	mc.rsi = 8;
	mc.rdi = 0;
	segments = marshal_call(ctx, &mc, NR);
	cr_expect_eq(segments, 0);
	mc.rdi = STUB_SHARED;
	segments = marshal_call(ctx, &mc, NR);
	cr_expect_eq(segments, 0);
	/* Bad memory: a segment without bytes, so the sentry looks for itself. */
	mc.rdi = 0x200000000;
	segments = marshal_call(ctx, &mc, NR);
	cr_expect_eq(ctx->request.segment[0].len, 0);
}

Test(marshal, delivery_checks_every_segment)
{
	struct stub_reply *reply = &ctx->reply;
	strcpy((char *)ctx->window + 64, "hello");
	reply->segments = 1;
	reply->segment[0] = (struct stub_segment){GUEST_PAGE + 8, 6, 64};
	cr_expect(marshal_deliver(ctx, reply));
	cr_expect_str_eq((char *)GUEST_PAGE + 8, "hello");
	reply->segment[0] = (struct stub_segment){GUEST_PAGE + PAGE_SIZE - 2, 6, 64};
	cr_expect_not(marshal_deliver(ctx, reply));
	reply->segment[0] = (struct stub_segment){STUB_SHARED, 6, 64};
	cr_expect_not(marshal_deliver(ctx, reply));
	reply->segment[0] = (struct stub_segment){GUEST_PAGE, 6, STUB_WINDOW_SIZE - 5};
	cr_expect_not(marshal_deliver(ctx, reply));
	reply->segment[0] = (struct stub_segment){GUEST_PAGE, ~0U, 64};
	cr_expect_not(marshal_deliver(ctx, reply));
}
