/*
 * sigsuspend(2), sigtimedwait(2), sigwaitinfo, sigpending, pause: atomic unmasking, timeouts, order
 * and contents.
 */
#include "compat.h"

static volatile sig_atomic_t hits;

static void on_sig(int sig)
{
	hits += sig == SIGUSR1 ? 1 : 100;
}

int main(void)
{
	sigset_t both = sigset_of(SIGUSR1, SIGUSR2), none, cur, one = sigset_of(SIGUSR1, 0), rt;
	struct timespec ts = {0, 30000000}, zero = {0, 0};
	siginfo_t si;
	long t;
	pid_t pid;

	sigemptyset(&none);
	handle(SIGUSR1, on_sig, 0);
	handle(SIGUSR2, on_sig, 0);
	sigprocmask(SIG_BLOCK, &both, NULL);
	raise(SIGUSR1);
	raise(SIGUSR2);
	NUM(hits);
	RES(sigsuspend(&one)); /* only SIGUSR2 may come */
	NUM(hits);
	sigprocmask(SIG_BLOCK, NULL, &cur);
	YES(sigismember(&cur, SIGUSR1) && sigismember(&cur, SIGUSR2));
	sigpending(&cur);
	printf("pending %d %d\n", sigismember(&cur, SIGUSR1), sigismember(&cur, SIGUSR2));
	RES(sigsuspend(&none));
	NUM(hits);
	RES(syscall(SYS_rt_sigsuspend, &none, 4));
	RES(syscall(SYS_rt_sigsuspend, bad_ptr(), 8));

	t = now_ms();
	RES(sigtimedwait(&both, &si, &ts));
	YES(now_ms() - t >= 29);
	RES(sigtimedwait(&both, &si, &zero));
	ts.tv_nsec = -1;
	RES(sigtimedwait(&both, &si, &ts));
	sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 5});
	raise(SIGUSR1);
	RES(sigtimedwait(&both, &si, &zero));
	printf("code %d\n", si.si_code == SI_TKILL);
	RES(sigwaitinfo(&both, &si));
	printf("code %d value %d\n", si.si_code == SI_QUEUE, si.si_value.sival_int);
	pid = fork_child();
	if (pid == 0) {
		msleep(30);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	RES(sigwaitinfo(&one, &si));
	YES(si.si_pid == pid && si.si_code == SI_USER);
	reap("sender", pid);

	/* Another signal with a handler interrupts the wait. */
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	pid = fork_child();
	if (pid == 0) {
		msleep(30);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	sigemptyset(&rt);
	sigaddset(&rt, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &rt, NULL);
	RES(sigwaitinfo(&rt, &si));
	reap("interrupter", pid);
	NUM(hits);
	/* The value is copied over a fork only for the sender's target. */
	RES(sigtimedwait(&rt, bad_ptr(), &zero));
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = NULL});
	RES(syscall(SYS_rt_sigtimedwait, &rt, bad_ptr(), &zero, 8));
	RES(sigtimedwait(&rt, &si, &zero));
	RES(sigpending(bad_ptr()));
	int sig;
	raise(SIGUSR2);
	ERR(sigwait(&both, &sig));
	STR(sig_name(sig));
	return 0;
}
