/*
 * clock_nanosleep(2) on the CPU clock of a process that sleeps: until a nanosecond more than it has
 * used, which is never. A signal ends it.
 */
#include "compat.h"
#include <sys/time.h>
#include <time.h>

static void ring(int sig)
{
	(void)sig;
}

int main(void)
{
	struct itimerval soon = {.it_value = {.tv_usec = 300000}};
	struct timespec used;
	clockid_t clock;
	pid_t pid = fork_child();

	if (pid == 0)
		for (;;)
			pause();
	handle(SIGALRM, ring, 0);
	usleep(200000);
	NUM(clock_getcpuclockid(pid, &clock));
	RES(clock_gettime(clock, &used));
	used.tv_nsec++;
	setitimer(ITIMER_REAL, &soon, NULL);
	YES(clock_nanosleep(clock, TIMER_ABSTIME, &used, NULL) == EINTR);
	kill(pid, SIGKILL);
	reap("sleeper", pid);
	return 0;
}
