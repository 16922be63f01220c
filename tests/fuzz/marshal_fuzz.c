/*
 * What travels with a system call, from the guest's registers to what the sentry reads
 * (platform/stub/marshal.c, the descriptors of sentry/syscalls.def, platform/systrap/guestmem.c).
 * Input: the call's number and arguments, what is in the guest's memory, then a reply's segments. A
 * segment must be what the descriptor says of its argument and nothing else, hold the bytes that
 * are there, and be believed by the sentry; a reply may change what its segments say, and neither
 * the rest of memory nor anything of the stub's.
 */
#include "tests/fuzz/fuzz.h"
/* The sentry has functions of the same names. */
#define xstate_get stub_xstate_get
#define xstate_set stub_xstate_set
#include "platform/stub/marshal.c"
#undef xstate_get
#undef xstate_set
#include "platform/systrap/systrap.h"
#include "sentry/syscall.h"
#include <sys/mman.h>
#include <unistd.h>

/* Some pages for the guest, with nothing behind them: low, as the sanitizers have the rest. */
#define MEMORY      0x10000000UL
#define MEMORY_SIZE (12 * PAGE_SIZE)
/* Calls that no row has are described by the input: every kind for every argument. */
#define TEST_NR (MARSHAL_NR - 1)

static struct stub_context *ctx;
static u8 model[MEMORY_SIZE], pattern[STUB_WINDOW_SIZE + PAGE_SIZE];
static u64 args[6];

/* What of [addr, addr + n) can be reached; the assembly in a real stub finds out by a fault. */
static u64 reachable(u64 addr, u64 n)
{
	if (addr < MEMORY || addr >= MEMORY + MEMORY_SIZE)
		return 0;
	return min_of(n, MEMORY + MEMORY_SIZE - addr);
}

/* One side is always in the window, the other where the guest has said. */
static bool delivering;

static void check_window(const void *at, u64 n)
{
	u64 offset = (u64)at - (u64)ctx->window;

	must(offset <= STUB_WINDOW_SIZE && n <= STUB_WINDOW_SIZE - offset);
}

/* Above its end a real stub has memory of its own, where nothing is to be read or written. */
static void check_guest(const void *at, u64 n)
{
	must((u64)at < GUEST_MAX && n <= GUEST_MAX - (u64)at);
}

u64 stub_copy(void *dst, const void *src, u64 n)
{
	u64 have = reachable((u64)(delivering ? dst : src), n);

	check_window(delivering ? src : dst, n);
	check_guest(delivering ? dst : src, n);
	if (have)
		memcpy(dst, src, have);
	return have;
}

u64 stub_copy_str(void *dst, const void *src, u64 n)
{
	u64 have = reachable((u64)src, n), len;

	must(!delivering);
	check_window(dst, n);
	check_guest(src, n);
	if (!have)
		return 0;
	len = min_of((u64)strnlen(src, have) + 1, have);
	memcpy(dst, src, len);
	return len;
}

