/*
 * Guest memory by way of the window (platform/systrap/guestmem.c). Input: the segments that came
 * with a request, and then reads and writes. A guest may say anything about its segments, and then
 * only itself is deceived; if it says what is so, every read must find what the last write to each
 * byte left, be it in the window or in memory, and at the end memory must have it all.
 */
#include "tests/fuzz/fuzz.h"
#include "platform/systrap/systrap.h"
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY    (4 * PAGE_SIZE)
#define STEPS_MAX 64
#define PIECE_MAX 6000

static u8 *memory; /* the guest's, where a guest may have some; nothing lies behind it */
static u8 model[MEMORY];
static struct platform_space space;
static struct systrap_thread thread;
static bool honest, may_defer;

static bool writable(struct uspace *u, u64 addr, size_t n)
{
	(void)u, (void)addr, (void)n;
	return may_defer;
}

static void begin(void)
{
	if (!memory) {
		/* Low, as the host may place it beyond where a guest may have any. */
		memory = mmap((void *)0x10000000, MEMORY, PROT_READ | PROT_WRITE,
		              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		must(memory != MAP_FAILED);
		thread.ctx = aligned_alloc(STUB_HEADER_SIZE, sizeof(*thread.ctx));
		must(thread.ctx);
	}
	for (size_t i = 0; i < MEMORY; i++)
		memory[i] = model[i] = (u8)(i * 7 >> 3);
	memset(&thread.ctx->request, 0, sizeof(thread.ctx->request));
	space.pid = (u32)getpid();
	thread.base.space = &space;
	thread.base.uspace = (struct uspace){.ops = &guestmem_ops, .writable = writable};
}

/* A range within memory. */
static u64 range(struct input *in, size_t *n)
{
	u64 at = input_u16(in) % MEMORY;
	size_t want = input_u16(in) % PIECE_MAX;

	*n = min_of(want, MEMORY - at);
	return at;
}

static void take_request(struct input *in)
{
	struct stub_request *rq = &thread.ctx->request;
	u32 used = 0;

	thread.ctx->call.segments = honest ? input_u8(in) % (STUB_IN_SEGMENTS + 1) : input_u8(in);
	for (u32 i = 0; i < STUB_IN_SEGMENTS; i++) {
		size_t n;
		u64 at;

		if (!honest) {
			input_bytes(in, &rq->segment[i], sizeof(rq->segment[i]));
			continue;
		}
		at = range(in, &n);
		n = min_of(n, (size_t)(STUB_WINDOW_SIZE - used));
		rq->segment[i] = (struct stub_segment){(u64)memory + at, (u32)n, used};
		memcpy(thread.ctx->window + used, memory + at, n);
		used += (u32)n;
	}
	guestmem_begin(&thread);
	must(thread.ins <= STUB_IN_SEGMENTS && thread.window_used <= STUB_WINDOW_SIZE);
}

static void do_read(struct input *in)
{
	static u8 got[PIECE_MAX];
	size_t n;
	u64 at = range(in, &n);

	must(guestmem_ops.read(&thread.base.uspace, got, (u64)memory + at, n) == n);
	must(!honest || memcmp(got, model + at, n) == 0);
}

static void do_read_str(struct input *in)
{
	static char got[PIECE_MAX];
	size_t n, len, want;
	u64 at = range(in, &n);

	len = guestmem_ops.read_str(&thread.base.uspace, got, (u64)memory + at, n);
	must(len <= n);
	want = strnlen((const char *)model + at, n);
	must(!honest || (len == min_of(want + 1, n) && memcmp(got, model + at, len) == 0));
}

static void do_write(struct input *in)
{
	static u8 bytes[PIECE_MAX];
	size_t n;
	u64 at = range(in, &n);

	memset(bytes, input_u8(in), n);
	must(guestmem_ops.write(&thread.base.uspace, (u64)memory + at, bytes, n) == n);
	memcpy(model + at, bytes, n);
}

static void do_reserve(struct input *in)
{
	size_t n, room;
	u64 at = range(in, &n);
	u8 with = input_u8(in), *to;

	room = n;
	to = guestmem_ops.reserve(&thread.base.uspace, (u64)memory + at, &room);
	if (!to)
		return;
	must(room <= n && to >= thread.ctx->window &&
	     room <= (size_t)(thread.ctx->window + STUB_WINDOW_SIZE - to));
	memset(to, with, room);
	guestmem_ops.commit(&thread.base.uspace, (u64)memory + at, room);
	memset(model + at, with, room);
}

/* What is not the guest's, or nothing. */
static void do_elsewhere(struct input *in)
{
	u64 at = input_u64(in) | 1ULL << 47;
	u8 some[64] = {0};

	must(guestmem_ops.read(&thread.base.uspace, some, at, sizeof(some)) == 0);
	must(guestmem_ops.write(&thread.base.uspace, at, some, sizeof(some)) == 0);
	must(guestmem_ops.read_str(&thread.base.uspace, (char *)some, at, sizeof(some)) == 0);
	must(guestmem_ops.read(&thread.base.uspace, some, (u64)memory + MEMORY, 8) == 0 || !honest);
}

static void step(struct input *in)
{
	switch (input_u8(in) % 8) {
	case 0:
	case 1:
		do_read(in);
		break;
	case 2:
		do_read_str(in);
		break;
	case 3:
	case 4:
		do_write(in);
		break;
	case 5:
		do_reserve(in);
		break;
	case 6:
		may_defer = !may_defer;
		break;
	default:
		do_elsewhere(in);
	}
	must(thread.outs <= STUB_OUT_SEGMENTS);
	for (unsigned i = 0; i < thread.outs; i++)
		must(thread.out[i].offset <= STUB_WINDOW_SIZE &&
		     thread.out[i].len <= STUB_WINDOW_SIZE - thread.out[i].offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	u8 how = input_u8(&in);

	begin();
	honest = how & 1;
	may_defer = how & 2;
	take_request(&in);
	for (unsigned i = 0; i < STEPS_MAX && in.n; i++)
		step(&in);
	guestmem_flush(&thread);
	must(!honest || memcmp(memory, model, MEMORY) == 0);
	return 0;
}
