/*
 * sigaction(2): default actions of every signal, ignoring, blocking, SIGKILL and SIGSTOP immutable,
 * argument errors.
 */
#include "compat.h"

int main(void)
{
	struct sigaction sa;

	for (int sig = 1; sig < SIGRTMIN; sig++) {
		pid_t pid;
		int status;

		if (sig == 32 || sig == 33)
			continue;
		pid = fork_child();
		if (pid == 0) {
			setpgid(0, 0); /* not an orphaned group, else SIGTSTP does nothing */
			signal(sig, SIG_DFL);
			kill(getpid(), sig);
			_exit(0);
		}
		waitpid(pid, &status, WUNTRACED);
		if (WIFSTOPPED(status)) {
			show_status(sig_name(sig), status);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		}
		printf("%d ", sig);
		show_status("default", status);
	}
	IN_CHILD("real-time default", raise(SIGRTMIN + 3));
	for (int sig = 1; sig <= 64; sig += 7)
		IN_CHILD("ignored", signal(sig, SIG_IGN); raise(sig));

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_IGN;
	RES(sigaction(SIGKILL, &sa, NULL));
	RES(sigaction(SIGSTOP, &sa, NULL));
	RES(sigaction(SIGKILL, NULL, &sa));
	RES(sigaction(0, NULL, &sa));
	RES(sigaction(65, NULL, &sa));
	RES(sigaction(-1, NULL, &sa));
	RES(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &sa, 4));
	RES(syscall(SYS_rt_sigaction, SIGUSR1, bad_ptr(), NULL, 8));
	RES(kill(getpid(), 0));
	RES(kill(getpid(), 65));
	RES(kill(getpid(), -1));
	RES(kill(1 << 22, SIGTERM));
	RES(kill(1 << 22, 0));
	RES(kill(-(1 << 22), 0));
	RES(raise(100));
	sigset_t set;
	sigfillset(&set);
	RES(sigprocmask(SIG_BLOCK, &set, NULL));
	RES(sigprocmask(99, &set, NULL));
	RES(sigprocmask(99, NULL, &set));
	YES(sigismember(&set, SIGKILL));
	YES(sigismember(&set, SIGSTOP));
	YES(sigismember(&set, SIGTERM));
	RES(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad_ptr(), NULL, 8));
	RES(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 16));
	IN_CHILD("SIGKILL while all is blocked", kill(getpid(), SIGKILL));
	return 0;
}
