/*
 * Calls that need no sentry (design 2.2.3): what a thread may know about itself, reads and writes
 * without effect, what is known of open files, and futexes, which belong to the host kernel as
 * guest memory does. A guest that scribbles on its identity lies only to itself. fast.S answers
 * those that are one number before it even saves registers.
 */
#include "base/fd_answer.h"
#include "platform/stub/stub.h"

/* Operations of futex(2); its flags beside FUTEX_PRIVATE_FLAG make no difference to what is
 * allowed. */
enum {
	OP_WAIT = 0,
	OP_WAKE = 1,
	OP_REQUEUE = 3,
	OP_CMP_REQUEUE = 4,
	OP_WAKE_OP = 5,
	OP_WAIT_BITSET = 9,
	OP_WAKE_BITSET = 10,
	OP_PRIVATE = 128,
	OP_REALTIME = 256,
};

/*
 * What waits with a timeout is the sentry's, which knows how to go on after an
 * interruption; so are the PI operations, which are about who a thread is.
 */
static bool direct_futex(struct stub_context *ctx, struct host_sigcontext *mc)
{
	u64 op = mc->rsi & 0xffffffff;
	if (!guest_range(mc->rdi, 4))
		return false;
	switch (op & ~(u64)OP_PRIVATE) {
	case OP_WAKE:
		mc->rax = (u64)host3(__NR_futex, mc->rdi, op, mc->rdx);
		return true;
	case OP_WAKE_BITSET:
		mc->rax = (u64)host6(__NR_futex, mc->rdi, op, mc->rdx, 0, 0, mc->r9);
		return true;
	case OP_REQUEUE:
	case OP_CMP_REQUEUE:
	case OP_WAKE_OP:
		if (!guest_range(mc->r8, 4))
			return false;
		mc->rax = (u64)host6(__NR_futex, mc->rdi, op, mc->rdx, mc->r10, mc->r8, mc->r9);
		return true;
	case OP_WAIT:
	case OP_WAIT_BITSET:
	case OP_WAIT_BITSET | OP_REALTIME:
		if (mc->r10 != 0)
			return false;
		/* Interrupted: the sentry sees a call that returned -EINTR and may restart it. */
		mc->rax = (u64)stub_wait(ctx, mc->rdi, op, mc->rdx, 0, 0, mc->r9);
		return true;
	}
	return false;
}

/* More is worth a look at its whole range by the sentry. */
#define DIRECT_IO_MAX 0x10000000u

static bool direct_put(u64 addr, const void *src, u64 n)
{
	return guest_range(addr, n) && stub_copy((void *)addr, src, n) == n;
}

/* False: they are changing. */
static bool direct_uname(struct stub_context *ctx, struct host_sigcontext *mc)
{
	struct stub_shared *shared = stub_shared();
	u32 seq = atomic_load(&shared->names_seq);
	/* No request is in the window now. */
	memcpy(ctx->window, &shared->names, sizeof(shared->names));
	atomic_thread_fence(memory_order_acquire);
	if (seq == 0 || seq % 2 || atomic_load(&shared->names_seq) != seq)
		return false;
	mc->rax = direct_put(mc->rdi, ctx->window, sizeof(shared->names)) ? 0 : (u64)-EFAULT;
	return true;
}

static u64 direct_getcpu(const struct host_sigcontext *mc)
{
	u32 limit = stub_cpunode(), node = limit >> CPUNODE_BITS;
	u32 cpu = limit & ((1u << CPUNODE_BITS) - 1);
	if (mc->rdi && !direct_put(mc->rdi, &cpu, sizeof(cpu)))
		return (u64)-EFAULT;
	if (mc->rsi && !direct_put(mc->rsi, &node, sizeof(node)))
		return (u64)-EFAULT;
	return 0;
}

/*
 * /dev/null and the like. The sentry has served a call for this descriptor and told us what there
 * is to it; the word changes before a close, or what else makes it another file, returns, so
 * whoever has seen that return sees it here. A guest that scribbles on its answers lies only to
 * itself.
 */
static bool direct_io(const struct stub_context *ctx, struct host_sigcontext *mc, bool write)
{
	const struct stub_shared *shared = stub_shared();
	u64 fd = mc->rdi & 0xffffffff, addr = mc->rsi, n = mc->rdx, got;
	const struct fd_told *told;
	u32 answers;

	if (fd >= PLATFORM_FD_ANSWERS || n > DIRECT_IO_MAX || !guest_range(addr, n))
		return false;
	told = &ctx->fd_told[fd];
	answers = told->answers;
	if (!answers || shared->fd_word[told->word % PLATFORM_FD_WORDS] != told->seen)
		return false;
	if (write && (answers & FD_TAKES_ALL)) {
		mc->rax = n;
	} else if (!write && (answers & FD_READS_NOTHING)) {
		mc->rax = 0;
	} else if (!write && (answers & FD_READS_ZEROS) && n <= sizeof(shared->zeros)) {
		got = stub_copy((void *)addr, shared->zeros, n);
		mc->rax = got || !n ? got : (u64)-EFAULT;
	} else {
		return false;
	}
	return true;
}

bool direct_call(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr)
{
	const struct thread_identity *id = &ctx->identity;
	switch (nr) {
	case __NR_getpid:
		mc->rax = (u64)(s64)id->pid;
		break;
	case __NR_gettid:
		mc->rax = (u64)(s64)id->tid;
		break;
	case __NR_getuid:
		mc->rax = id->uid;
		break;
	case __NR_geteuid:
		mc->rax = id->euid;
		break;
	case __NR_getgid:
		mc->rax = id->gid;
		break;
	case __NR_getegid:
		mc->rax = id->egid;
		break;
	case __NR_getppid:
		mc->rax = (u64)(s64)ctx->ppid;
		break;
	case __NR_uname:
		if (!id->names || !direct_uname(ctx, mc))
			return false;
		break;
	case __NR_getcpu:
		if (!ctx->any_cpu)
			return false;
		mc->rax = direct_getcpu(mc);
		break;
	case __NR_read:
	case __NR_write:
		if (!direct_io(ctx, mc, nr == __NR_write))
			return false;
		break;
	case __NR_fstat:
	case __NR_newfstatat:
	case __NR_fcntl:
	case __NR_ioctl:
		if (!file_answer(ctx, mc, nr))
			return false;
		break;
	case __NR_futex:
		if (!direct_futex(ctx, mc))
			return false;
		break;
	default:
		return false;
	}
	ctx->direct_calls++;
	return true;
}
