/*
 * A stream server with 60 clients in 6 processes over epoll: every request is answered, every
 * hang-up seen. unix(7).
 */
#include "compat.h"
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CLIENTS 6
#define EACH    10

int main(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "server"};
	struct epoll_event ev, evs[16];
	pid_t pids[CLIENTS];
	int l, ep, accepted = 0, hups = 0, requests = 0, n;
	char buf[64];

	tmp_enter();
	l = (int)OKAY(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	RES(bind(l, (struct sockaddr *)&a, sizeof(a)));
	RES(listen(l, 128));
	for (int c = 0; c < CLIENTS; c++) {
		pids[c] = fork_child();
		if (pids[c] == 0) {
			int s[EACH], ok = 0;

			for (int i = 0; i < EACH; i++) {
				s[i] = socket(AF_UNIX, SOCK_STREAM, 0);
				if (connect(s[i], (struct sockaddr *)&a, sizeof(a)))
					_exit(101);
			}
			for (int r = 0; r < 5; r++)
				for (int i = 0; i < EACH; i++) {
					n = snprintf(buf, sizeof(buf), "%d-%d-%d", c, i, r);
					if (send(s[i], buf, (size_t)n, 0) != n)
						_exit(102);
				}
			for (int i = 0; i < EACH; i++) {
				size_t total = 0;
				while (total < 5 * 5 &&
				       (n = (int)recv(s[i], buf, sizeof(buf), 0)) > 0)
					total += (size_t)n;
				ok += total == 5 * 5;
				close(s[i]);
			}
			_exit(ok);
		}
	}
	ep = epoll_create1(0);
	ev = (struct epoll_event){EPOLLIN, {.fd = l}};
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev);
	while (hups < CLIENTS * EACH) {
		n = epoll_wait(ep, evs, 16, 5000);
		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			int fd = evs[i].data.fd, s;

			if (fd == l) {
				while ((s = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					accepted++;
					ev = (struct epoll_event){EPOLLIN | EPOLLET | EPOLLRDHUP,
					                          {.fd = s}};
					epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
				}
				continue;
			}
			ssize_t r;
			while ((r = recv(fd, buf, sizeof(buf), 0)) > 0) {
				requests += (int)r;
				if (send(fd, buf, (size_t)r, MSG_NOSIGNAL) != r)
					die("send");
			}
			if (r == 0) {
				hups++;
				close(fd);
			}
		}
	}
	printf("accepted %d bytes %d hang-ups %d\n", accepted, requests, hups);
	for (int c = 0; c < CLIENTS; c++)
		reap("client", pids[c]);
	return 0;
}
