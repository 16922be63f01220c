/*
 * A handler changes the interrupted context: rip, rax, the mask; getcontext, makecontext,
 * swapcontext. sigaction(2).
 */
#include "compat.h"
#include <ucontext.h>

static volatile int steps;

static void skip_ud2(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *ctx = uc;

	(void)sig, (void)si;
	ctx->uc_mcontext.gregs[REG_RIP] += 2;
	ctx->uc_mcontext.gregs[REG_RAX] = 4711;
	steps++;
}

static void block_usr2(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *ctx = uc;

	(void)sig, (void)si;
	sigaddset(&ctx->uc_sigmask, SIGUSR2);
}

static void step(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *ctx = uc;

	(void)sig, (void)si;
	if (++steps >= 5)
		ctx->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

static ucontext_t main_ctx, co_ctx;
static int trace[16], ntrace;

static void coroutine(int a, int b)
{
	for (int i = 0; i < 3; i++) {
		trace[ntrace++] = a * 10 + b + i;
		swapcontext(&co_ctx, &main_ctx);
	}
	trace[ntrace++] = 99;
}

int main(void)
{
	static char stack[65536];
	long rax = 0;
	sigset_t set;

	handle_info(SIGILL, skip_ud2, 0);
	__asm__ volatile("xor %%eax,%%eax; ud2" : "=a"(rax)::"memory");
	NUM(rax);
	NUM(steps);
	handle_info(SIGUSR1, block_usr2, 0);
	raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &set);
	YES(sigismember(&set, SIGUSR2));
	YES(!sigismember(&set, SIGUSR1));

	steps = 0;
	handle_info(SIGTRAP, step, 0);
	__asm__ volatile(
	    "pushf; orq $0x100,(%%rsp); popf; nop; nop; nop; nop; nop; nop; nop; nop" ::
	        : "cc", "memory");
	NUM(steps);

	getcontext(&co_ctx);
	co_ctx.uc_stack.ss_sp = stack;
	co_ctx.uc_stack.ss_size = sizeof(stack);
	co_ctx.uc_link = &main_ctx;
	makecontext(&co_ctx, (void (*)(void))coroutine, 2, 4, 2);
	for (int i = 0; i < 4; i++) {
		trace[ntrace++] = -1;
		swapcontext(&main_ctx, &co_ctx);
	}
	for (int i = 0; i < ntrace; i++)
		printf("%d ", trace[i]);
	printf("\n");
	/* A frame with a bad code segment is refused by a fatal SIGSEGV. */
	IN_CHILD("bad sigreturn", __asm__ volatile("mov $8,%%rsp; mov $15,%%eax; syscall" ::
	                                               : "memory", "rax"));
	return 0;
}
