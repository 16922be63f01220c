/*
 * sigaltstack(2): handlers on it, SS_ONSTACK, nesting, a stack overflow handled there, AUTODISARM,
 * fork, threads, errors.
 */
#include "compat.h"
#include <pthread.h>
#include <setjmp.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char alt[65536] __attribute__((aligned(16)));
static sigjmp_buf env;
static int depth;

static bool on_alt(void *p)
{
	return (char *)p >= alt && (char *)p < alt + sizeof(alt);
}

static void handler(int sig)
{
	int local;
	stack_t ss;

	sigaltstack(NULL, &ss);
	printf("%s: on alt %d flags %d\n", sig_name(sig), on_alt(&local), ss.ss_flags);
	if (sig == SIGUSR1) {
		ss.ss_flags = 0;
		RES(sigaltstack(&ss, NULL)); /* not while it is in use */
		raise(SIGUSR2);
	}
}

static void overflow(int sig, siginfo_t *si, void *uc)
{
	int local;

	(void)uc;
	printf("%s code %d on alt %d\n", sig_name(sig),
	       si->si_code == SEGV_MAPERR || si->si_code == SEGV_ACCERR, on_alt(&local));
	siglongjmp(env, 1);
}

__attribute__((noinline)) static int recurse(volatile char *p)
{
	volatile char frame[4096];

	frame[0] = p ? p[0] : 0;
	depth++;
	return depth > 0 ? recurse(frame) + frame[0] : 0;
}

static void *thread(void *arg)
{
	stack_t ss;

	(void)arg;
	sigaltstack(NULL, &ss);
	printf("thread flags %d\n", ss.ss_flags);
	return NULL;
}

int main(void)
{
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)}, old;
	struct rlimit rl;
	pthread_t t;

	sigaltstack(NULL, &old);
	NUM(old.ss_flags);
	RES(sigaltstack(&ss, &old));
	handle(SIGUSR1, handler, SA_ONSTACK);
	handle(SIGUSR2, handler, SA_ONSTACK);
	raise(SIGUSR1);
	handle(SIGUSR2, handler, 0);
	raise(SIGUSR2);
	sigaltstack(NULL, &old);
	printf("after: flags %d size %zu\n", old.ss_flags, old.ss_size);

	getrlimit(RLIMIT_STACK, &rl);
	if (rl.rlim_cur == RLIM_INFINITY || rl.rlim_cur > 64 << 20) {
		rl.rlim_cur = 8 << 20;
		setrlimit(RLIMIT_STACK, &rl);
	}
	handle_info(SIGSEGV, overflow, SA_ONSTACK);
	for (int i = 0; i < 3; i++) {
		depth = 0;
		if (!sigsetjmp(env, 1))
			printf("%d\n", recurse(NULL));
		YES(depth > 100);
	}
	IN_CHILD("overflow without a handler", signal(SIGSEGV, SIG_DFL); recurse(NULL));
	IN_CHILD("fork keeps it", raise(SIGUSR1));
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);

	ss.ss_flags = (int)SS_AUTODISARM;
	RES(sigaltstack(&ss, NULL));
	raise(SIGUSR1);
	sigaltstack(NULL, &old);
	HEX((unsigned int)old.ss_flags);
	ss.ss_flags = 0;
	ss.ss_size = 100;
	RES(sigaltstack(&ss, NULL));
	ss.ss_flags = 77;
	RES(sigaltstack(&ss, NULL));
	RES(sigaltstack(bad_ptr(), NULL));
	RES(sigaltstack(NULL, bad_ptr()));
	ss.ss_flags = SS_DISABLE;
	RES(sigaltstack(&ss, NULL));
	raise(SIGUSR1);
	return 0;
}
