/*
 * What the sentry takes from a context, by whatever a stub may have written there
 * (platform/systrap/exchange.c and those that ask a stub by it: guestmem.c, sigframe.c, usage.c,
 * patch.c). Input: what the sentry does, and, wherever it waits, what the stub does then. The
 * stub's part may be any bytes over all of the context; or it is honest, and then reads and writes
 * of guest memory must give what is there. Either way an event must be one of those that there
 * are, what has been looked at once must stay as it was, and a reply must hold nothing but what the
 * sentry put there.
 */
#include "tests/fuzz/fuzz.h"
#include "base/fiber.h"
#include "base/host.h"
#include "base/log.h"
/* The stub's turn is whenever the sentry looks or waits; a clock that goes by looks. */
#define armed_wait       request_fuzz_wait
#define overdue_answer   request_fuzz_overdue
#define overdue_answered request_fuzz_overdue
#define overdue_ops      request_fuzz_overdue
#define fiber_yield      request_fuzz_yield
#define time_monotonic   request_fuzz_now
#define sched_may_linger request_fuzz_yes
#define sched_may_leave  request_fuzz_no
#include "base/sched.h"
#include "base/timer.h"
#include "platform/systrap/patch_internal.h"
void request_fuzz_yield(void);
static void look(void);
#define __builtin_ia32_pause look
#include "platform/systrap/exchange.c"
#include <sys/mman.h>
#include <sys/resource.h>

#define MEMORY      0x10000000UL /* low, as the sanitizers have the rest */
#define MEMORY_SIZE (4 * PAGE_SIZE)
#define CODE        (MEMORY + MEMORY_SIZE)
#define CODE_SIZE   PAGE_SIZE
#define SITES       4
#define SITE_STEP   64
#define STEPS_MAX   32
#define PIECE_MAX   6000

static struct platform_config config = {.patch = true};
static struct platform_space space;
static struct systrap_thread thread;
static struct input in;
static bool honest;
static u64 clock_now;
static int some_file = -1, stub_socket;
static u8 model[MEMORY_SIZE], pattern[MEMORY_SIZE]; /* what memory should hold, and did at first */
/* What the stub said when it last came out of guest code. */
static struct stub_call said;
static struct user_regs_struct said_regs;

static struct stub_context *ctx(void)
{
	return thread.ctx;
}

/* ---- what the sentry calls ------------------------------------------------ */

void request_fuzz_overdue(struct systrap_thread *t)
{
	must(t == &thread);
}

u64 request_fuzz_now(void)
{
	return clock_now += 1000000000;
}

bool request_fuzz_yes(void)
{
	return true;
}

bool request_fuzz_no(u32 cpu)
{
	(void)cpu;
	return false;
}

/* ---- the stub --------------------------------------------------------------- */

static void check_op(const struct stub_op *op)
{
	must(op->prot >= 0 && op->prot <= 7);
	if (op->kind != HOSTOP_MMAP)
		return;
	must(!(op->flags & ~(MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
	                     MAP_POPULATE | MAP_FIXED)));
	must((op->has_fd || op->flags & MAP_ANONYMOUS) && op->placed == -1);
}

/* Nobody but the sentry has written to it yet. */
static void check_reply(void)
{
	const struct stub_reply *r = &ctx()->reply;

	must(r->verb <= VERB_XSTATE_SET);
	if (r->verb == VERB_COPY_IN || r->verb == VERB_COPY_STR || r->verb == VERB_COPY_OUT)
		must(r->arg[2] <= STUB_WINDOW_SIZE && r->arg[1] <= STUB_WINDOW_SIZE - r->arg[2]);
	if (r->verb == VERB_RESUME || r->verb == VERB_OPS) {
		must(r->ops <= HOSTOPS_MAX && r->files <= r->ops);
		for (u32 i = 0; i < r->ops; i++)
			check_op(&r->op[i]);
	}
	if (r->verb != VERB_RESUME && r->verb != VERB_FRAME_PUSH)
		return;
	must(r->segments <= STUB_OUT_SEGMENTS);
	for (u32 i = 0; i < r->segments; i++)
		must(guest_range(r->segment[i].addr, r->segment[i].len) &&
		     (u64)r->segment[i].offset + r->segment[i].len <= STUB_WINDOW_SIZE);
	if (r->flags & REPLY_REGS_CHANGED)
		must(r->regs.fs_base < STUB_TASK_SIZE && r->regs.gs_base < STUB_TASK_SIZE);
}

