/*
 * What execve(2) keeps and drops: O_CLOEXEC descriptors, ignored and handled signals, the mask,
 * pending signals, the alternate stack, cwd, umask, nice, the alarm, process group.
 */
#include "compat.h"

static void handler(int sig)
{
	(void)sig;
}

static int after(char **argv)
{
	int a = atoi(argv[2]), b = atoi(argv[3]), c = atoi(argv[4]);
	struct sigaction sa;
	sigset_t set;
	stack_t ss;

	YES(fd_open(a));
	YES(fd_open(b));
	YES(fd_open(c));
	sigaction(SIGUSR1, NULL, &sa);
	YES(sa.sa_handler == SIG_DFL);
	sigaction(SIGUSR2, NULL, &sa);
	YES(sa.sa_handler == SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &set);
	YES(sigismember(&set, SIGTERM));
	YES(sigismember(&set, SIGINT));
	sigpending(&set);
	YES(sigismember(&set, SIGTERM));
	sigaltstack(NULL, &ss);
	YES(ss.ss_flags == SS_DISABLE);
	char cwd[64];
	STR(getcwd(cwd, sizeof(cwd)));
	printf("umask %o\n", umask(0));
	YES(getpgrp() == getpid());
	YES(getpid() == atoi(argv[5]));
	struct rlimit rl;
	getrlimit(RLIMIT_NOFILE, &rl);
	NUM(rl.rlim_cur);
	char name[16];
	prctl(PR_GET_NAME, name);
	STR(name);
	return 0;
}

int main(int argc, char **argv)
{
	char a[12], b[12], c[12], me[12];
	sigset_t set = sigset_of(SIGTERM, 0);
	struct rlimit rl;
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};
	pid_t pid;

	if (argc > 1) {
		umask(077); /* the start-up code set another; ask for what exec left below */
		return after(argv);
	}
	pid = fork_child();
	if (pid == 0) {
		setpgid(0, 0);
		snprintf(a, sizeof(a), "%d", open("/dev/null", O_RDONLY));
		snprintf(b, sizeof(b), "%d", open("/dev/null", O_RDONLY | O_CLOEXEC));
		int d = open("/dev/null", O_RDONLY);
		fcntl(d, F_SETFD, FD_CLOEXEC);
		snprintf(c, sizeof(c), "%d", dup(d)); /* dup clears the flag */
		snprintf(me, sizeof(me), "%d", getpid());
		handle(SIGUSR1, handler, 0);
		handle(SIGUSR2, SIG_IGN, 0);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGTERM);
		sigaltstack(&ss, NULL);
		prctl(PR_SET_NAME, "before");
		getrlimit(RLIMIT_NOFILE, &rl);
		rl.rlim_cur = 200;
		setrlimit(RLIMIT_NOFILE, &rl);
		if (chdir("/usr") != 0)
			_exit(98);
		execl("/proc/self/exe", "zero", "after", a, b, c, me, NULL);
		_exit(99);
	}
	reap("exec", pid);
	return 0;
}
