/*
 * clock_gettime(2), clock_getres, gettimeofday, time: agreement, monotony, CPU clocks, dynamic
 * clocks of processes.
 */
#include "compat.h"
#include <pthread.h>
#include <sys/time.h>
#include <sys/times.h>

static double sec(struct timespec t)
{
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now(clockid_t c)
{
	struct timespec t = {0, 0};

	clock_gettime(c, &t);
	return sec(t);
}

static volatile unsigned long sink;

/* Use this much CPU time, however busy the machine is. */
static void burn(double s)
{
	double end = now(CLOCK_PROCESS_CPUTIME_ID) + s;

	while (now(CLOCK_PROCESS_CPUTIME_ID) < end)
		sink++;
}

int main(void)
{
	clockid_t ids[] = {CLOCK_REALTIME,          CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID,
	                   CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
	                   CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME,      CLOCK_TAI};
	struct timespec t, last = {0, 0};
	struct timeval tv;
	clockid_t c;
	int backward = 0;

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		RES(clock_gettime(ids[i], &t));
		YES(t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
		RES(clock_getres(ids[i], &t));
		YES(t.tv_sec == 0 && t.tv_nsec >= 1 && t.tv_nsec <= 10000000);
	}
	RES(clock_gettime(99, &t));
	RES(clock_getres(99, &t));
	RES(syscall(SYS_clock_gettime, CLOCK_REALTIME, bad_ptr()));
	RES(clock_getres(CLOCK_MONOTONIC, NULL));
	for (int i = 0; i < 100000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		backward += sec(t) < sec(last);
		last = t;
	}
	NUM(backward);
	double real = now(CLOCK_REALTIME);
	gettimeofday(&tv, NULL);
	double of_day = (double)tv.tv_sec + (double)tv.tv_usec / 1e6, seconds = (double)time(NULL),
	       coarse = now(CLOCK_REALTIME_COARSE), later = now(CLOCK_REALTIME);
	YES(of_day >= real - 1e-6 && of_day <= later);
	YES(seconds >= real - 1.1 && seconds <= later);
	YES(coarse >= real - 0.1 && coarse <= later);
	YES(now(CLOCK_BOOTTIME) + 0.001 >= now(CLOCK_MONOTONIC));
	struct timespec sys;
	double before = now(CLOCK_MONOTONIC);
	RES(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &sys));
	YES(sec(sys) >= before && sec(sys) <= now(CLOCK_MONOTONIC));

	double p0 = now(CLOCK_PROCESS_CPUTIME_ID), m0 = now(CLOCK_MONOTONIC);
	msleep(100);
	YES(now(CLOCK_PROCESS_CPUTIME_ID) - p0 < 0.08);
	YES(now(CLOCK_MONOTONIC) - m0 >= 0.1);
	p0 = now(CLOCK_PROCESS_CPUTIME_ID);
	burn(0.2);
	double used = now(CLOCK_PROCESS_CPUTIME_ID) - p0;
	YES(used >= 0.2 && used < 0.5);
	struct tms tb;
	YES(times(&tb) != (clock_t)-1);
	YES(tb.tms_utime + tb.tms_stime >= 2);
	YES(tb.tms_cutime == 0);
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	double r = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	           (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
	double d = now(CLOCK_PROCESS_CPUTIME_ID) - r;
	YES(d > -0.05 && d < 0.2);
	IN_CHILD("burner", burn(0.1));
	getrusage(RUSAGE_CHILDREN, &ru);
	YES(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec < 5 &&
	    ru.ru_utime.tv_usec + ru.ru_stime.tv_usec > 5000);
	RES(getrusage(RUSAGE_THREAD, &ru));
	RES(getrusage(99, &ru));
	RES(syscall(SYS_getrusage, RUSAGE_SELF, bad_ptr()));
	ERR(clock_getcpuclockid(0, &c));
	RES(clock_gettime(c, &t));
	YES(sec(t) > 0.1);
	ERR(pthread_getcpuclockid(pthread_self(), &c));
	RES(clock_gettime(c, &t));
	ERR(clock_getcpuclockid(1 << 22, &c));
	IN_CHILD("set the clock as nobody", become_nobody(); RES(clock_settime(CLOCK_REALTIME, &t));
	         RES(settimeofday(&tv, NULL)));
	RES(clock_settime(CLOCK_MONOTONIC, &t));
	return 0;
}
