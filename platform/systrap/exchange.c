/*
 * The sentry's side of the hand-over: publish a reply, wait for the next
 * request, take from it what can be believed.
 *
 * Interrupts are sticky. platform_thread_interrupt sets the flag in the context, then sends
 * the signal if guest code may be running; the stub looks at the flag on its way
 * out. The flag is cleared only when a request has been taken, before the
 * fiber looks at its signals. So an interrupt that comes after that look is
 * seen by the stub, whichever instruction it is at.
 *
 * Host calls: futex, tgkill, sendmsg.
 */
#include "base/fiber.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sched.h"
#include "base/timer.h"
#include "platform/systrap/systrap.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long a verb's answer is awaited without giving up the worker, in looks at the word. */
#define SPIN_LOOKS 400
/* How long a guest that has its answer is looked at before its worker looks elsewhere: about as
 * long as that takes. */
#define LINGER_LOOKS 24
/* How long a thread may keep another of its space from being sent files. */
#define FILE_TURN_NS 5000000000ULL

/*
 * The stub slept for its answer on cpu. Was that because this worker kept it from running? Then
 * another CPU is the better place for the worker, unless guests need them all.
 */
static void step_aside(u32 cpu)
{
	if (systrap.may_spin && sched_may_leave(cpu) && armed_busy(systrap.cpus) + 1 < systrap.cpus)
		sched_leave(cpu);
}

void exchange_wake(struct systrap_thread *t)
{
	u32 cpu;
	atomic_fetch_add_explicit(&systrap_stats.wakes, 1, memory_order_relaxed);
	host_futex_wake(&t->ctx->state, 1, true);
	cpu = atomic_load_explicit(&t->ctx->cpu, memory_order_relaxed);
	sched_woke(cpu);
	step_aside(cpu);
}

/* True: the stub slept, and has been woken or will be. */
static bool publish(struct systrap_thread *t, enum stub_verb verb)
{
	u32 old;
	t->ctx->reply.verb = verb;
	old = atomic_exchange(&t->ctx->state, STUB_REPLY);
	if (!(old & STUB_SLEEPS))
		return false;
	if (verb != VERB_RESUME || !late_put(t))
		exchange_wake(t);
	return true;
}

void exchange_post(struct systrap_thread *t, enum stub_verb verb)
{
	publish(t, verb);
}

static bool is_request(const struct systrap_thread *t)
{
	return (atomic_load_explicit(&t->ctx->state, memory_order_acquire) & 0xff) == STUB_REQUEST;
}

/* Programs that call often call again soon; what is seen here needs no arming and no search. */
static bool asks_again_soon(const struct systrap_thread *t)
{
	if (!systrap.may_spin || !sched_may_linger())
		return false;
	late_look(false);
	for (int i = 0; i < LINGER_LOOKS; i++) {
		if (is_request(t)) {
			atomic_fetch_add_explicit(&systrap_stats.lingers, 1, memory_order_relaxed);
			return true;
		}
		__builtin_ia32_pause();
	}
	return false;
}

/*
 * Keeps systrap.running. A thread stays counted during a call that does not wait, so that calls in
 * a row do not write to a line that all workers share.
 */
static void running_count(struct systrap_thread *t, bool runs)
{
	if (t->counted == runs)
		return;
	t->counted = runs;
	atomic_fetch_add_explicit(&systrap.running, runs ? 1 : ~0u, memory_order_relaxed);
}

void exchange_end(struct systrap_thread *t)
{
	running_count(t, false);
}

/* A store that changes nothing would take the line from the stub. */
static void clear_interrupt(struct systrap_thread *t)
{
	if (atomic_load_explicit(&t->ctx->interrupt, memory_order_relaxed))
		atomic_store(&t->ctx->interrupt, 0);
}

/*
 * On a machine with a core to spare for each it may as well wait awake: the next event may
 * be another guest's doing, and soon.
 */
void thread_waits(struct uspace *u)
{
	struct systrap_thread *t = container_of(u, struct systrap_thread, base.uspace);
	u32 state = STUB_REQUEST;
	running_count(t, false);
	/* The caller counts as well, and so does the worker. */
	if (!systrap.may_spin ||
	    atomic_load_explicit(&systrap.running, memory_order_relaxed) + 2 < systrap.cpus)
		return;
	atomic_compare_exchange_strong(&t->ctx->state, &state, STUB_REQUEST | STUB_LONG);
}

void thread_taken(struct uspace *u)
{
	struct systrap_thread *t = container_of(u, struct systrap_thread, base.uspace);
	u32 state = STUB_REQUEST;
	atomic_compare_exchange_strong(&t->ctx->state, &state, STUB_REQUEST | STUB_TAKEN);
}

