/*
 * Host operations, carried out by the guest's own thread, one injected call each.
 * The stub's half of systrap does the same in its address space (platform/stub/hostops.c), and the
 * same filter is over both. Ranges are checked once more, so that a mistake above cannot
 * unmap the stub.
 *
 * Files to map are sent through a socket of which all stubs have the other end. A stub has no file
 * but that, so what it receives get the numbers behind it; the scratch mutex is held
 * until they are closed, so that there is never more than one message under way, and no fork
 * copies them. A thread that dies in between leaves its message: the sentry takes it back.
 *
 * Host calls: sendmsg, read.
 */
#include "platform/ptrace/ptrace.h"
#include <errno.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a guest's flags only these mean anything to the host; the filter allows no others. */
static u32 mmap_flags(s32 flags)
{
	return (u32)flags &
	       (MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE);
}

/* ---- files --------------------------------------------------------------- */

/* The call's arguments in the stub: where recvmsg finds them and puts the descriptor. */
struct receive_args {
	struct msghdr msg;
	struct iovec iov;
	u8 byte;
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(sizeof(s32))];
	} control; /* last, as a cmsghdr ends in an array without a length */
};

static int send_file(s32 fd)
{
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(sizeof(s32))];
	} control = {.bytes = {0}};
	u8 byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = &control,
	                     .msg_controllen = sizeof(control)};

	control.header.cmsg_len = CMSG_LEN(sizeof(s32));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(tracing.socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -EIO : 0;
}

/* t's descriptor of the file, or -errno. */
static s64 pass_file(struct ptrace_thread *t, s32 fd)
{
	struct receive_args args = {
	    .msg = {.msg_iov = (struct iovec *)(SCRATCH + offsetof(struct receive_args, iov)),
	            .msg_iovlen = 1,
	            .msg_control = (void *)(SCRATCH + offsetof(struct receive_args, control)),
	            .msg_controllen = sizeof(args.control)},
	    .iov = {(void *)(SCRATCH + offsetof(struct receive_args, byte)), 1}};
	u8 byte;
	s64 got;

	if (!scratch_write(t, 0, &args, sizeof(args)))
		return -ESRCH;
	if (send_file(fd) != 0)
		return -EIO;
	got = inject_call(t, SYS_recvmsg, STUB_SOCKET_FD, SCRATCH, MSG_DONTWAIT | MSG_CMSG_CLOEXEC,
	                  0, 0, 0);
	if (got == 1)
		return STUB_SOCKET_FD + 1;
	/* Unless it was received already, it is in the way of the next. */
	(void)!read(tracing.stub_socket, &byte, 1);
	return got < 0 ? got : -EIO;
}

static s64 map(struct ptrace_thread *t, const struct hostop *op, s64 fd)
{
	u64 flags = mmap_flags(op->flags) | MAP_FIXED;

	return inject_call(t, SYS_mmap, op->addr, op->len, (u64)op->prot & 7,
	                   fd < 0 ? flags | MAP_ANONYMOUS : flags, (u64)fd, op->off);
}

static s64 op_mmap(struct ptrace_thread *t, const struct hostop *op)
{
	s64 fd, result;

	if (op->fd < 0)
		return map(t, op, -1);
	mutex_guard(&tracing.scratch);
	fd = pass_file(t, op->fd);
	if (fd < 0)
		return fd;
	result = map(t, op, fd);
	(void)inject_call(t, SYS_close, (u64)fd, 0, 0, 0, 0, 0);
	return result;
}

/* ---- futexes ------------------------------------------------------------- */

/*
 * A wait until an absolute time: when the host has read the time is not known before the wait is
 * over, so each thread has a place of its own for it, by its host id.
 */
static u64 deadline_place(const struct ptrace_thread *t)
{
	return DEADLINES + (u64)t->tid * sizeof(struct timespec);
}

static s64 futex_wait(struct ptrace_thread *t, const struct hostop *op)
{
	u64 cmd = (u64)op->flags & FUTEX_CMD_MASK, all = (u32)op->flags, val3 = op->val3;
	u64 until = 0;

	if (op->deadline != ~0ULL) {
		const struct timespec ts = {.tv_sec = (s64)(op->deadline / 1000000000),
		                            .tv_nsec = (s64)(op->deadline % 1000000000)};
		/* Only the other wait knows an absolute time; begun anew it does not wait anew. */
		if (cmd == FUTEX_WAIT) {
			all = (all & ~(u64)FUTEX_CMD_MASK) | FUTEX_WAIT_BITSET;
			val3 = FUTEX_BITSET_MATCH_ANY;
		}
		if (!scratch_write(t, deadline_place(t) - SCRATCH, &ts, sizeof(ts)))
			return -ESRCH;
		until = deadline_place(t);
	}
	return inject_wait(t, SYS_futex, op->addr, all, op->val, until, op->newaddr, val3);
}

