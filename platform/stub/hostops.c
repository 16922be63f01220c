/*
 * Host operations: what the guest's own thread does to its memory and futexes
 * because a reply says so (design 2.4). The sentry has decided that each is
 * allowed; the ranges are checked here once more so that a mistake up there
 * cannot unmap the stub from under itself, and the filter checks what it can.
 *
 * Host calls: mmap, munmap, mprotect, mremap, madvise, mincore, futex, recvmsg, close.
 */
#include "platform/stub/stub.h"
#include <linux/futex.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/socket.h>

/*
 * A change of memory. It cannot be interrupted, but where the sentry is asked about it first, that
 * may be before it has heard the question.
 */
static s64 change(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	s64 result;
	do
		result = host6(nr, a, b, c, d, e, f);
	while (result == -EINTR);
	return result;
}

/* What a wait may end with besides success, without being a failure of the host. */
static bool is_error(s64 result)
{
	return result < 0 && result >= -4095;
}

void receive_files(s32 *fd, u32 count)
{
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(HOSTOPS_MAX * sizeof(s32))];
	} control;
	u8 byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = &control,
	                     .msg_controllen = sizeof(control)};
	u32 got = 0;
	s64 n;
	for (u32 i = 0; i < count; i++)
		fd[i] = -1;
	do
		n = host3(__NR_recvmsg, ((struct stub_params *)STUB_PARAMS)->socket, &msg,
		          MSG_CMSG_CLOEXEC);
	while (n == -EINTR);
	/* NOLINTBEGIN(clang-analyzer-core.UndefinedBinaryOperatorResult): the host has filled it in
	 */
	if (n < 0 || msg.msg_controllen < sizeof(struct cmsghdr) ||
	    control.header.cmsg_type != SCM_RIGHTS || control.header.cmsg_len < CMSG_LEN(0))
		return;
	/* NOLINTEND(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	got = (u32)((control.header.cmsg_len - CMSG_LEN(0)) / sizeof(s32));
	for (u32 i = 0; i < min_of(got, count); i++)
		fd[i] = ((const s32 *)CMSG_DATA(&control.header))[i];
}

s64 stub_wait(struct stub_context *ctx, u64 addr, u64 op, u64 val, u64 timeout, u64 addr2, u64 val3)
{
	s64 result;
	atomic_store_explicit(&ctx->state, STUB_GUEST | STUB_WAITS, memory_order_relaxed);
	result = stub_futex(ctx, addr, op, val, timeout, addr2, val3);
	atomic_store_explicit(&ctx->state, STUB_GUEST, memory_order_relaxed);
	return result;
}

static s64 op_mmap(const struct stub_op *op, s32 fd)
{
	if (op->has_fd && fd < 0)
		return -EMFILE;
	if (!guest_range(op->addr, op->len))
		return -EINVAL;
	return change(__NR_mmap, op->addr, op->len, (u64)op->prot, (u64)op->flags | MAP_FIXED,
	              (u64)(s64)(op->has_fd ? fd : -1), op->off);
}

static s64 op_futex(struct stub_context *ctx, const struct stub_op *op)
{
	u64 cmd = (u64)op->flags & FUTEX_CMD_MASK, all = (u32)op->flags;
	u64 val3 = op->val3, fourth = op->val2;
	struct timespec ts;
	if (!guest_range(op->addr, 4) || (op->newaddr && !guest_range(op->newaddr, 4)))
		return -EFAULT;
	if (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET) {
		fourth = 0;
		if (op->deadline != ~0ULL) {
			/* An absolute time needs the other wait; a restart then does not wait anew.
			 */
			if (cmd == FUTEX_WAIT) {
				all = (all & ~(u64)FUTEX_CMD_MASK) | FUTEX_WAIT_BITSET;
				val3 = FUTEX_BITSET_MATCH_ANY;
			}
			ts.tv_sec = (s64)(op->deadline / 1000000000);
			ts.tv_nsec = (s64)(op->deadline % 1000000000);
			fourth = (u64)&ts;
		}
	}
	if (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET)
		return stub_wait(ctx, op->addr, all, op->val, fourth, op->newaddr, val3);
	/* What does not wait is not cut short by an interrupt: a dying thread's wake must get
	 * through. */
	return host6(__NR_futex, op->addr, all, op->val, fourth, op->newaddr, val3);
}

