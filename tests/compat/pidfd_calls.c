/*
 * pidfd_open(2), pidfd_send_signal(2), waitid P_PIDFD, poll of a pidfd, pidfd_getfd(2).
 */
#include "compat.h"
#include <poll.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int popen_pid(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int psend(int fd, int sig, siginfo_t *si, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, si, flags);
}

int main(void)
{
	int fd, p[2], turn[2], got;
	struct pollfd pfd;
	siginfo_t si;
	pid_t pid;
	char buf[8] = "";

	RES(pipe(p));
	pid = fork_child();
	if (pid == 0)
		for (;;)
			pause();
	fd = (int)OKAY(popen_pid(pid, 0));
	RES(fcntl(fd, F_GETFD));
	pfd = (struct pollfd){fd, POLLIN, 0};
	RES(poll(&pfd, 1, 0));
	RES(psend(fd, 0, NULL, 0));
	RES(psend(fd, SIGTERM, NULL, 0));
	RES(poll(&pfd, 1, 5000));
	HEX(pfd.revents);
	RES(psend(fd, 0, NULL, 0)); /* a zombie still */
	RES(waitid(P_PIDFD, (id_t)fd, &si, WEXITED));
	printf("status %d code %d pid %d\n", si.si_status, si.si_code == CLD_KILLED,
	       si.si_pid == pid);
	RES(psend(fd, 0, NULL, 0));
	RES(waitid(P_PIDFD, (id_t)fd, &si, WEXITED));
	RES(read(fd, buf, 1));
	RES(popen_pid(pid, 0));
	RES(popen_pid(-1, 0));
	RES(popen_pid(0, 0));
	RES(popen_pid(getpid(), 0x1000000));
	RES(psend(p[0], SIGTERM, NULL, 0));
	RES(psend(999, SIGTERM, NULL, 0));
	close(fd);
	fd = (int)OKAY(popen_pid(getpid(), O_NONBLOCK));
	RES(psend(fd, 99, NULL, 0));
	RES(psend(fd, 0, NULL, 0x100));
	handle(SIGUSR1, SIG_IGN, 0);
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGUSR1;
	si.si_code = SI_QUEUE;
	RES(psend(fd, SIGUSR1, &si, 0));
	si.si_signo = SIGUSR2;
	RES(psend(fd, SIGUSR1, &si, 0));
	if (pipe(turn))
		die("pipe");
	pid = fork_child();
	if (pid == 0) {
		turn_await(turn[0]);
		_exit(6);
	}
	close(fd);
	fd = (int)OKAY(popen_pid(pid, O_NONBLOCK));
	RES(waitid(P_PIDFD, (id_t)fd, &si, WEXITED));
	turn_pass(turn[1]);
	pfd.fd = fd;
	RES(poll(&pfd, 1, 5000));
	RES(waitid(P_PIDFD, (id_t)fd, &si, WEXITED));
	NUM(si.si_status);
	RES(waitid(P_PIDFD, (id_t)p[0], &si, WEXITED));
	RES(waitid(P_PIDFD, 999, &si, WEXITED));

	/* A descriptor of a child. */
	pid = fork_child();
	if (pid == 0) {
		close(p[1]);
		int q[2];
		if (pipe(q) || dup2(q[0], 50) != 50 || write(q[1], "theirs", 6) != 6)
			_exit(1);
		close(q[0]);
		turn_pass(turn[1]);
		for (;;)
			pause();
	}
	turn_await(turn[0]);
	fd = popen_pid(pid, 0);
	got = (int)OKAY(syscall(SYS_pidfd_getfd, fd, 50, 0));
	RES(read(got, buf, 7));
	STR(buf);
	RES(fcntl(got, F_GETFD));
	RES(syscall(SYS_pidfd_getfd, fd, 999, 0));
	RES(syscall(SYS_pidfd_getfd, fd, 50, 1));
	kill(pid, SIGKILL);
	reap("child", pid);
	return 0;
}
