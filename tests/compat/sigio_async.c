/*
 * O_ASYNC, F_SETOWN, F_SETOWN_EX, F_SETSIG: SIGIO when a pipe or socket becomes ready, with si_fd
 * and si_band. fcntl(2).
 */
#include "compat.h"
#include <poll.h>
#include <sys/socket.h>

static volatile sig_atomic_t hits, sig_no, band, at_fd, code;

static void on_sig(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	hits++;
	sig_no = sig;
	band = (int)si->si_band;
	at_fd = si->si_fd;
	code = si->si_code;
}

static void await(void)
{
	for (int i = 0; !hits && i < 100; i++)
		usleep(2000);
}

int main(void)
{
	struct f_owner_ex ex;
	int s[2], p[2];
	char c;

	handle_info(SIGIO, on_sig, 0);
	handle_info(SIGRTMIN, on_sig, 0);
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RES(fcntl(s[0], F_GETOWN));
	RES(fcntl(s[0], F_SETOWN, getpid()));
	YES(fcntl(s[0], F_GETOWN) == getpid());
	RES(fcntl(s[0], F_GETSIG));
	RES(write(s[1], "x", 1));
	NUM(hits); /* O_ASYNC is not set */
	RES(read(s[0], &c, 1));
	RES(fcntl(s[0], F_SETFL, O_ASYNC));
	HEX(fcntl(s[0], F_GETFL) & O_ASYNC);
	hits = 0;
	RES(write(s[1], "x", 1));
	await();
	printf("hits %d signal %s\n", hits > 0, sig_name(sig_no));
	RES(read(s[0], &c, 1));
	RES(fcntl(s[0], F_SETSIG, SIGRTMIN));
	RES(fcntl(s[0], F_GETSIG) == SIGRTMIN);
	msleep(20);
	hits = 0;
	RES(write(s[1], "x", 1));
	await();
	printf("hits %d signal %s fd %d code %d band in %d\n", hits > 0, sig_name(sig_no),
	       at_fd == s[0], code == POLL_IN, (band & POLLIN) != 0);
	RES(fcntl(s[0], F_SETSIG, 99));
	RES(fcntl(s[0], F_SETOWN, 1 << 22));
	ex = (struct f_owner_ex){F_OWNER_PGRP, getpgrp()};
	RES(fcntl(s[0], F_SETOWN_EX, &ex));
	RES(fcntl(s[0], F_GETOWN_EX, &ex));
	YES(ex.type == F_OWNER_PGRP && ex.pid == getpgrp());
	ex = (struct f_owner_ex){F_OWNER_TID, gettid()};
	RES(fcntl(s[0], F_SETOWN_EX, &ex));
	YES(fcntl(s[0], F_GETOWN) == gettid());
	ex.type = (enum __pid_type)9;
	RES(fcntl(s[0], F_SETOWN_EX, &ex));
	RES(fcntl(s[0], F_SETOWN_EX, bad_ptr()));

	RES(pipe(p));
	RES(fcntl(p[0], F_SETOWN, getpid()));
	RES(fcntl(p[0], F_SETFL, O_ASYNC));
	hits = 0;
	RES(write(p[1], "x", 1));
	await();
	printf("hits %d signal %s\n", hits > 0, sig_name(sig_no));
	RES(fcntl(p[0], F_SETFL, 0));
	HEX(fcntl(p[0], F_GETFL) & O_ASYNC);
	msleep(10);
	hits = 0;
	RES(write(p[1], "x", 1));
	NUM(hits);
	int fd = open("/dev/null", O_RDWR);
	RES(fcntl(fd, F_SETFL, O_ASYNC) == 0 || errno == EINVAL);
	return 0;
}
