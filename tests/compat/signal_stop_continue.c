/*
 * SIGSTOP, SIGCONT, SIGCHLD's si_code, SA_NOCLDSTOP, pending stops discarded by SIGCONT, SIGKILL of
 * a stopped process.
 */
#include "compat.h"

static volatile sig_atomic_t nchld, codes[16];

static void on_chld(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	if (nchld < 16)
		codes[nchld++] = si->si_code;
}

static volatile sig_atomic_t conts;

static void on_cont(int sig)
{
	(void)sig;
	conts++;
}

static void await(int n)
{
	for (int i = 0; nchld < n && i < 200; i++)
		usleep(10000);
}

static const char *name(int code)
{
	switch (code) {
	case CLD_EXITED:
		return "EXITED";
	case CLD_KILLED:
		return "KILLED";
	case CLD_STOPPED:
		return "STOPPED";
	case CLD_CONTINUED:
		return "CONTINUED";
	}
	return "?";
}

int main(void)
{
	int status, p[2];
	pid_t pid;
	char c;

	RES(pipe(p));
	handle_info(SIGCHLD, on_chld, SA_RESTART);
	pid = fork_child();
	if (pid == 0) {
		handle(SIGCONT, on_cont, 0);
		for (;;) {
			pause();
			if (write(p[1], conts ? "c" : "?", 1) != 1)
				_exit(1);
		}
	}
	msleep(30);
	RES(kill(pid, SIGSTOP));
	await(1);
	RES(kill(pid, SIGUSR1)); /* fatal, but only once it runs again: never, see below */
	RES(waitpid(pid, &status, WUNTRACED | WNOHANG) == pid);
	show_status("child", status);
	RES(kill(pid, SIGKILL)); /* works on a stopped process */
	await(2);
	reap("child", pid);
	for (int i = 0; i < nchld; i++)
		printf("SIGCHLD code %s\n", name(codes[i]));

	nchld = 0;
	/* Blocked but for the wait, no SIGCONT is missed. */
	sigset_t cont = sigset_of(SIGCONT, 0), none;
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &cont, NULL);
	pid = fork_child();
	if (pid == 0) {
		handle(SIGCONT, on_cont, 0);
		for (int i = 0; i < 2; i++) {
			sigsuspend(&none);
			if (write(p[1], "c", 1) != 1)
				_exit(1);
		}
		_exit(17);
	}
	sigprocmask(SIG_UNBLOCK, &cont, NULL);
	msleep(30);
	kill(pid, SIGSTOP);
	await(1);
	kill(pid, SIGCONT);
	await(2);
	RES(read(p[0], &c, 1));
	kill(pid, SIGSTOP);
	await(3);
	kill(pid, SIGCONT);
	await(5);
	reap("child", pid);
	/* Later ones may have been merged. */
	printf("first %s second %s\n", name(codes[0]), name(codes[1]));

	/* SA_NOCLDSTOP: only the end is told. */
	handle_info(SIGCHLD, on_chld, SA_RESTART | SA_NOCLDSTOP);
	nchld = 0;
	pid = fork_child();
	if (pid == 0)
		for (;;)
			pause();
	msleep(20);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
	waitpid(pid, &status, WCONTINUED);
	show_status("child", status);
	kill(pid, SIGTERM);
	reap("child", pid);
	NUM(nchld);
	printf("%s\n", name(codes[0]));

	/* SIGCONT removes pending stop signals, a stop signal removes a pending SIGCONT; blocked or
	 * not. */
	sigset_t set = sigset_of(SIGTSTP, SIGCONT), pend;
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTSTP);
	raise(SIGCONT);
	sigpending(&pend);
	printf("pending TSTP %d CONT %d\n", sigismember(&pend, SIGTSTP),
	       sigismember(&pend, SIGCONT));
	raise(SIGTSTP);
	sigpending(&pend);
	printf("pending TSTP %d CONT %d\n", sigismember(&pend, SIGTSTP),
	       sigismember(&pend, SIGCONT));
	raise(SIGCONT);
	return 0;
}