static void take_files(void)
{
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(HOSTOPS_MAX * sizeof(s32))];
	} control;
	u8 byte;
	struct iovec iov = {&byte, 1};

	for (;;) {
		struct msghdr msg = {.msg_iov = &iov,
		                     .msg_iovlen = 1,
		                     .msg_control = &control,
		                     .msg_controllen = sizeof(control)};

		if (recvmsg(stub_socket, &msg, MSG_DONTWAIT) < 0)
			return;
		for (u8 *p = CMSG_DATA(&control.header);
		     p < control.bytes + control.header.cmsg_len; p += sizeof(s32)) {
			s32 fd;

			memcpy(&fd, p, sizeof(fd));
			close(fd);
		}
	}
}

/* What of a range is the guest's memory; the stub finds out by a fault. */
static u64 reachable(u64 addr, u64 n)
{
	if (addr < MEMORY || addr >= CODE + CODE_SIZE)
		return 0;
	return min_of(n, CODE + CODE_SIZE - addr);
}

/* As a stub does it. The copy is taken, as the answer takes the reply's place. */
static s64 carry_out(const struct stub_reply *r)
{
	bool copies =
	    r->verb == VERB_COPY_IN || r->verb == VERB_COPY_STR || r->verb == VERB_COPY_OUT;
	u64 n = copies ? reachable(r->arg[0], r->arg[1]) : 0;
	u8 *at = ctx()->window + (copies ? r->arg[2] : 0);
	bool delivers = r->verb == VERB_RESUME || r->verb == VERB_FRAME_PUSH;

	for (u32 i = 0; delivers && i < r->segments; i++)
		memcpy((void *)r->segment[i].addr, ctx()->window + r->segment[i].offset,
		       r->segment[i].len);
	switch (r->verb) {
	case VERB_RESUME:
	case VERB_OPS:
		if (r->ops)
			ctx()->ops_done = r->seq;
		return r->ops && r->op[r->ops - 1].kind == HOSTOP_MMAP ? (s64)r->op[r->ops - 1].addr
		                                                       : 0;
	case VERB_COPY_IN:
		memcpy(at, (void *)r->arg[0], n);
		return (s64)n;
	case VERB_COPY_STR:
		n = min_of((u64)strnlen((char *)r->arg[0], n) + 1, n);
		memcpy(at, (void *)r->arg[0], n);
		return (s64)n;
	case VERB_COPY_OUT:
		memcpy((void *)r->arg[0], at, n);
		return (s64)n;
	default:
		return 0;
	}
}

/* Where a thread may say that it is: at a site, in its jump, in a slot, anywhere. */
static u64 place(void)
{
	u8 how = input_u8(&in);
	u64 at = CODE + SITE_STEP * (how % SITES) + input_u8(&in) % SITE_STEP;

	switch (how >> 6) {
	case 0:
		return at;
	case 1:
		return PATCH_CODE + input_u16(&in) % (PATCH_CODE_SIZE / 2);
	case 2:
		return SHARED_PATCH_CODE + input_u16(&in) % SHARED_PATCH_CODE_SIZE;
	default:
		return input_u64(&in);
	}
}

/* Where bytes at random would be long in coming to: all is well but for one thing. */
static void lie_about_one_thing(void)
{
	struct stub_request *rq = &ctx()->request;
	u8 what = input_u8(&in);

	if (what & 1) {
		u8 k = what >> 4 & 7;

		ctx()->call.segments = k + 1;
		rq->segment[k % STUB_IN_SEGMENTS] = (struct stub_segment){
		    MEMORY + input_u16(&in) % MEMORY_SIZE, input_u16(&in), input_u32(&in)};
	}
	if (what & 2) {
		u64 value = input_u64(&in);
		u8 which = input_u8(&in) % (sizeof(rq->regs) / sizeof(value));

		memcpy((u8 *)&rq->regs + which * sizeof(value), &value, sizeof(value));
	}
}

