/*
 * sigsetjmp and siglongjmp out of handlers restore the mask; longjmp without it does not; deep
 * recursion of handlers.
 */
#include "compat.h"
#include <setjmp.h>

static sigjmp_buf env;
static volatile sig_atomic_t depth, deepest;

static void jump(int sig)
{
	siglongjmp(env, sig);
}

static void nested(int sig)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (depth < 50)
		raise(sig == SIGUSR1 ? SIGUSR2 : SIGUSR1);
	depth--;
}

static bool blocked(int sig)
{
	sigset_t s;

	sigprocmask(SIG_BLOCK, NULL, &s);
	return sigismember(&s, sig);
}

int main(void)
{
	volatile int rounds = 0;
	int r;

	handle(SIGUSR1, jump, 0);
	r = sigsetjmp(env, 1);
	if (rounds < 1000) {
		rounds++;
		raise(SIGUSR1);
	}
	printf("rounds %d value %s blocked %d\n", rounds, sig_name(r), blocked(SIGUSR1));
	r = sigsetjmp(env, 0);
	if (r == 0)
		raise(SIGUSR1);
	printf("without the mask: blocked %d\n", blocked(SIGUSR1));
	sigset_t s = sigset_of(SIGUSR1, 0);
	sigprocmask(SIG_UNBLOCK, &s, NULL);

	/* Out of a fault, many times. */
	handle(SIGSEGV, jump, SA_NODEFER);
	volatile int faults = 0;
	sigsetjmp(env, 1);
	if (faults < 1000) {
		faults++;
		*(volatile int *)bad_ptr() = 1;
	}
	NUM(faults);
	handle(SIGUSR1, nested, SA_NODEFER);
	handle(SIGUSR2, nested, SA_NODEFER);
	raise(SIGUSR1);
	NUM(deepest);
	NUM(depth);
	return 0;
}
