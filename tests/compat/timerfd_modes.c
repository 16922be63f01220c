/*
 * timerfd_create(2): one-shot, interval with overruns, absolute, gettime, disarming, non-blocking
 * reads, errors.
 */
#include "compat.h"
#include <poll.h>
#include <sys/timerfd.h>

static struct itimerspec spec(long ms, long every)
{
	return (struct itimerspec){{every / 1000, every % 1000 * 1000000},
	                           {ms / 1000, ms % 1000 * 1000000}};
}

int main(void)
{
	struct itimerspec s, old;
	long start;
	uint64_t n = 0;
	int fd;

	RES(timerfd_create(99, 0));
	RES(timerfd_create(CLOCK_MONOTONIC, 1));
	RES(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	fd = (int)OKAY(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	RES(read(fd, &n, 8));
	s = spec(30, 0);
	RES(timerfd_settime(fd, 0, &s, NULL));
	RES(timerfd_gettime(fd, &old));
	YES(old.it_value.tv_sec == 0 && old.it_value.tv_nsec > 0 &&
	    old.it_value.tv_nsec <= 30000000 && old.it_interval.tv_nsec == 0);
	RES(read(fd, &n, 8));
	struct pollfd p = {fd, POLLIN, 0};
	RES(poll(&p, 1, 2000));
	RES(read(fd, &n, 4));
	RES(read(fd, &n, 8));
	NUM(n);
	RES(read(fd, &n, 8));
	RES(timerfd_gettime(fd, &old));
	YES(old.it_value.tv_nsec == 0);

	s = spec(10, 10);
	start = now_ms();
	RES(timerfd_settime(fd, 0, &s, NULL));
	msleep(105);
	RES(read(fd, &n, 8));
	YES(n >= 10 && (long)n <= (now_ms() + 1 - start) / 10);
	fcntl(fd, F_SETFL, 0);
	RES(read(fd, &n, 8));
	YES(n >= 1);
	s = spec(0, 0);
	RES(timerfd_settime(fd, 0, &s, &old));
	NUM(old.it_interval.tv_nsec);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	RES(read(fd, &n, 8));

	clock_gettime(CLOCK_MONOTONIC, &s.it_value);
	s.it_value.tv_sec -= s.it_value.tv_sec > 0;
	RES(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL)); /* in the past: at once */
	RES(poll(&p, 1, 2000));
	RES(read(fd, &n, 8));
	NUM(n);
	s.it_value.tv_nsec = 1000000000;
	RES(timerfd_settime(fd, 0, &s, NULL));
	s = spec(5, 0);
	RES(timerfd_settime(fd, 0x80, &s, NULL));
	RES(timerfd_settime(fd, 0, bad_ptr(), NULL));
	RES(timerfd_settime(0, 0, &s, NULL));
	RES(timerfd_settime(999, 0, &s, NULL));
	RES(timerfd_gettime(fd, bad_ptr()));
	RES(write(fd, &n, 8));
	/* The descriptor's state is shared after fork. */
	fcntl(fd, F_SETFL, 0);
	s = spec(20, 0);
	RES(timerfd_settime(fd, 0, &s, NULL));
	IN_CHILD("child", RES(read(fd, &n, 8)); NUM(n));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	RES(read(fd, &n, 8));
	fd = (int)OKAY(timerfd_create(CLOCK_REALTIME, 0));
	s = spec(20, 0);
	RES(timerfd_settime(fd, TFD_TIMER_CANCEL_ON_SET | TFD_TIMER_ABSTIME, &s, NULL));
	RES(read(fd, &n, 8));
	return 0;
}
