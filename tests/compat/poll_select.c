/*
 * poll(2), ppoll, select(2), pselect: ready sets, POLLNVAL, POLLHUP, timeouts and what is left of
 * them, masks, errors.
 */
#include "compat.h"
#include <poll.h>
#include <sys/select.h>

static volatile sig_atomic_t hits;

static void on_usr1(int sig)
{
	(void)sig;
	hits++;
}

int main(void)
{
	struct pollfd p[4];
	struct timespec ts;
	struct timeval tv;
	fd_set r, w, x;
	sigset_t set = sigset_of(SIGUSR1, 0), none;
	int a[2], f;
	long t0;

	RES(pipe(a));
	f = memfd_create("m", 0);
	p[0] = (struct pollfd){a[0], POLLIN | POLLPRI, -1};
	p[1] = (struct pollfd){a[1], POLLOUT, -1};
	p[2] = (struct pollfd){999, POLLIN, -1};
	p[3] = (struct pollfd){-1, POLLIN, -1};
	RES(poll(p, 4, 0));
	printf("%#x %#x %#x %#x\n", p[0].revents, p[1].revents, p[2].revents, p[3].revents);
	RES(write(a[1], "x", 1));
	p[2] = (struct pollfd){f, POLLIN | POLLOUT | POLLRDNORM, -1};
	RES(poll(p, 4, -1));
	printf("%#x %#x %#x\n", p[0].revents, p[1].revents, p[2].revents);
	p[1].events = 0;
	close(a[0]);
	RES(poll(p + 1, 1, 100));
	HEX(p[1].revents);
	close(a[1]);
	t0 = now_ms();
	RES(poll(NULL, 0, 30));
	YES(now_ms() - t0 >= 29);
	RES(poll(bad_ptr(), 1, 0));
	RES(poll(p, 1u << 30, 0));

	RES(pipe(a));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(a[0], &r);
	FD_SET(a[1], &w);
	FD_SET(a[0], &x);
	tv = (struct timeval){5, 0};
	RES(select(a[1] + 1, &r, &w, &x, &tv));
	printf("%d %d %d, left %d\n", FD_ISSET(a[0], &r), FD_ISSET(a[1], &w), FD_ISSET(a[0], &x),
	       tv.tv_sec >= 4);
	FD_ZERO(&r);
	FD_SET(a[0], &r);
	tv = (struct timeval){0, 20000};
	RES(select(a[0] + 1, &r, NULL, NULL, &tv));
	printf("%d, left %ld %ld\n", FD_ISSET(a[0], &r), (long)tv.tv_sec, (long)tv.tv_usec);
	RES(write(a[1], "x", 1));
	FD_SET(a[0], &r);
	RES(select(a[0], &r, NULL, NULL, &(struct timeval){0, 0})); /* not below nfds */
	FD_ZERO(&r);
	FD_SET(a[0], &r);
	RES(select(a[0] + 1, &r, NULL, NULL, NULL));
	FD_ZERO(&r);
	FD_SET(50, &r);
	RES(select(51, &r, NULL, NULL, &(struct timeval){0, 0}));
	RES(select(-1, NULL, NULL, NULL, &(struct timeval){0, 0}));
	RES(select(0, NULL, NULL, NULL, &(struct timeval){-1, 0}));
	RES(syscall(SYS_select, 10, bad_ptr(), NULL, NULL, &(struct timeval){0, 0}));

	sigemptyset(&none);
	handle(SIGUSR1, on_usr1, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	ts = (struct timespec){2, 0};
	RES(ppoll(NULL, 0, &ts, &none));
	NUM(hits);
	raise(SIGUSR1);
	RES(pselect(0, NULL, NULL, NULL, &ts, &none));
	NUM(hits);
	NUM(ts.tv_sec);
	ts = (struct timespec){0, 10000000};
	RES(ppoll(NULL, 0, &ts, &set));
	ts = (struct timespec){0, -1};
	RES(ppoll(NULL, 0, &ts, NULL));
	RES(syscall(SYS_ppoll, NULL, 0, NULL, &set, 3));
	return 0;
}
