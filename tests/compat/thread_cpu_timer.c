/*
 * Timers on the CPU time of one thread while it never enters the kernel; vmsplice(2) into a pipe
 * that has no room for all.
 */
#include "compat.h"
#include <pthread.h>
#include <sys/uio.h>

static volatile sig_atomic_t fired;

static void note(int sig)
{
	(void)sig;
	fired++;
}

static void spin_until(int n)
{
	while (fired < n)
		;
}

static unsigned long long cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (unsigned long long)ts.tv_sec * 1000000000 + (unsigned long long)ts.tv_nsec;
}

static void *timer_of_thread(void *arg)
{
	struct itimerspec its = {.it_value.tv_nsec = 20000000, .it_interval.tv_nsec = 10000000};
	unsigned long long begun = cpu_ns();
	timer_t t;

	(void)arg;
	fired = 0;
	RES(timer_create(CLOCK_THREAD_CPUTIME_ID, NULL, &t));
	RES(timer_settime(t, 0, &its, NULL));
	spin_until(3);
	YES(cpu_ns() - begun >= 40000000);
	RES(timer_delete(t));
	return NULL;
}

static void vmsplice_partly(void)
{
	static char buf[1 << 18] __attribute__((aligned(4096))), back[1 << 16];
	struct iovec v = {buf, sizeof(buf)};
	int p[2];

	if (pipe(p))
		die("pipe");
	RES(vmsplice(p[1], &v, 1, 0));
	RES(vmsplice(p[1], &v, 1, SPLICE_F_NONBLOCK));
	RES(read(p[0], back, sizeof(back)));
	pid_t pid = fork_child();
	if (pid == 0) {
		msleep(50);
		_exit(read(p[0], back, 4096) == 4096 ? 0 : 1);
	}
	RES(vmsplice(p[1], &v, 1, 0));
	RES(vmsplice(p[1], &v, 1, 0));
	reap("reader", pid);
}

int main(void)
{
	pthread_t t;

	signal(SIGALRM, note);
	alarm(0);
	timer_of_thread(NULL);
	pthread_create(&t, NULL, timer_of_thread, NULL);
	pthread_join(t, NULL);
	vmsplice_partly();
	return 0;
}
