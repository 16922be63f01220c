/*
 * Whom SIGIO goes to and when: before the call that caused it returns, during one that goes to
 * sleep, to threads and process groups, with a band for each kind of event; files without it.
 * fcntl(2), ioctl(2).
 */
#include "compat.h"
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static volatile sig_atomic_t hits, codes, tid;
static int blocked[2];

static void on_sig(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	hits++;
	codes |= 1 << si->si_code;
	tid = gettid();
}

static void on_full(int sig, siginfo_t *si, void *uc)
{
	char buf[4096];

	(void)sig, (void)si, (void)uc;
	hits++;
	while (read(blocked[0], buf, sizeof(buf)) > 0)
		;
}

static void report(const char *what)
{
	printf("%s: %s\n", what, hits ? "signalled" : "nothing");
	printf("in %d out %d hup %d\n", codes >> POLL_IN & 1, codes >> POLL_OUT & 1,
	       codes >> POLL_HUP & 1);
	hits = codes = 0;
}

static int pair(int s[2])
{
	int one = 1;

	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RES(fcntl(s[0], F_SETOWN, getpid()));
	RES(fcntl(s[0], F_SETSIG, SIGRTMIN));
	RES(ioctl(s[0], FIOASYNC, &one));
	HEX(fcntl(s[0], F_GETFL) & O_ASYNC);
	return s[0];
}

static void *waiter(void *arg)
{
	struct f_owner_ex ex = {F_OWNER_TID, gettid()};

	RES(fcntl(*(int *)arg, F_SETOWN_EX, &ex));
	(void)!write(((int *)arg)[1], "x", 1);
	while (!hits)
		usleep(1000);
	YES(tid == gettid());
	return NULL;
}

int main(void)
{
	struct f_owner_ex ex;
	int s[2], p[2], st, zero = 0, one = 1, who;
	pthread_t th;
	char c, big[100000];
	pid_t pid;

	handle_info(SIGRTMIN, on_sig, 0);
	pair(s);
	(void)!write(s[1], "x", 1);
	report("at once");
	(void)!write(s[1], "x", 1);
	report("once more");
	(void)!read(s[0], &c, 1);
	RES(ioctl(s[0], FIOGETOWN, &who));
	YES(who == getpid());
	RES(shutdown(s[1], SHUT_WR));
	report("half closed");
	close(s[1]);
	report("closed");
	RES(ioctl(s[0], FIOASYNC, &zero));
	HEX(fcntl(s[0], F_GETFL) & O_ASYNC);
	close(s[0]);

	pair(s);
	pthread_create(&th, NULL, waiter, s);
	pthread_join(th, NULL);
	msleep(20);
	hits = codes = 0;
	RES(fcntl(s[0], F_GETOWN_EX, &ex)); /* the thread has gone */
	printf("type %d pid %d\n", ex.type, ex.pid);
	(void)!write(s[1], "x", 1);
	report("owner gone");
	RES(fcntl(s[0], F_SETOWN, 0));
	(void)!write(s[1], "x", 1);
	report("no owner");

	/* A group that is made after it was named. */
	RES(pipe(p));
	pid = fork_child();
	if (pid == 0) {
		(void)!read(p[0], &c, 1);
		setpgid(0, 0);
		(void)!write(s[1], "x", 1);
		_exit(hits ? 7 : 8);
	}
	ex = (struct f_owner_ex){F_OWNER_PGRP, pid};
	RES(fcntl(s[0], F_SETOWN_EX, &ex));
	NUM(fcntl(s[0], F_GETOWN));
	(void)!write(p[1], "x", 1);
	reap("group", pid);

	/* The signal comes while the call that caused it sleeps. */
	handle_info(SIGIO, on_full, SA_RESTART);
	RES(pipe(blocked));
	RES(fcntl(blocked[0], F_SETFL, O_NONBLOCK | O_ASYNC));
	pid = fork_child();
	if (pid == 0) {
		ssize_t n = write(blocked[1], big, sizeof(big));
		_exit(n == sizeof(big) ? 0 : 1);
	}
	RES(fcntl(blocked[0], F_SETOWN, getpid()));
	while (waitpid(pid, &st, WNOHANG) == 0) {
		on_full(0, NULL, NULL); /* what came before there was an owner */
		usleep(1000);
	}
	show_status("writer", st);

	int fd = open("/dev/null", O_RDWR);
	RES(fcntl(fd, F_SETFL, O_ASYNC));
	HEX(fcntl(fd, F_GETFL) & O_ASYNC);
	RES(ioctl(fd, FIOASYNC, &one));
	RES(ioctl(fd, FIOSETOWN, &who));
	RES(fcntl(fd, F_SETOWN, getpid()));
	YES(fcntl(fd, F_GETOWN) == getpid());
	return 0;
}