static s64 op_futex(struct ptrace_thread *t, const struct hostop *op)
{
	u64 cmd = (u64)op->flags & FUTEX_CMD_MASK;

	if (!guest_range(op->addr, 4) || (op->newaddr && !guest_range(op->newaddr, 4)))
		return -EFAULT;
	if (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET)
		return futex_wait(t, op);
	/* What does not wait is not cut short: a dying thread's wake must get through. */
	return inject_call(t, SYS_futex, op->addr, (u32)op->flags, op->val, op->val2, op->newaddr,
	                   op->val3);
}

/* ---- one after the other ------------------------------------------------- */

static s64 op_mremap(struct ptrace_thread *t, const struct hostop *op)
{
	u64 flags = op->newaddr == op->addr ? 0 : (u64)op->flags | MREMAP_MAYMOVE | MREMAP_FIXED;

	if (!guest_range(op->newaddr, op->newlen))
		return -EINVAL;
	return inject_call(t, SYS_mremap, op->addr, op->len, op->newlen, flags,
	                   flags ? op->newaddr : 0, 0);
}

static s64 carry_out(struct ptrace_thread *t, const struct hostop *op)
{
	const u32 word = (u32)op->val;

	if (op->kind != HOSTOP_FUTEX && op->kind != HOSTOP_UNMAP_ALL &&
	    !guest_range(op->addr, op->len))
		return -EINVAL;
	switch (op->kind) {
	case HOSTOP_MMAP:
		return op_mmap(t, op);
	case HOSTOP_MUNMAP:
		return inject_call(t, SYS_munmap, op->addr, op->len, 0, 0, 0, 0);
	case HOSTOP_MPROTECT:
		return inject_call(t, SYS_mprotect, op->addr, op->len, (u64)op->prot & 7, 0, 0, 0);
	case HOSTOP_MREMAP:
		return op_mremap(t, op);
	case HOSTOP_MADVISE:
		return inject_call(t, SYS_madvise, op->addr, op->len,
		                   op->val ? op->val : (u64)op->flags, 0, 0, 0);
	case HOSTOP_FUTEX:
		return op_futex(t, op);
	case HOSTOP_STORE32:
		return ptrace_space_write(t->base.space, op->addr, &word, 4) == 4 ? 0 : -EFAULT;
	case HOSTOP_UNMAP_ALL:
		return inject_call(t, SYS_munmap, 0, GUEST_MAX, 0, 0, 0, 0);
	case HOSTOP_MINCORE:
		if (!guest_range(op->newaddr, op->len / PAGE_SIZE))
			return -EFAULT;
		return inject_call(t, SYS_mincore, op->addr, op->len, op->newaddr, 0, 0, 0);
	}
	return -ENOSYS;
}

void hostops_carry_out(struct ptrace_thread *t, struct ops_result *out)
{
	struct hostop op[HOSTOPS_MAX];
	unsigned n = t->base.ops;

	*out = (struct ops_result){.failed = -1};
	memcpy(op, t->base.op, n * sizeof(op[0]));
	/* In this order: see platform_thread_ops_done. */
	atomic_store(&t->busy, true);
	t->base.ops = 0;
	for (unsigned i = 0; i < n && out->failed < 0; i++) {
		s64 r;
		/* A wait may last: what came before it is done, and others may rely on that. */
		if (op[i].kind == HOSTOP_FUTEX && i == n - 1)
			atomic_store(&t->busy, false);
		r = carry_out(t, &op[i]);
		out->result = r;
		out->counts |= op[i].last_result;
		if (op[i].kind == HOSTOP_FUTEX)
			out->interrupted = r == -EINTR;
		else if (r < 0 && r >= -4095)
			out->failed = (int)i;
	}
	atomic_store(&t->busy, false);
}

s64 ptrace_sync(struct platform_thread *pt)
{
	struct ops_result done;

	hostops_carry_out(ptrace_thread(pt), &done);
	return done.result;
}

bool ptrace_ops_done(const struct platform_thread *pt)
{
	const struct ptrace_thread *t = container_of(pt, const struct ptrace_thread, base);

	return t->died || !atomic_load(&t->busy);
}
