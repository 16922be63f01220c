/*
 * getrlimit(2), setrlimit, prlimit(2): every resource, lowering and raising, errors, RLIMIT_CPU,
 * inheritance.
 */
#include "compat.h"

static volatile sig_atomic_t xcpu;

static void on_xcpu(int sig)
{
	(void)sig;
	xcpu++;
}

int main(void)
{
	struct rlimit rl, old;

	for (int r = 0; r < 16; r++) {
		struct rlimit64 a, b;

		if (getrlimit64(r, &a) || prlimit64(0, r, NULL, &b))
			die("getrlimit %d", r);
		printf("%d: cur <= max %d, same %d\n", r, a.rlim_cur <= a.rlim_max,
		       a.rlim_cur == b.rlim_cur && a.rlim_max == b.rlim_max);
	}
	RES(syscall(SYS_getrlimit, 16, &rl));
	RES(syscall(SYS_getrlimit, -1, &rl));
	RES(syscall(SYS_getrlimit, RLIMIT_CORE, bad_ptr()));
	RES(syscall(SYS_setrlimit, RLIMIT_CORE, bad_ptr()));
	getrlimit(RLIMIT_NOFILE, &old);
	rl = (struct rlimit){old.rlim_max, old.rlim_cur - 1};
	if (old.rlim_max >= old.rlim_cur)
		RES(setrlimit(RLIMIT_NOFILE, &rl)); /* cur > max */
	rl = (struct rlimit){100, 200};
	IN_CHILD("lower", RES(prlimit(0, RLIMIT_NOFILE, &rl, &old));
	         RES(getrlimit(RLIMIT_NOFILE, &rl));
	         printf("%ld %ld\n", (long)rl.rlim_cur, (long)rl.rlim_max); become_nobody();
	         rl.rlim_cur = 200; RES(setrlimit(RLIMIT_NOFILE, &rl)); rl.rlim_max = 201;
	         RES(setrlimit(RLIMIT_NOFILE, &rl)); rl.rlim_max = 200;
	         IN_CHILD("inherited", RES(getrlimit(RLIMIT_NOFILE, &rl));
	                  printf("%ld %ld\n", (long)rl.rlim_cur, (long)rl.rlim_max)));
	rl = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	IN_CHILD("NOFILE has a ceiling",
	         RES(setrlimit(RLIMIT_NOFILE, &rl) == -1 && errno == EPERM));

	/* Another process. */
	pid_t pid = fork_child();
	if (pid == 0)
		for (;;)
			pause();
	rl = (struct rlimit){12, 34};
	RES(prlimit(pid, RLIMIT_CORE, &rl, NULL));
	RES(prlimit(pid, RLIMIT_CORE, NULL, &old));
	printf("%ld\n", (long)old.rlim_cur);
	kill(pid, SIGKILL);
	reap("limited", pid);
	RES(prlimit(1 << 22, RLIMIT_CORE, NULL, &old));

	/* One second of CPU time: SIGXCPU; the hard limit kills. */
	rl = (struct rlimit){1, 2};
	handle(SIGXCPU, on_xcpu, 0);
	IN_CHILD("RLIMIT_CPU", setrlimit(RLIMIT_CPU, &rl); while (!xcpu);
	         YES(clock() < 3 * CLOCKS_PER_SEC / 2); _exit(4));
	handle(SIGXCPU, SIG_DFL, 0);
	IN_CHILD("SIGXCPU by default", setrlimit(RLIMIT_CPU, &rl); for (volatile int i = 0;; i++));
	/* Processes of a user. */
	IN_CHILD("RLIMIT_NPROC", become_nobody(); rl.rlim_cur = rl.rlim_max = 0;
	         RES(setrlimit(RLIMIT_NPROC, &rl)); RES(fork()));
	return 0;
}
