/*
 * nanosleep(2), clock_nanosleep(2): relative and absolute, the rest after a signal, errors; sleep,
 * usleep, CPU clocks.
 */
#include "compat.h"

static volatile sig_atomic_t hits;

static void on_usr1(int sig)
{
	(void)sig;
	hits++;
}

static pid_t poke_after(long ms)
{
	pid_t parent = getpid(), pid = fork_child();

	if (pid == 0) {
		msleep(ms);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	return pid;
}

int main(void)
{
	struct timespec ts = {0, 30000000}, rem = {7, 7}, abs;
	long t;
	pid_t pid;

	handle(SIGUSR1, on_usr1, SA_RESTART);
	t = now_ms();
	RES(nanosleep(&ts, &rem));
	YES(now_ms() - t >= 29);
	printf("rem %ld %ld\n", (long)rem.tv_sec, rem.tv_nsec); /* untouched */
	RES(nanosleep(&(struct timespec){0, 0}, NULL));
	RES(nanosleep(&(struct timespec){0, 1000000000}, NULL));
	RES(nanosleep(&(struct timespec){0, -1}, NULL));
	RES(nanosleep(&(struct timespec){-1, 0}, NULL));
	RES(nanosleep(bad_ptr(), NULL));
	ts = (struct timespec){3, 0};
	pid = poke_after(50);
	RES(nanosleep(&ts, &rem));
	YES(rem.tv_sec == 2 && rem.tv_nsec > 0);
	waitpid(pid, NULL, 0);
	pid = poke_after(50);
	ERR(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rem));
	YES(rem.tv_sec == 2);
	waitpid(pid, NULL, 0);
	rem = (struct timespec){9, 9};
	clock_gettime(CLOCK_MONOTONIC, &abs);
	abs.tv_sec += 3;
	pid = poke_after(50);
	ERR(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &abs, &rem));
	printf("rem %ld %ld\n", (long)rem.tv_sec,
	       rem.tv_nsec); /* untouched for an absolute sleep */
	waitpid(pid, NULL, 0);
	NUM(hits);
	clock_gettime(CLOCK_REALTIME, &abs);
	t = now_ms();
	abs.tv_nsec += 30000000;
	abs.tv_sec += abs.tv_nsec / 1000000000;
	abs.tv_nsec %= 1000000000;
	ERR(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &abs, NULL));
	YES(now_ms() - t >= 28);
	abs.tv_sec -= 100;
	ERR(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &abs, NULL));
	ts = (struct timespec){0, 1000000};
	ERR(clock_nanosleep(99, 0, &ts, NULL));
	ERR(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL));
	ERR(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &ts, NULL));
	ERR(clock_nanosleep(CLOCK_BOOTTIME, 0, &ts, NULL));
	ERR(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 2000000000}, NULL));
	RES(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, bad_ptr(), NULL));
	pid = poke_after(50);
	RES(sleep(3));
	waitpid(pid, NULL, 0);
	RES(usleep(1000));
	/* A stopped sleeper goes on with what is left. */
	pid = fork_child();
	if (pid == 0) {
		ts = (struct timespec){0, 200000000};
		_exit(nanosleep(&ts, NULL) == 0 ? 5 : 6);
	}
	msleep(30);
	kill(pid, SIGSTOP);
	msleep(30);
	kill(pid, SIGCONT);
	reap("stopped sleeper", pid);
	return 0;
}
