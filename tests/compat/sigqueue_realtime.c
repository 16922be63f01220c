/*
 * Real-time signals: queued, in order of number then arrival, with values; before or after standard
 * ones; the limit RLIMIT_SIGPENDING; rt_sigqueueinfo's restrictions. signal(7), sigqueue(3).
 */
#include "compat.h"

static int log_sig[64], log_val[64], nlog;

static void on_sig(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if (nlog < 64) {
		log_sig[nlog] = sig;
		log_val[nlog++] = si->si_code == SI_QUEUE ? si->si_value.sival_int : -1;
	}
}

static void show(const char *what)
{
	printf("%s:", what);
	for (int i = 0; i < nlog; i++)
		printf(" %s=%d", sig_name(log_sig[i]), log_val[i]);
	printf("\n");
	nlog = 0;
}

static void queue(int sig, int v)
{
	if (sigqueue(getpid(), sig, (union sigval){.sival_int = v}) < 0)
		printf("sigqueue %s: %s\n", sig_name(sig), err_name(errno));
}

int main(void)
{
	sigset_t all;
	struct sigaction sa;
	siginfo_t si;
	struct rlimit rl;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_sig;
	sa.sa_flags = SA_SIGINFO;
	sigfillset(&sa.sa_mask);
	for (int i = 0; i < 4; i++)
		sigaction(SIGRTMIN + i, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	queue(SIGRTMIN + 2, 1);
	queue(SIGRTMIN + 1, 2);
	queue(SIGRTMIN + 2, 3);
	queue(SIGRTMIN, 4);
	queue(SIGRTMIN + 1, 5);
	queue(SIGUSR1, 6);
	queue(SIGUSR1, 7);
	queue(SIGHUP, 8);
	kill(getpid(), SIGRTMIN);
	raise(SIGRTMIN + 3);
	/* All are delivered when the mask opens; each handler blocks the rest, so the order is the
	 * kernel's. */
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	show("order");

	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int i = 0; i < 20; i++)
		queue(SIGRTMIN, i);
	sigset_t rt = sigset_of(SIGRTMIN, 0);
	for (int i = 0; i < 20; i++)
		if (sigtimedwait(&rt, &si, &(struct timespec){0, 0}) != SIGRTMIN ||
		    si.si_value.sival_int != i)
			printf("wrong at %d\n", i);
	RES(sigtimedwait(&rt, &si, &(struct timespec){0, 0}));

	memset(&si, 0, sizeof(si));
	si.si_signo = SIGRTMIN;
	si.si_code = -70;
	si.si_value.sival_int = 9;
	RES(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &si));
	RES(sigtimedwait(&rt, &si, &(struct timespec){0, 0}) == SIGRTMIN);
	NUM(si.si_code);
	si.si_code = SI_USER; /* to oneself anything goes, to others not */
	RES(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &si));
	IN_CHILD("to the parent", si.si_code = SI_USER;
	         RES(syscall(SYS_rt_sigqueueinfo, getppid(), SIGRTMIN, &si)); si.si_code = SI_TKILL;
	         RES(syscall(SYS_rt_sigqueueinfo, getppid(), SIGRTMIN, &si)); si.si_code = 5;
	         RES(syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), SIGRTMIN, &si)));
	RES(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, bad_ptr()));
	RES(sigqueue(1 << 22, SIGRTMIN, (union sigval){0}));
	RES(sigqueue(getpid(), 0, (union sigval){0}));
	RES(sigqueue(getpid(), 65, (union sigval){0}));
	getrlimit(RLIMIT_SIGPENDING, &rl);
	rl.rlim_cur = 0;
	RES(setrlimit(RLIMIT_SIGPENDING, &rl));
	RES(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0}));
	RES(kill(getpid(), SIGUSR1)); /* a plain signal is never lost */
	sigset_t usr = sigset_of(SIGUSR1, 0);
	YES(sigtimedwait(&usr, &si, &(struct timespec){0, 0}) == SIGUSR1);
	return 0;
}