static void lie(u8 how)
{
	struct stub_request *rq = &ctx()->request;

	for (unsigned i = 0; i < (how & 7u); i++) {
		size_t words = offsetof(struct stub_context, window) / 8;
		size_t at = input_u16(&in) % words;
		u64 value = input_u64(&in);

		memcpy((u8 *)ctx() + 8 * at, &value, sizeof(value));
	}
	if (how & 0x10)
		rq->result = (s64)input_u64(&in);
	if (how & 0x20)
		input_bytes(&in, &ctx()->call, sizeof(ctx()->call));
	lie_about_one_thing();
	rq->regs.rip = place();
	rq->signo = input_u8(&in) % 32;
	rq->trapno = input_u8(&in) % 32;
	if (how & 0x40)
		input_bytes(&in, &rq->failed_op, sizeof(rq->failed_op));
	if (how & 0x80)
		ctx()->ops_done = input_u64(&in) % 4 + thread.seq - 2;
}

/* Another thread of the guest's has been at the reply before it was sent: its own loss. */
static bool scribbled;

static void stub_turn(void)
{
	struct stub_reply reply = ctx()->reply;
	u8 how, kind;

	how = input_u8(&in);
	kind = input_u8(&in);
	if (!scribbled) {
		check_reply();
		ctx()->request.result = carry_out(&reply);
	}
	scribbled = false;
	if (reply.files || reply.verb == VERB_FORK || kind & 0x80)
		take_files();
	ctx()->call.kind = reply.verb == VERB_RESUME ? kind % 3 : REQUEST_DONE;
	ctx()->call.segments = 0;
	ctx()->call.fast = kind >> 4 & 1;
	if (!honest) {
		lie(how);
		if (how & 8)
			ctx()->call.kind = kind % 8;
		if (how == 0xff)
			thread.died = true;
	}
	/* What an event is made of; a verb's answer has no say in that. */
	if (reply.verb == VERB_RESUME) {
		said = ctx()->call;
		said_regs = ctx()->request.regs;
	}
	atomic_store(&ctx()->state, STUB_REQUEST | (how & 0x40 ? STUB_SLEEPS : 0));
}

static void look(void)
{
	if (atomic_load(&ctx()->state) == STUB_REPLY && input_u8(&in) % 4)
		stub_turn();
}

void request_fuzz_wait(struct systrap_thread *t)
{
	must(t == &thread);
	if (!is_request(t))
		stub_turn();
}

void request_fuzz_yield(void)
{
	if (!honest)
		lie(input_u8(&in));
	scribbled = !honest;
}

/* ---- the sentry ------------------------------------------------------------- */

static bool writable(struct uspace *u, u64 addr, size_t n)
{
	(void)u, (void)n;
	return addr & 1;
}

static void begin_once(void)
{
	int pair[2];

	must(mmap((void *)MEMORY, MEMORY_SIZE + CODE_SIZE, PROT_READ | PROT_WRITE,
	          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)MEMORY);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	some_file = memfd_create("request", MFD_CLOEXEC);
	must(some_file >= 0);
	for (size_t i = 0; i < MEMORY_SIZE; i++)
		pattern[i] = (u8)(i * 7 >> 3) | (i % 61 != 0);
	systrap.config = &config;
	lock_init(&space.lock, RANK_PLATFORM);
	space.pid = (u32)getpid();
	space.pidfd = -1;
	space.socket = pair[0];
	stub_socket = pair[1];
	thread.ctx = aligned_alloc(STUB_HEADER_SIZE, sizeof(*thread.ctx));
	must(thread.ctx);
	space.contexts = (u64)thread.ctx;
}

/* Sites of which some are rewritten: the thread is honest meanwhile. */
static void rewrite_sites(unsigned which)
{
	/* mov $39, %eax; syscall; and what moves with it: the cmp behind, or the mov before a call.
	 */
	static const u8 site[2][15] = {
	    {0x90, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 1, 0xf0, 0xff, 0xff, 0xc3},
	    {0x90, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xe8, 0, 0, 0, 0, 0xc3}};
	static const unsigned begins[2] = {6, 1};
	u8 *code = (u8 *)CODE;

	memset(code, 0x90, CODE_SIZE);
	for (unsigned i = 0; i < SITES; i++)
		memcpy(code + SITE_STEP * i, site[i % 2], sizeof(site[0]));
	if (!which)
		return;
	must(domain_of(&space));
	for (unsigned i = 0; i < SITES; i++) {
		u64 at = SITE_STEP * i;

		if (!(which >> i & 1))
			continue;
		patch_rewrite(&thread.base, CODE + at + 6, CODE, CODE + CODE_SIZE);
		must(code[at + begins[i % 2]] == 0xff && code[at + begins[i % 2] + 1] == 0x24);
	}
}

