/*
 * setitimer(2) and alarm(2): real, virtual and profiling timers, what is left, intervals, errors.
 */
#include "compat.h"
#include <sys/time.h>

static volatile sig_atomic_t hits[65];

static void on_sig(int sig)
{
	hits[sig]++;
}

static void burn(int sig, int n)
{
	long end = now_ms() + 5000;

	while (hits[sig] < n && now_ms() < end)
		;
}

int main(void)
{
	struct itimerval it = {{0, 0}, {0, 30000}}, old;
	sigset_t alarm_only, before;

	for (int *s = (int[]){SIGALRM, SIGVTALRM, SIGPROF, 0}; *s; s++)
		handle(*s, on_sig, 0);
	YES(alarm(0) > 0);
	RES(alarm(0));
	RES(alarm(100));
	RES(getitimer(ITIMER_REAL, &old));
	YES(old.it_value.tv_sec >= 99 && old.it_interval.tv_sec == 0);
	/* However late this comes to wait for it. */
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm_only, &before);
	RES(setitimer(ITIMER_REAL, &it, &old)); /* alarm's timer is the same one */
	YES(old.it_value.tv_sec >= 99);
	RES(sigsuspend(&before));
	sigprocmask(SIG_SETMASK, &before, NULL);
	NUM(hits[SIGALRM]);
	RES(getitimer(ITIMER_REAL, &old));
	NUM(old.it_value.tv_usec + old.it_value.tv_sec);
	it = (struct itimerval){{0, 10000}, {0, 10000}};
	RES(setitimer(ITIMER_REAL, &it, NULL));
	for (int i = 0; i < 5; i++)
		pause();
	YES(hits[SIGALRM] >= 6);
	RES(getitimer(ITIMER_REAL, &old));
	NUM(old.it_interval.tv_usec);
	IN_CHILD("not inherited by fork", getitimer(ITIMER_REAL, &old);
	         NUM(old.it_interval.tv_usec));
	it = (struct itimerval){{0, 0}, {0, 0}};
	RES(setitimer(ITIMER_REAL, &it, NULL));
	alarm(COMPAT_ALARM);
	signal(SIGALRM, SIG_DFL);

	it = (struct itimerval){{0, 10000}, {0, 10000}};
	RES(setitimer(ITIMER_VIRTUAL, &it, NULL));
	msleep(50); /* no time of its own passes */
	YES(hits[SIGVTALRM] <= 1);
	burn(SIGVTALRM, 3);
	YES(hits[SIGVTALRM] >= 3);
	it = (struct itimerval){{0, 0}, {0, 0}};
	RES(setitimer(ITIMER_VIRTUAL, &it, NULL));
	it = (struct itimerval){{0, 10000}, {0, 10000}};
	RES(setitimer(ITIMER_PROF, &it, NULL));
	burn(SIGPROF, 3);
	YES(hits[SIGPROF] >= 3);
	it = (struct itimerval){{0, 0}, {0, 0}};
	RES(setitimer(ITIMER_PROF, &it, NULL));

	RES(setitimer(99, &it, NULL));
	RES(getitimer(99, &old));
	it.it_value.tv_usec = 1000000;
	RES(setitimer(ITIMER_REAL, &it, NULL));
	it.it_value.tv_usec = -1;
	RES(setitimer(ITIMER_REAL, &it, NULL));
	RES(setitimer(ITIMER_REAL, bad_ptr(), NULL));
	RES(getitimer(ITIMER_REAL, bad_ptr()));
	/* The timer lives over execve. */
	IN_CHILD("over exec", it = ((struct itimerval){{0, 0}, {0, 50000}});
	         setitimer(ITIMER_REAL, &it, NULL); execl("/bin/sleep", "sleep", "5", NULL));
	return 0;
}
