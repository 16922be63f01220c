/*
 * signalfd(2): reading blocked signals, siginfo's contents, order, poll, changing the mask, errors.
 */
#include "compat.h"
#include <poll.h>
#include <sys/signalfd.h>

int main(void)
{
	struct signalfd_siginfo si[4];
	sigset_t set = sigset_of(SIGUSR1, SIGCHLD), more;
	struct pollfd p;
	ssize_t n;
	int fd;
	pid_t pid;

	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = (int)OKAY(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	p = (struct pollfd){fd, POLLIN, 0};
	RES(read(fd, si, sizeof(si)));
	RES(poll(&p, 1, 0));
	raise(SIGUSR1);
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7});
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 8});
	RES(poll(&p, 1, 0));
	RES(read(fd, si, 10));
	n = read(fd, si, sizeof(si));
	NUM(n / (ssize_t)sizeof(*si));
	for (int i = 0; i < n / (ssize_t)sizeof(*si); i++)
		printf("signo %s code %d pid %d uid %d int %d\n", sig_name((int)si[i].ssi_signo),
		       si[i].ssi_code, si[i].ssi_pid == (uint32_t)getpid(),
		       si[i].ssi_uid == getuid(), si[i].ssi_code == SI_QUEUE ? si[i].ssi_int : 0);
	RES(read(fd, si, sizeof(si)));

	pid = fork_child();
	if (pid == 0)
		_exit(33);
	msleep(30);
	RES(poll(&p, 1, 2000));
	n = read(fd, si, sizeof(si));
	printf("signo %s code %d status %d pid %d\n", sig_name((int)si[0].ssi_signo),
	       si[0].ssi_code == CLD_EXITED, si[0].ssi_status, si[0].ssi_pid == (uint32_t)pid);
	reap("child", pid);

	more = sigset_of(SIGUSR2, 0);
	sigprocmask(SIG_BLOCK, &more, NULL);
	raise(SIGUSR2);
	RES(poll(&p, 1, 0));
	YES(signalfd(fd, &more, 0) == fd);
	RES(poll(&p, 1, 0));
	RES(read(fd, si, sizeof(*si)) == sizeof(*si));
	printf("signo %s\n", sig_name((int)si[0].ssi_signo));
	RES(signalfd(0, &set, 0));
	RES(signalfd(999, &set, 0));
	RES(signalfd(-1, &set, 0x4));
	RES(syscall(SYS_signalfd4, -1, &set, 4, 0));
	RES(syscall(SYS_signalfd4, -1, bad_ptr(), 8, 0));
	RES(write(fd, si, 10));
	/* A blocking read is woken by a child's signal to its parent. */
	fcntl(fd, F_SETFL, 0);
	pid = fork_child();
	if (pid == 0) {
		msleep(30);
		kill(getppid(), SIGUSR2);
		_exit(0);
	}
	RES(read(fd, si, sizeof(si)) == sizeof(*si));
	printf("signo %s pid %d\n", sig_name((int)si[0].ssi_signo), si[0].ssi_pid == (uint32_t)pid);
	reap("child", pid);
	return 0;
}
