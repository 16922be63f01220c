/*
 * poll and select with hundreds of descriptors: 500 pipes, high numbers, every event found, wake-up
 * of the last one.
 */
#include "compat.h"
#include <poll.h>
#include <sys/select.h>

#define N 400

int main(void)
{
	static struct pollfd p[N];
	static int pipes[N][2];
	struct rlimit rl;
	fd_set r;
	int sum = 0, wrong = 0, n;
	pid_t pid;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max < 2000 ? rl.rlim_max : 2000;
	setrlimit(RLIMIT_NOFILE, &rl);
	for (int i = 0; i < N; i++) {
		if (pipe(pipes[i]))
			die("pipe");
		p[i] = (struct pollfd){pipes[i][0], POLLIN, 0};
	}
	RES(poll(p, N, 0));
	for (int i = 0; i < N; i += 3)
		if (write(pipes[i][1], "x", 1) != 1)
			die("write");
	RES(poll(p, N, 1000));
	for (int i = 0; i < N; i++)
		wrong += p[i].revents != (i % 3 == 0 ? POLLIN : 0);
	NUM(wrong);
	FD_ZERO(&r);
	n = 0;
	for (int i = 0; i < N; i++)
		if (pipes[i][0] < FD_SETSIZE) {
			FD_SET(pipes[i][0], &r);
			n++;
		}
	YES(n == N);
	RES(select(FD_SETSIZE, &r, NULL, NULL, &(struct timeval){0, 0}));
	for (int i = 0; i < N; i++)
		sum += FD_ISSET(pipes[i][0], &r) ? i : 0;
	NUM(sum);
	for (int i = 0; i < N; i += 3) {
		char c;

		if (read(pipes[i][0], &c, 1) != 1)
			die("read");
	}
	pid = fork_child();
	if (pid == 0) {
		msleep(40);
		_exit(write(pipes[N - 1][1], "x", 1) != 1);
	}
	RES(poll(p, N, 5000));
	HEX(p[N - 1].revents);
	reap("writer", pid);
	rl.rlim_cur = 100;
	setrlimit(RLIMIT_NOFILE, &rl);
	RES(poll(p, N, 0)); /* more than the limit of descriptors */
	RES(poll(p, 100, 0));
	return 0;
}
