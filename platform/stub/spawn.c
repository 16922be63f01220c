/*
 * How stubs multiply. Both kinds of child stand still awaiting their first
 * reply and later leave by rt_sigreturn from a copy of the frame by which their
 * parent trapped, so they start with their parent's registers and FPU state.
 *
 * A fork copies the parent's private stack, hence the frame; the context is not
 * copied (MADV_DONTFORK), and the child must not touch it before it has its own, which
 * the sentry has sent the parent together with the child's end of a new socket. The token
 * that came with them is in the child's memory from the start: by it the sentry makes sure that
 * the process that the parent names is this child (platform/systrap/attach.c).
 * A thread gets the frame copied to its own stack.
 *
 * Host calls: clone, prctl, recvmsg, mmap, madvise, close, exit.
 */
#include "platform/stub/stub.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

struct inheritance {
	s32 context, socket;
};

/* The sentry has closed its end of the socket: with its last thread. */
static bool sentry_gone(s32 socket)
{
	u8 byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return host3(__NR_recvmsg, socket, &msg, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/*
 * The forked child. Its parent is the sentry (CLONE_PARENT); should that be gone by the time
 * that the child says it wants to die with it, the warden ends it, and where that has been killed,
 * too, the child looks for itself: the sentry's threads end one by one, so more than once.
 */
static noreturn void attach(struct stub_context *ctx, struct host_frame *frame,
                            struct inheritance own)
{
	struct stub_params *params = (struct stub_params *)STUB_PARAMS;
	bool replied;
	s64 addr;
	host3(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
	addr = host6(__NR_mmap, STUB_CONTEXTS, STUB_CONTEXTS_SIZE, PROT_READ | PROT_WRITE,
	             MAP_SHARED | MAP_FIXED, (u64)own.context, 0);
	if (addr != STUB_CONTEXTS ||
	    host3(__NR_madvise, addr, STUB_CONTEXTS_SIZE, MADV_DONTFORK) != 0)
		stub_die();
	host3(__NR_close, own.context, 0, 0);
	host3(__NR_close, params->socket, 0, 0);
	params->socket = own.socket;
	/* Once at least: a reply may have been there before the sentry went. */
	do {
		replied = handover_wait_some(ctx);
		if (sentry_gone(own.socket))
			stub_die();
	} while (!replied);
	trap_serve(ctx, frame);
}

s64 spawn_fork(struct stub_context *ctx, struct host_frame *frame, u64 token, u64 ctid)
{
	u64 seq = ctx->reply.seq;
	s64 pid = -EMFILE;
	s32 fd[2];
	receive_files(fd, 2);
	((struct stub_params *)STUB_PARAMS)->token = token;
	if (fd[0] >= 0 && fd[1] >= 0)
		do /* the sentry may be asked first: see change() in hostops.c */
			pid = host6(__NR_clone, STUB_FORK_FLAGS, 0, 0, ctid, 0, 0);
		while (pid == -EINTR);
	if (pid == 0)
		attach(ctx, frame, (struct inheritance){.context = fd[0], .socket = fd[1]});
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			host3(__NR_close, fd[i], 0, 0);
	/* Not sooner: another thread's files would be copied to the child. */
	atomic_store_explicit(&ctx->ops_done, seq, memory_order_release);
	return pid;
}

s64 spawn_thread(struct stub_context *ctx, struct host_frame *frame, u64 k)
{
	u64 parent_top = ((u64)frame - STUB_STACKS) / STUB_STACK_SIZE * STUB_STACK_SIZE +
	                 STUB_STACKS + STUB_SIGNAL_STACK;
	u64 base = STUB_STACKS + k * STUB_STACK_SIZE;
	u64 size = parent_top - (u64)frame;
	struct stub_context *child_ctx = stub_context_at(STUB_CONTEXTS, (unsigned)k);
	struct host_frame *copy = (struct host_frame *)(base + STUB_SIGNAL_STACK - size);
	s64 tid;
	(void)ctx;
	if (k >= STUB_MAX_THREADS || size > STUB_SIGNAL_STACK / 2)
		return -EAGAIN;
	memcpy(copy, frame, size);
	copy->uc.mc.fpstate += (u64)copy - (u64)frame;
	/* rt_sigreturn sets the alternate stack, too: the child needs no call of its own for that.
	 */
	copy->uc.stack.ss_sp = (void *)base;
	copy->uc.stack.ss_size = STUB_SIGNAL_STACK;
	copy->uc.stack.ss_flags = 0;
	do
		tid = stub_clone_thread(STUB_THREAD_FLAGS, ((u64)copy - 256) & ~15UL,
		                        (u64)&child_ctx->tid, child_ctx, copy);
	while (tid == -EINTR);
	return tid;
}

void thread_main(struct stub_context *ctx, struct host_frame *frame)
{
	handover_wait(ctx);
	trap_serve(ctx, frame);
}

void spawn_exit(void)
{
	/* The host clears the context's tid word when the stack and the context are free again. */
	for (;;)
		host3(__NR_exit, 0, 0, 0);
}