static void begin(void)
{
	if (!ctx) {
		void *shared = mmap((void *)STUB_SHARED, PAGE_ALIGN(sizeof(struct stub_shared)),
		                    PROT_READ | PROT_WRITE,
		                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		void *memory = mmap((void *)MEMORY, MEMORY_SIZE, PROT_READ | PROT_WRITE,
		                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		must(shared == (void *)STUB_SHARED && memory == (void *)MEMORY);
		ctx = aligned_alloc(STUB_HEADER_SIZE, sizeof(*ctx));
		must(ctx);
		syscall_marshal_build(stub_shared()->marshal);
		must(!syscall_table[TEST_NR].name);
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (u8)(i * 7 + (i >> 8)) | 1;
	}
	memset(ctx, 0xa5, offsetof(struct stub_context, window));
}

/* An address as guests give them: near the ends of memory, nowhere, the stub's, or anything. */
static u64 address(struct input *in)
{
	u8 how = input_u8(in);
	u16 off = input_u16(in);

	switch (how % 8) {
	case 0:
		return off;
	case 1:
		return MEMORY + MEMORY_SIZE - off % 64;
	case 2:
		return GUEST_MAX - off % 64;
	case 3:
		return STUB_SHARED + off;
	case 4:
		return input_u64(in);
	default:
		return MEMORY + off % MEMORY_SIZE;
	}
}

static u64 argument(struct input *in)
{
	u8 how = input_u8(in);

	if (how % 4 == 0)
		return input_u16(in);
	if (how % 16 == 1)
		return input_u64(in);
	return address(in);
}

static u64 take_call(struct input *in)
{
	u64 nr = input_u16(in);

	nr = nr >= MARSHAL_NR + 8 ? TEST_NR : nr;
	if (nr == TEST_NR)
		for (unsigned i = 0; i < 6; i++)
			stub_shared()->marshal[TEST_NR].arg[i] =
			    (struct marshal_arg){.kind = input_u8(in) % (MARSHAL_INOUT_SIZE + 1),
			                         .len_arg = input_u8(in) % 6,
			                         .size = input_u16(in)};
	for (unsigned i = 0; i < 6; i++)
		args[i] = argument(in);
	return nr;
}

/* Zeroes here and there, for strings to end at. */
static void fill_memory(struct input *in)
{
	u8 step = input_u8(in), salt = input_u8(in);

	memcpy(model, pattern, MEMORY_SIZE);
	if (step)
		for (size_t i = salt; i < MEMORY_SIZE; i += step * 37u)
			model[i] = 0;
	memcpy((void *)MEMORY, model, MEMORY_SIZE);
}

/* How much of an argument may come, by its descriptor; 0: nothing. */
static u64 due(const struct marshal_arg *a, u64 addr)
{
	u64 n = 0, have;

	if (addr == 0 || addr >= GUEST_MAX)
		return 0;
	if (a->kind == MARSHAL_PATH)
		n = 4096;
	else if (a->kind == MARSHAL_IN_LEN)
		n = args[a->len_arg];
	else if (a->kind == MARSHAL_IN_SIZE || a->kind == MARSHAL_INOUT_SIZE)
		n = a->size;
	if (a->kind != MARSHAL_PATH)
		return reachable(addr, n);
	have = reachable(addr, n);
	return have ? min_of(have, (u64)strnlen((char *)addr, have) + 1) : 0;
}

/* How many must come if all of it fits; 0: some is so large that it may be left. */
static u32 all_of(const struct marshal_desc *d)
{
	u64 room = 0, n;
	u32 count = 0;

	for (unsigned i = 0; i < 6; i++) {
		switch (d->arg[i].kind) {
		case MARSHAL_PATH:
			n = 4096;
			break;
		case MARSHAL_IN_LEN:
			n = args[d->arg[i].len_arg];
			break;
		case MARSHAL_IN_SIZE:
		case MARSHAL_INOUT_SIZE:
			n = d->arg[i].size;
			break;
		default:
			continue;
		}
		if (n == 0 || args[i] == 0 || args[i] >= GUEST_MAX)
			continue;
		n = min_of(n, GUEST_MAX - args[i]);
		if (n > 32768)
			return 0;
		room += n + 64;
		count++;
	}
	return room <= STUB_WINDOW_SIZE ? count : 0;
}

/* The segments are those of the arguments that may travel, in order. */
static void check_segments(u64 nr, u32 count)
{
	struct marshal_desc *d = &stub_shared()->marshal[nr % MARSHAL_NR];
	u32 k = 0, end = 0;

	must(count <= STUB_IN_SEGMENTS && (nr < MARSHAL_NR || count == 0));
	for (unsigned i = 0; i < 6 && k < count; i++) {
		const struct stub_segment *s = &ctx->request.segment[k];

		if (s->addr != args[i] || s->len != due(&d->arg[i], args[i]) ||
		    d->arg[i].kind == MARSHAL_NONE || d->arg[i].kind == MARSHAL_OUT_LEN ||
		    d->arg[i].kind == MARSHAL_OUT_SIZE)
			continue;
		must(s->offset >= end && s->offset <= STUB_WINDOW_SIZE &&
		     s->len <= STUB_WINDOW_SIZE - s->offset);
		must(!s->len || memcmp(ctx->window + s->offset, (void *)s->addr, s->len) == 0);
		end = s->offset + s->len;
		k++;
	}
	must(k == count && (nr >= MARSHAL_NR || count >= all_of(d)));
}

/* What the stub says in earnest the sentry believes, and finds there what is in memory. */
static void check_believed(u32 count)
{
	static struct platform_space space;
	static struct systrap_thread thread;
	static u8 got[STUB_WINDOW_SIZE];
	struct uspace *u = &thread.base.uspace;

	thread.ctx = ctx;
	thread.base.space = &space;
	u->ops = &guestmem_ops;
	ctx->call.segments = (u8)count;
	guestmem_begin(&thread);
	must(thread.ins == count && thread.outs == 0);
	for (u32 i = 0; i < count; i++) {
		const struct stub_segment *s = &ctx->request.segment[i];

		must(u->ops->read(u, got, s->addr, s->len) == s->len);
		must(!s->len || memcmp(got, (void *)s->addr, s->len) == 0);
	}
}

/* A reply as anybody may have made it; in earnest if the first byte says so. */
static void take_reply(struct input *in)
{
	struct stub_reply *reply = &ctx->reply;
	bool earnest = input_u8(in) % 4;
	u32 offset = 0;

	memset(reply, 0, offsetof(struct stub_reply, regs));
	reply->segments = earnest ? input_u8(in) % (STUB_OUT_SEGMENTS + 1) : input_u32(in);
	for (unsigned i = 0; i < STUB_OUT_SEGMENTS; i++) {
		struct stub_segment *s = &reply->segment[i];

		*s = (struct stub_segment){address(in), input_u16(in), offset};
		if (earnest)
			s->len = min_of(s->len, 5000u);
		else
			s->offset = input_u32(in);
		if (!earnest && input_u8(in) % 4 == 0)
			s->len = input_u32(in);
		offset += s->len;
	}
	memcpy(ctx->window, pattern + 3, STUB_WINDOW_SIZE);
}

/* What must become of memory; false: not all of it can. */
static bool deliver_to_model(void)
{
	const struct stub_reply *reply = &ctx->reply;

	for (u32 i = 0; i < min_of(reply->segments, (u32)STUB_OUT_SEGMENTS); i++) {
		const struct stub_segment *s = &reply->segment[i];
		u64 n;

		if (s->addr >= GUEST_MAX || s->len > GUEST_MAX - s->addr ||
		    (u64)s->offset + s->len > STUB_WINDOW_SIZE)
			return false;
		n = reachable(s->addr, s->len);
		if (n)
			memcpy(model + (s->addr - MEMORY), ctx->window + s->offset, n);
		if (n != s->len)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct host_sigcontext mc = {0};
	u64 nr;
	u32 count;

	begin();
	delivering = false;
	nr = take_call(&in);
	fill_memory(&in);
	mc.rdi = args[0];
	mc.rsi = args[1];
	mc.rdx = args[2];
	mc.r10 = args[3];
	mc.r8 = args[4];
	mc.r9 = args[5];
	count = marshal_call(ctx, &mc, nr);
	check_segments(nr, count);
	check_believed(count);
	must(memcmp((void *)MEMORY, model, MEMORY_SIZE) == 0);
	take_reply(&in);
	delivering = true;
	must(marshal_deliver(ctx, &ctx->reply) == deliver_to_model());
	must(memcmp((void *)MEMORY, model, MEMORY_SIZE) == 0);
	return 0;
}