/*
 * A verb takes the stub less time than two fiber switches, if it is awake. One that has been woken
 * may even wait for this very CPU.
 */
static bool answered_soon(struct systrap_thread *t)
{
	if (!systrap.may_spin)
		return false;
	for (int i = 0; i < SPIN_LOOKS; i++) {
		if (is_request(t))
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

/* For who copies an address space nobody waits awake. */
static bool takes_long(enum stub_verb verb)
{
	return verb == VERB_FORK;
}

bool exchange(struct systrap_thread *t, enum stub_verb verb)
{
	bool guest_runs = verb == VERB_RESUME, woken;
	if (t->died || t->base.space->dead)
		return false;
	if (guest_runs) {
		running_count(t, true);
		/* The exchange in publish() is the barrier: see thread_interrupt. */
		atomic_store_explicit(&t->running, true, memory_order_relaxed);
	}
	woken = publish(t, verb);
	if (guest_runs) {
		if (woken || !asks_again_soon(t))
			armed_wait(t);
	} else if (woken || takes_long(verb) || !answered_soon(t)) {
		overdue_answer(t);
		armed_wait(t);
		overdue_answered(t);
	}
	if (guest_runs) {
		late_forget(t);
		atomic_store_explicit(&t->running, false, memory_order_relaxed);
		clear_interrupt(t);
	}
	permits_drop(t);
	return !t->died && !t->base.space->dead;
}

s64 exchange_verb(struct systrap_thread *t, enum stub_verb verb)
{
	if (!exchange(t, verb))
		return -ESRCH;
	u8 kind = t->ctx->call.kind;
	if (kind == REQUEST_OPS_FAILED || kind == REQUEST_DONE)
		return t->ctx->request.result;
	return -EIO;
}

/* wrfsbase faults on what is no user address; arch_prctl(2) would have refused it. */
static u64 segment_base(u64 base)
{
	return base < STUB_TASK_SIZE ? base : 0;
}

void reply_registers(struct systrap_thread *t)
{
	late_registers(&t->base);
	t->base.regs.fs_base = segment_base(t->base.regs.fs_base);
	t->base.regs.gs_base = segment_base(t->base.regs.gs_base);
	t->ctx->reply.regs = t->base.regs;
	t->ctx->reply.rax = t->base.regs.rax;
}

void request_registers(struct systrap_thread *t)
{
	t->base.regs = t->ctx->request.regs;
	t->base.regs_late = false;
}

/* A call by a rewritten site: most of the registers are never looked at. */
static void request_call(struct systrap_thread *t)
{
	const struct stub_call *c = &t->ctx->call;
	struct user_regs_struct *r = &t->base.regs;
	r->orig_rax = c->nr;
	r->rax = (u64)-ENOSYS;
	r->rdi = c->arg[0];
	r->rsi = c->arg[1];
	r->rdx = c->arg[2];
	r->r10 = c->arg[3];
	r->r8 = c->arg[4];
	r->r9 = c->arg[5];
	t->base.regs_late = true;
	t->base.site = 0;
	atomic_fetch_add_explicit(&systrap_stats.fast_calls, 1, memory_order_relaxed);
}

void late_registers(struct platform_thread *pt)
{
	struct systrap_thread *t = systrap_thread(pt);
	const struct user_regs_struct have = pt->regs;
	struct user_regs_struct *r = &pt->regs;
	if (!pt->regs_late)
		return;
	request_registers(t);
	/* What has been acted upon, or changed by now, stays: nothing is taken twice. */
	r->orig_rax = have.orig_rax;
	r->rax = have.rax;
	r->rdi = have.rdi;
	r->rsi = have.rsi;
	r->rdx = have.rdx;
	r->r10 = have.r10;
	r->r8 = have.r8;
	r->r9 = have.r9;
	patch_late(t);
}

/* ---- host operations ---------------------------------------------------- */

/* Of a guest's flags only these mean anything to the host; the filter allows no others. */
static u32 mmap_flags(s32 flags)
{
	return (u32)flags & (MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
	                     MAP_POPULATE | MAP_FIXED);
}

/* Does it say more than what is in its first line? */
static bool op_is_long(const struct hostop *op)
{
	return op->kind == HOSTOP_FUTEX || op->kind == HOSTOP_MADVISE || op->kind == HOSTOP_STORE32;
}

static void op_encode(struct stub_op *out, const struct hostop *op, s32 place)
{
	*out = (struct stub_op){.kind = op->kind,
	                        .last_result = op->last_result,
	                        .prot = op->prot & 7,
	                        .flags = op->flags,
	                        .has_fd = op->kind == HOSTOP_MMAP && op->fd >= 0,
	                        .placed = -1,
	                        .addr = op->addr,
	                        .len = op->len,
	                        .newaddr = op->newaddr,
	                        .newlen = op->newlen,
	                        .off = op->off,
	                        .val = op->val,
	                        .val2 = op->val2,
	                        .val3 = op->val3,
	                        .deadline = op->deadline};
	if (out->has_fd && place)
		out->placed = place;
	if (op->kind == HOSTOP_MMAP)
		out->flags = (s32)(mmap_flags(op->flags) | (op->fd < 0 ? MAP_ANONYMOUS : 0));
}

/*
 * One socket serves all threads of a space, so files of two replies must not be
 * in it at once: the second sender waits until the first thread has confirmed its
 * operations. A stub that never does loses its space, as it could hold up the others.
 */
static bool file_turn(struct systrap_thread *t)
{
	struct platform_space *s = t->base.space;
	u64 give_up = 0;
	for (;;) {
		lock_acquire(&s->lock);
		/* Operations of later replies come after the files, so beyond is done, too. */
		bool free =
		    s->file_seq == 0 || space_context(s, s->file_k)->ops_done >= s->file_seq;

		if (free) {
			s->file_k = t->k;
			s->file_seq = t->seq;
		}
		lock_release(&s->lock);
		if (free)
			return true;
		if (s->dead)
			return false;
		if (!give_up)
			give_up = time_monotonic() + FILE_TURN_NS;
		else if (time_monotonic() > give_up) {
			space_kill(s);
			return false;
		}
		fiber_yield();
	}
}

static int send_files(struct systrap_thread *t, const s32 *fd, u32 n)
{
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(HOSTOPS_MAX * sizeof(s32))];
	} control;
	u8 byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = &control,
	                     .msg_controllen = CMSG_SPACE(n * sizeof(s32))};
	control.header.cmsg_len = CMSG_LEN(n * sizeof(s32));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), fd, n * sizeof(s32));
	if (sendmsg(t->base.space->socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == EPIPE || errno == ECONNRESET ? -ESRCH : -EIO;
	return 0;
}

/* None of the operations has been run and none will be: nobody must wait for them. */
static void ops_called_off(struct systrap_thread *t)
{
	permits_drop(t);
	t->ctx->reply.ops = t->ctx->reply.files = 0;
	atomic_store(&t->ctx->ops_done, t->seq);
}

int exchange_send_files(struct systrap_thread *t, const s32 *fd, u32 n)
{
	int err = 0;
	t->ctx->reply.ops = t->ctx->reply.files = 0;
	t->ctx->reply.seq = ++t->seq;
	if (file_turn(t))
		err = send_files(t, fd, n);
	if (err)
		ops_called_off(t);
	return err;
}

/* Puts the queued operations into the reply and sends the files they map. */
static int reply_ops(struct systrap_thread *t)
{
	struct stub_reply *reply = &t->ctx->reply;
	s32 fd[HOSTOPS_MAX], place = permits_place(t);
	u32 files = 0;
	int err = 0;
	for (unsigned i = 0; i < t->base.ops; i++) {
		struct hostop *op = &t->base.op[i];
		struct stub_op encoded;
		if (op->kind == HOSTOP_UNMAP_ALL)
			patch_forget(t->base.space);
		if (op->shareable)
			patch_map(t, op);
		op_encode(&encoded, op, place);
		memcpy(&reply->op[i], &encoded, op_is_long(op) ? sizeof(encoded) : STUB_OP_SHORT);
		if (!err)
			err = permits_add(t, &encoded, op->fd);
		if (encoded.has_fd && !place)
			fd[files++] = op->fd;
	}
	atomic_fetch_add_explicit(&systrap_stats.hostops, t->base.ops, memory_order_relaxed);
	reply->ops = t->base.ops;
	reply->files = files;
	reply->seq = t->base.ops ? ++t->seq : t->seq;
	if (t->base.ops)
		overdue_ops(t);
	t->base.ops = 0;
	if (!err && files && file_turn(t))
		err = send_files(t, fd, files);
	if (err)
		ops_called_off(t);
	return err;
}

bool thread_ops_done(const struct platform_thread *pt)
{
	const struct systrap_thread *t = container_of(pt, const struct systrap_thread, base);
	return t->died || pt->space->dead ||
	       (atomic_load_explicit(&t->ctx->ops_done, memory_order_acquire) == t->seq &&
	        !permits_open(t));
}

bool thread_waits_direct(const struct platform_thread *pt)
{
	const struct systrap_thread *t = container_of(pt, const struct systrap_thread, base);
	return atomic_load_explicit(&t->ctx->state, memory_order_relaxed) ==
	       (STUB_GUEST | STUB_WAITS);
}

s64 thread_sync(struct platform_thread *pt)
{
	struct systrap_thread *t = systrap_thread(pt);
	int err = reply_ops(t);
	if (err)
		return err;
	return exchange_verb(t, VERB_OPS);
}

/* ---- running ------------------------------------------------------------ */

static void take_fault(struct event *event, const struct stub_request *rq)
{
	event->fault.signo = rq->signo;
	event->fault.code = rq->code;
	event->fault.addr = rq->addr;
	event->fault.trapno = rq->trapno;
	event->fault.error_code = rq->error_code;
	event->fault.cr2 = rq->cr2;
	switch (event->fault.signo) {
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
		break;
	default: /* only a stub that lies says otherwise */
		event->fault.signo = SIGSEGV;
	}
}

static int death(struct systrap_thread *t, struct event *event)
{
	atomic_store(&t->died, true);
	t->ins = t->outs = 0;
	event->kind = EVENT_DEATH;
	return 0;
}

int thread_run(struct platform_thread *pt, struct event *event, int *failed_op)
{
	struct systrap_thread *t = systrap_thread(pt);
	struct stub_request *rq = &t->ctx->request;
	struct stub_reply *reply = &t->ctx->reply;
	u32 kind, says;
	int err;

	*failed_op = -1;
	/* May ask the stub, so before anything of the reply is there. */
	if (pt->regs_changed)
		patch_enter(t);
	reply->ops = reply->files = 0;
	if (pt->ops) {
		err = reply_ops(t);
		if (err) {
			*failed_op = 0;
			return err;
		}
	}
	reply->flags = 0;
	if (pt->regs_changed) {
		reply->flags |= REPLY_REGS_CHANGED;
		reply_registers(t);
	}
	if (pt->reset_fpu)
		reply->flags |= REPLY_RESET_FPU;
	if (pt->ops_only)
		reply->flags |= REPLY_OPS_ONLY;
	pt->ops_only = false;
	/* What the call's answer was, and the registers are still those of the call. */
	if (t->answer_lasts && !reply->flags) {
		reply->flags = REPLY_LASTS;
		reply->epoch = t->answer_epoch;
	}
	if (t->stat_lasts && !reply->flags && !reply->ops && t->outs == 1) {
		reply->flags = REPLY_STAT_LASTS;
		reply->epoch = t->answer_epoch;
		reply->attr = t->stat_told;
	}
	t->answer_lasts = t->stat_lasts = false;
	reply->rax = pt->regs.rax;
	guestmem_reply(t);

	if (!exchange(t, VERB_RESUME))
		return death(t, event);
	kind = t->ctx->call.kind;
	if (kind == REQUEST_OPS_FAILED) {
		s64 result = rq->result;
		u32 failed = rq->failed_op;
		patch_event(t);
		*failed_op = failed < HOSTOPS_MAX ? (int)failed : 0;
		return result < 0 && result >= -4095 ? (int)result : -EIO;
	}
	pt->regs_changed = pt->reset_fpu = false;
	if (kind == REQUEST_SYSCALL && t->ctx->call.fast)
		request_call(t);
	else
		request_registers(t);
	guestmem_begin(t);
	says = kind == REQUEST_SYSCALL ? t->ctx->call.says : 0;
	t->usage_told = says & CALL_USAGE;
	t->told_used |= says & CALL_TOLD_USED;
	switch (kind) {
	case REQUEST_SYSCALL:
		event->kind = EVENT_SYSCALL;
		if (!pt->regs_late)
			patch_call(t);
		atomic_fetch_add_explicit(&systrap_stats.calls, 1, memory_order_relaxed);
		break;
	case REQUEST_FAULT:
		event->kind = EVENT_FAULT;
		take_fault(event, rq);
		patch_event(t);
		/* As an interrupt for nothing: its own fiber must look at what came in between. */
		if (patch_repair(t, event)) {
			event->kind = EVENT_INTERRUPT;
			break;
		}
		atomic_fetch_add_explicit(&systrap_stats.faults, 1, memory_order_relaxed);
		break;
	default:
		event->kind = EVENT_INTERRUPT;
		patch_event(t);
		atomic_fetch_add_explicit(&systrap_stats.interrupts, 1, memory_order_relaxed);
	}
	return 0;
}

void thread_looks(struct platform_thread *pt)
{
	/* Before the look: who sets it after this has come too late for that. */
	clear_interrupt(systrap_thread(pt));
}

void thread_interrupt(struct platform_thread *pt)
{
	struct systrap_thread *t = systrap_thread(pt);
	atomic_store(&t->ctx->interrupt, 1);
	if (!atomic_load(&t->running))
		return;
	if (syscall(SYS_tgkill, t->base.space->pid, t->tid, STUB_INTERRUPT_SIGNAL) < 0)
		armed_fail(t);
}
