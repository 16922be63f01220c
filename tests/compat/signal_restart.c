/*
 * SA_RESTART: which blocking calls restart and which return EINTR anyway. signal(7).
 */
#include "compat.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>

static volatile sig_atomic_t hits;
static int p[2];

static void on_alarm(int sig)
{
	(void)sig;
	hits++;
}

/* A child sends SIGUSR1 after 60 ms and, if it is asked to, a byte after another 60. */
static pid_t poker(bool byte, int fd)
{
	pid_t parent = getpid(), pid = fork_child();

	if (pid == 0) {
		msleep(60);
		kill(parent, SIGUSR1);
		msleep(60);
		if (byte && write(fd, "!", 1) != 1)
			_exit(1);
		_exit(0);
	}
	hits = 0;
	return pid;
}

#define WITH_POKER(byte, fd, ...)                                                                  \
	do {                                                                                       \
		pid_t poker_ = poker(byte, fd);                                                    \
		__VA_ARGS__;                                                                       \
		printf("hits %d\n", hits);                                                         \
		waitpid(poker_, NULL, 0);                                                          \
	} while (0)

int main(void)
{
	struct pollfd pfd;
	struct epoll_event ev;
	struct timespec ts = {5, 0};
	struct sembuf op = {0, -1, 0};
	int ep = epoll_create1(0), s[2], sem = semget(IPC_PRIVATE, 1, 0600), status;
	char c;

	RES(pipe(p));
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pfd = (struct pollfd){p[0], POLLIN, 0};
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		printf("flags %s\n", flags ? "SA_RESTART" : "0");
		handle(SIGUSR1, on_alarm, flags);
		WITH_POKER(flags != 0, p[1], RES(read(p[0], &c, 1)));
		WITH_POKER(flags != 0, s[1], RES(recv(s[0], &c, 1, 0)));
		WITH_POKER(false, 0, RES(poll(&pfd, 1, 3000)));
		WITH_POKER(false, 0, RES(epoll_wait(ep, &ev, 1, 3000)));
		WITH_POKER(false, 0, RES(select(0, NULL, NULL, NULL, &(struct timeval){3, 0})));
		ts = (struct timespec){5, 0};
		WITH_POKER(false, 0, RES(nanosleep(&ts, &ts)));
		YES(ts.tv_sec == 4);
		WITH_POKER(false, 0, RES(pause()));
		WITH_POKER(false, 0, RES(semop(sem, &op, 1)));
		pid_t pid = poker(false, 0);
		if (flags)
			YES(waitpid(pid, &status, 0) == pid);
		else
			RES(waitpid(pid, &status, 0));
		printf("hits %d\n", hits);
		waitpid(pid, &status, 0);
	}
	/* A signal that is ignored or whose default is to do nothing interrupts nothing. */
	signal(SIGUSR1, SIG_IGN);
	WITH_POKER(true, p[1], RES(read(p[0], &c, 1)));
	signal(SIGUSR1, SIG_DFL);
	pid_t parent = getpid(), pid = fork_child();
	if (pid == 0) {
		msleep(30);
		kill(parent, SIGWINCH);
		kill(parent, SIGCHLD);
		msleep(30);
		_exit(write(p[1], "?", 1) != 1);
	}
	RES(read(p[0], &c, 1));
	waitpid(pid, NULL, 0);
	RES(semctl(sem, 0, IPC_RMID));
	return 0;
}