/* What lies in the reserved part stays until the whole space goes. */
static s64 op_munmap(u64 addr, u64 len)
{
	u64 end = addr + len;
	s64 result = 0;
	if (!platform_reserved(addr, len))
		return change(__NR_munmap, addr, len, 0, 0, 0, 0);
	if (addr < PLATFORM_RESERVED)
		result = change(__NR_munmap, addr, PLATFORM_RESERVED - addr, 0, 0, 0, 0);
	if (result == 0 && end > PLATFORM_RESERVED_END)
		result = change(__NR_munmap, PLATFORM_RESERVED_END, end - PLATFORM_RESERVED_END, 0,
		                0, 0, 0);
	return result;
}

/* The words of shared sites are every program's. */
static s64 unmap_all(void)
{
	s64 result = change(__NR_munmap, 0, PLATFORM_RESERVED, 0, 0, 0, 0);
	if (result == 0)
		result = change(__NR_munmap, PATCH_TABLE, GUEST_MAX - PATCH_TABLE, 0, 0, 0, 0);
	return result;
}

static s64 run_one(struct stub_context *ctx, const struct stub_op *op, s32 fd)
{
	if (op->kind != HOSTOP_FUTEX && op->kind != HOSTOP_UNMAP_ALL &&
	    !guest_range(op->addr, op->len))
		return -EINVAL;
	switch (op->kind) {
	case HOSTOP_MMAP:
		return op_mmap(op, fd);
	case HOSTOP_MUNMAP:
		return op_munmap(op->addr, op->len);
	case HOSTOP_MPROTECT:
		return change(__NR_mprotect, op->addr, op->len, (u64)op->prot, 0, 0, 0);
	case HOSTOP_MREMAP:
		if (!guest_range(op->newaddr, op->newlen))
			return -EINVAL;
		if (op->newaddr == op->addr)
			return change(__NR_mremap, op->addr, op->len, op->newlen, 0, 0, 0);
		return change(__NR_mremap, op->addr, op->len, op->newlen,
		              (u64)op->flags | MREMAP_MAYMOVE | MREMAP_FIXED, op->newaddr, 0);
	case HOSTOP_MADVISE:
		return change(__NR_madvise, op->addr, op->len, op->val ? op->val : (u64)op->flags,
		              0, 0, 0);
	case HOSTOP_FUTEX:
		return op_futex(ctx, op);
	case HOSTOP_STORE32:
		return stub_store32(op->addr, (u32)op->val);
	case HOSTOP_UNMAP_ALL:
		return unmap_all();
	case HOSTOP_MINCORE:
		if (!guest_range(op->newaddr, op->len / PAGE_SIZE))
			return -EFAULT;
		return host3(__NR_mincore, op->addr, op->len, op->newaddr);
	}
	return -ENOSYS;
}

bool hostops_run(struct stub_context *ctx, s64 *result, bool *has_result, bool *interrupted)
{
	struct stub_reply *reply = &ctx->reply;
	u32 count = min_of(reply->ops, (u32)HOSTOPS_MAX),
	    files = min_of(reply->files, (u32)HOSTOPS_MAX);
	s32 fd[HOSTOPS_MAX];
	u32 next = 0;
	bool ok = true;
	*has_result = *interrupted = false;
	*result = 0;
	if (files)
		receive_files(fd, files);
	for (u32 i = 0; i < count && ok; i++) {
		const struct stub_op *op = &reply->op[i];
		bool takes = op->kind == HOSTOP_MMAP && op->has_fd && next < files;
		s32 file = takes ? fd[next++] : op->placed;
		s64 r;
		/* A wait may last: what came before it is done, and others may rely on that. */
		if (op->kind == HOSTOP_FUTEX && i == count - 1)
			atomic_store_explicit(&ctx->ops_done, reply->seq, memory_order_release);
		r = run_one(ctx, op, file);
		if (file >= 0)
			host3(__NR_close, file, 0, 0);
		*result = r;
		*has_result = *has_result || op->last_result;
		if (op->kind == HOSTOP_FUTEX) {
			*interrupted = r == -EINTR;
		} else if (is_error(r)) {
			ctx->request.failed_op = i;
			ctx->request.result = r;
			ok = false;
		}
	}
	for (; next < files; next++)
		if (fd[next] >= 0)
			host3(__NR_close, fd[next], 0, 0);
	atomic_store_explicit(&ctx->ops_done, reply->seq, memory_order_release);
	return ok;
}
