/*
 * 5,000 round trips between processes over pipes, a socket pair and eventfds; a token ring of ten
 * processes.
 */
#include "compat.h"
#include <sys/eventfd.h>
#include <sys/socket.h>

#define TRIPS 5000
#define RING  10

static void pingpong(const char *what, int in_a, int out_a, int in_b, int out_b, size_t size)
{
	uint64_t v = 0;
	pid_t pid = fork_child();

	if (pid == 0) {
		for (int i = 0; i < TRIPS; i++) {
			if (read(in_b, &v, size) != (ssize_t)size)
				_exit(1);
			v++;
			if (write(out_b, &v, size) != (ssize_t)size)
				_exit(2);
		}
		_exit(0);
	}
	int wrong = 0;
	for (int i = 0; i < TRIPS; i++) {
		uint64_t send = (uint64_t)i + 1;

		if (write(out_a, &send, size) != (ssize_t)size ||
		    read(in_a, &v, size) != (ssize_t)size)
			die("pingpong");
		wrong += v != send + 1;
	}
	printf("%s wrong %d\n", what, wrong);
	reap(what, pid);
}

int main(void)
{
	int a[2], b[2], s[2], ring[RING][2];
	pid_t pids[RING];
	long token = 0;

	RES(pipe(a));
	RES(pipe(b));
	pingpong("pipes", b[0], a[1], a[0], b[1], 8);
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pingpong("stream sockets", s[0], s[0], s[1], s[1], 8);
	RES(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	pingpong("packet sockets", s[0], s[0], s[1], s[1], 8);
	int e1 = eventfd(0, 0), e2 = eventfd(0, 0);
	pingpong("eventfds", e2, e1, e1, e2, 8);

	for (int i = 0; i < RING; i++)
		if (pipe(ring[i]))
			die("pipe");
	for (int i = 0; i < RING; i++) {
		pids[i] = fork_child();
		if (pids[i] == 0) {
			while (read(ring[i][0], &token, sizeof(token)) == sizeof(token)) {
				token++;
				if (write(ring[(i + 1) % RING][1], &token, sizeof(token)) !=
				        sizeof(token) ||
				    token > 2000)
					break;
			}
			_exit((int)(token / 100));
		}
	}
	if (write(ring[0][1], &token, sizeof(token)) != sizeof(token))
		die("write");
	for (int i = 0; i < RING; i++) {
		int status = 0;

		waitpid(pids[i], &status, 0);
		if (WEXITSTATUS(status) != 20)
			show_status("ring", status);
	}
	printf("ring done\n");
	return 0;
}