static void begin(u8 how)
{
	struct stub_context *c;

	if (some_file < 0)
		begin_once();
	c = thread.ctx;
	memcpy((void *)MEMORY, pattern, MEMORY_SIZE);
	memcpy(model, pattern, MEMORY_SIZE);
	memset(c, 0, STUB_HEADER_SIZE);
	atomic_store(&c->state, STUB_REQUEST);
	space.dead = false;
	space.file_seq = 0;
	thread = (struct systrap_thread){.ctx = c};
	thread.base.space = &space;
	thread.base.uspace = (struct uspace){.ops = &guestmem_ops, .writable = writable};
	clock_now = 0;
	honest = true;
	scribbled = false;
	systrap.may_spin = true;
	rewrite_sites(how & 8 ? how >> 4 : 0);
	honest = how & 1;
	systrap.may_spin = how & 2;
}

static void end(void)
{
	guestmem_flush(&thread);
	must(!honest || memcmp((void *)MEMORY, model, MEMORY_SIZE) == 0);
	patch_forget(&space);
	take_files();
}

static void queue_ops(void)
{
	unsigned n = input_u8(&in) % 4;

	for (unsigned i = 0; i < n; i++) {
		u8 how = input_u8(&in);
		struct hostop *op = &thread.base.op[i];

		*op = (struct hostop){.kind = how % (HOSTOP_MINCORE + 1),
		                      .last_result = how >> 7,
		                      .prot = input_u8(&in),
		                      .flags = input_u16(&in),
		                      .fd = how & 0x40 ? some_file : -1,
		                      .addr = MEMORY,
		                      .len = PAGE_SIZE};
	}
	thread.base.ops = n;
}

/* What has been acted upon must not be another afterwards, whatever the context says by then. */
static void check_registers(void)
{
	struct user_regs_struct *r = &thread.base.regs, was;
	struct slot_id id;
	u64 offset;

	if (thread.base.regs_late)
		must(r->orig_rax == said.nr && r->rdi == said.arg[0] && r->rsi == said.arg[1] &&
		     r->rdx == said.arg[2] && r->r10 == said.arg[3] && r->r8 == said.arg[4] &&
		     r->r9 == said.arg[5]);
	else
		must(memcmp(&r->rbx, &said_regs.rbx, sizeof(r->rbx)) == 0 &&
		     r->orig_rax == said_regs.orig_rax && r->rdi == said_regs.rdi &&
		     (r->rip == said_regs.rip || slot_at(said_regs.rip, &id, &offset) ||
		      thread.base.regs_changed));
	r->rax = input_u8(&in);
	was = *r;
	if (!honest)
		lie(input_u8(&in));
	late_registers(&thread.base);
	must(!thread.base.regs_late);
	must(r->rax == was.rax && r->orig_rax == was.orig_rax && r->rdi == was.rdi &&
	     r->rsi == was.rsi && r->rdx == was.rdx && r->r10 == was.r10 && r->r8 == was.r8 &&
	     r->r9 == was.r9);
	thread.base.regs_changed = input_u8(&in) & 1;
}

static void check_window(void)
{
	must(thread.ins <= STUB_IN_SEGMENTS && thread.outs <= STUB_OUT_SEGMENTS &&
	     thread.window_used <= STUB_WINDOW_SIZE);
	for (unsigned i = 0; i < thread.ins; i++)
		must((u64)thread.in[i].offset + thread.in[i].len <= STUB_WINDOW_SIZE);
	for (unsigned i = 0; i < thread.outs; i++)
		must((u64)thread.out[i].offset + thread.out[i].len <= STUB_WINDOW_SIZE);
}

