/*
 * timer_create(2): SIGEV_SIGNAL with a value, SIGEV_THREAD_ID, SIGEV_NONE, overruns, absolute
 * times, fork, errors.
 */
#include "compat.h"
#include <pthread.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile sig_atomic_t hits, value, code, overrun;
static volatile pid_t tid;
static timer_t tm;

static void on_timer(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	hits++;
	value = si->si_value.sival_int;
	code = si->si_code;
	tid = gettid();
	overrun = si->si_overrun;
}

static void *thread(void *arg)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
	struct itimerspec it = {{0, 0}, {0, 20000000}};
	timer_t t;

	(void)arg;
	ev.sigev_notify_thread_id = gettid();
	RES(timer_create(CLOCK_MONOTONIC, &ev, &t));
	hits = 0;
	RES(timer_settime(t, 0, &it, NULL));
	while (!hits)
		msleep(5);
	YES(tid == gettid());
	RES(timer_delete(t));
	return NULL;
}

static void wait_hits(int n)
{
	for (int i = 0; hits < n && i < 500; i++)
		usleep(5000);
}

int main(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL,
	                      .sigev_signo = SIGRTMIN + 1,
	                      .sigev_value.sival_int = 123};
	struct itimerspec it = {{0, 0}, {0, 20000000}}, old;
	sigset_t set = sigset_of(SIGRTMIN + 1, 0);
	pthread_t t;

	handle_info(SIGRTMIN + 1, on_timer, 0);
	RES(timer_create(CLOCK_MONOTONIC, &ev, &tm));
	RES(timer_gettime(tm, &old));
	NUM(old.it_value.tv_nsec);
	RES(timer_settime(tm, 0, &it, NULL));
	RES(timer_gettime(tm, &old));
	YES(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 20000000);
	wait_hits(1);
	printf("hits %d value %d code %d\n", hits, value, code == SI_TIMER);
	RES(timer_getoverrun(tm));

	/* Overruns while the signal is blocked: one signal, the rest is counted. */
	hits = 0;
	sigprocmask(SIG_BLOCK, &set, NULL);
	it = (struct itimerspec){{0, 5000000}, {0, 5000000}};
	RES(timer_settime(tm, 0, &it, NULL));
	msleep(100);
	RES(timer_settime(tm, 0, &(struct itimerspec){{0, 0}, {0, 0}}, &old));
	NUM(old.it_interval.tv_nsec);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	YES(hits <= 1); /* newer kernels drop the signal of a disarmed timer */
	hits = 0;
	sigprocmask(SIG_BLOCK, &set, NULL);
	RES(timer_settime(tm, 0, &it, NULL));
	msleep(100);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	YES(hits >= 1 && timer_getoverrun(tm) >= 0);
	RES(timer_settime(tm, 0, &(struct itimerspec){{0, 0}, {0, 0}}, NULL));

	/* An absolute time in the past fires at once. */
	hits = 0;
	clock_gettime(CLOCK_MONOTONIC, &it.it_value);
	it.it_interval.tv_nsec = 0;
	RES(timer_settime(tm, TIMER_ABSTIME, &it, NULL));
	wait_hits(1);
	NUM(hits);
	IN_CHILD("not inherited", RES(timer_gettime(tm, &old)));
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	RES(timer_delete(tm));
	RES(timer_delete(tm));

	ev.sigev_notify = SIGEV_NONE;
	RES(timer_create(CLOCK_REALTIME, &ev, &tm));
	it = (struct itimerspec){{0, 0}, {0, 10000000}};
	RES(timer_settime(tm, 0, &it, NULL));
	msleep(20);
	RES(timer_gettime(tm, &old));
	NUM(old.it_value.tv_nsec);
	it.it_value.tv_nsec = 1000000000;
	RES(timer_settime(tm, 0, &it, NULL));
	RES(timer_settime(tm, 0, bad_ptr(), NULL));
	RES(timer_delete(tm));
	RES(syscall(SYS_timer_create, 99, &ev, &tm));
	RES(syscall(SYS_timer_create, CLOCK_MONOTONIC, bad_ptr(), &tm));
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = 99;
	RES(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &tm));
	ev.sigev_signo = SIGRTMIN + 1;
	ev.sigev_notify = 77;
	RES(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &tm));
	/* Without a sigevent: SIGALRM with the timer's id. */
	int id = -1;
	RES(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id));
	YES(id >= 0);
	handle_info(SIGALRM, on_timer, 0);
	hits = 0;
	it = (struct itimerspec){{0, 0}, {0, 10000000}};
	RES(syscall(SYS_timer_settime, id, 0, &it, NULL));
	wait_hits(1);
	YES(hits == 1 && value == id);
	/* CPU time of the process. */
	ev = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
	RES(timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &tm));
	hits = 0;
	RES(timer_settime(tm, 0, &it, NULL));
	for (long end = now_ms() + 5000; !hits && now_ms() < end;)
		;
	NUM(hits);
	return 0;
}