static void do_run(void)
{
	struct event event;
	int err, failed;

	queue_ops();
	err = thread_run(&thread.base, &event, &failed);
	must(err <= 0 && err >= -4095 && failed >= -1 && failed < HOSTOPS_MAX);
	must(!err || failed >= 0);
	thread.base.ops = 0;
	if (err)
		return;
	if (event.kind == EVENT_FAULT)
		must(event.fault.signo == SIGSEGV || event.fault.signo == SIGBUS ||
		     event.fault.signo == SIGFPE || event.fault.signo == SIGILL ||
		     event.fault.signo == SIGTRAP);
	else
		must(event.kind == EVENT_SYSCALL || event.kind == EVENT_INTERRUPT ||
		     event.kind == EVENT_DEATH);
	must(event.kind != EVENT_DEATH || thread.died || space.dead);
	check_window();
	if (event.kind != EVENT_DEATH && failed < 0)
		check_registers();
}

static void do_ops(void)
{
	s64 result;

	queue_ops();
	result = thread_sync(&thread.base);
	must(!honest || result >= 0);
	thread.base.ops = 0;
	must(!honest || thread_ops_done(&thread.base));
}

/* A range of memory. */
static u64 range(size_t *n)
{
	u64 at = input_u16(&in) % MEMORY_SIZE;
	size_t want = input_u16(&in) % PIECE_MAX;

	*n = min_of(want, (size_t)(MEMORY_SIZE - at));
	return at;
}

static void do_read(bool string)
{
	static u8 got[PIECE_MAX];
	size_t n, have, want;
	u64 at = range(&n);
	struct uspace *u = &thread.base.uspace;

	if (!string) {
		have = u->ops->read(u, got, MEMORY + at, n);
		must(have <= n && (!honest || (have == n && !memcmp(got, model + at, n))));
		return;
	}
	have = u->ops->read_str(u, (char *)got, MEMORY + at, n);
	want = min_of(strnlen((char *)model + at, n) + 1, n);
	must(have <= n && (!honest || (have == want && !memcmp(got, model + at, have))));
}

static void do_write(void)
{
	static u8 bytes[PIECE_MAX];
	size_t n, put;
	u64 at = range(&n);
	struct uspace *u = &thread.base.uspace;

	memset(bytes, input_u8(&in), n);
	put = u->ops->write(u, MEMORY + at, bytes, n);
	must(put <= n && (!honest || put == n));
	memcpy(model + at, bytes, n);
	check_window();
}

static void do_exchange_word(void)
{
	struct uspace *u = &thread.base.uspace;
	u32 old;
	int err;

	/* An honest stub would have to do it. */
	if (honest)
		return;
	err = u->ops->cmpxchg32(u, MEMORY + input_u16(&in), 0, 1, &old);
	must(err == 0 || err == -EFAULT);
}

static void do_frame(void)
{
	struct signal_frame f = {.signo = input_u8(&in), .sp = MEMORY + MEMORY_SIZE};
	stack_t altstack;
	u64 mask;
	int err;

	if (input_u8(&in) & 1) {
		queue_ops();
		err = sigframe_push(&thread.base, &f);
		thread.base.ops = 0;
	} else {
		err = sigframe_pop(&thread.base, &mask, &altstack);
	}
	must(err <= 0 && err >= -4095);
	check_window();
}

static void do_state(void)
{
	size_t n = input_u16(&in);
	u8 *buf = calloc(1, n + 1);
	struct rusage usage;
	int err;

	must(buf);
	err = xstate_get(&thread.base, buf, n);
	must(err == 0 || err == -ESRCH || err == -EIO);
	err = xstate_set(&thread.base, buf, n);
	must(err <= 0 && err >= -4095);
	free(buf);
	err = thread_usage(&thread.base, &usage);
	must(err == 0 || err == -ESRCH || err == -EIO);
	must(err || (usage.ru_utime.tv_sec >= 0 && usage.ru_utime.tv_usec < 1000000));
}

static void step(void)
{
	switch (input_u8(&in) % 10) {
	case 0:
	case 1:
	case 2:
		do_run();
		break;
	case 3:
		do_ops();
		break;
	case 4:
		do_read(false);
		break;
	case 5:
		do_read(true);
		break;
	case 6:
		do_write();
		break;
	case 7:
		do_exchange_word();
		break;
	case 8:
		do_frame();
		break;
	default:
		do_state();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){data, size};
	begin(input_u8(&in));
	for (unsigned i = 0; i < STEPS_MAX && in.n; i++)
		step();
	end();
	return 0;
}
