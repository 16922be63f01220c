/* AF_UNIX streams: pairs, connections, ends and errors, options, buffers. */
#include "tests/unit/fibers.h"
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include "net/net.h"
#include "net/socket/socket.h"
#include "net/unix/unix.h"
#include "tests/unit/net/sockets.h"

TestSuite(unix_stream, .init = sockets_init, .fini = guest_fini, .timeout = 120);

static struct file *s[2];
static char big[1 << 20], back[1 << 20];

static void open_pair(int flags)
{
	check(socket_pair(AF_UNIX, SOCK_STREAM | flags, 0, s) == 0);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 13 + i / 4096);
}

static void close_pair(void)
{
	file_put(s[0]);
	file_put(s[1]);
}

static void pair_body(void)
{
	char c[4];

	open_pair(SOCK_NONBLOCK);
	check(take(s[0], c, 1) == -EAGAIN);
	check(file_ready(s[0]) == (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND));
	check(put(s[0], "ab", 2) == 2 && put_user_bytes(s[0], "c", 1) == 1);
	check(ioctl_int(s[1], FIONREAD) == 3 && ioctl_int(s[0], TIOCOUTQ) == 3);
	check(take(s[1], c, 1) == 1 && c[0] == 'a');
	check(take_user_bytes(s[1], c, 4) == 2 && c[0] == 'b' && c[1] == 'c');
	check(put(s[1], "x", 1) == 1 && take(s[0], c, 4) == 1);
	check(send_to(s[0], "x", 1, MSG_OOB, NULL) == -EOPNOTSUPP);
	check(put_user_bytes(s[0], (void *)BAD_ADDRESS, 1) == -EFAULT);
	check(put(s[0], "xyz", 3) == 3);
	check(take_user_bytes(s[1], (void *)BAD_ADDRESS, 1) == -EFAULT);
	check(recv_from(s[1], c, 4, MSG_PEEK, NULL) == 3 && take(s[1], c, 4) == 3);
	close_pair();
}

Test(unix_stream, passes_bytes)
{
	as_guest(pair_body);
}

/* ---- ends -------------------------------------------------------------------- */

static void end_body(void)
{
	char c[4];

	open_pair(0);
	check(put(s[0], "abc", 3) == 3);
	file_put(s[0]);
	check(file_ready(s[1]) == (EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND |
	                           EPOLLHUP | EPOLLRDHUP));
	check(take(s[1], c, 4) == 3 && take(s[1], c, 4) == 0);
	check(put(s[1], "a", 1) == -EPIPE && raised == SIGPIPE);
	raised = 0;
	check(send_to(s[1], "a", 1, MSG_NOSIGNAL, NULL) == -EPIPE && raised == 0);
	file_put(s[1]);

	/* Closed over unread bytes: the other side hears it once. */
	open_pair(0);
	check(put(s[0], "abc", 3) == 3);
	file_put(s[1]);
	check(file_ready(s[0]) & EPOLLERR);
	check(take(s[0], c, 1) == -ECONNRESET && take(s[0], c, 1) == 0);
	file_put(s[0]);

	open_pair(0);
	check(socket_shutdown(s[0], SHUT_WR) == 0);
	check(take(s[1], c, 1) == 0 && put(s[0], "a", 1) == -EPIPE);
	check((file_ready(s[1]) & (EPOLLRDHUP | EPOLLHUP)) == EPOLLRDHUP);
	check(put(s[1], "a", 1) == 1 && take(s[0], c, 1) == 1);
	check(socket_shutdown(s[0], SHUT_RD) == 0 && put(s[1], "a", 1) == -EPIPE);
	check(file_ready(s[0]) & EPOLLHUP && file_ready(s[1]) & EPOLLHUP);
	check(socket_shutdown(s[0], 3) == -EINVAL);
	close_pair();
}

Test(unix_stream, ends_and_breaks)
{
	as_guest(end_body);
}

/* ---- connections ------------------------------------------------------------- */

static void connect_body(void)
{
	struct sock_addr name = abstract("server"), peer;
	struct file *l, *c, *a;
	int v;

	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &l) == 0);
	check(file_ready(l) == (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLHUP));
	check(socket_listen(l, 1) == -EINVAL);
	check(socket_create(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &c) == 0);
	check(socket_connect(c, &name) == -ECONNREFUSED);
	check(socket_bind(l, &name) == 0 && socket_bind(l, &name) == -EINVAL);
	check(socket_bind(c, &name) == -EADDRINUSE);
	check(socket_connect(c, &name) == -ECONNREFUSED);
	check(socket_accept(l, 0, &a, NULL) == -EINVAL);
	check(option(l, SO_ACCEPTCONN) == 0 && socket_listen(l, 1) == 0);
	check(option(l, SO_ACCEPTCONN) == 1 && file_ready(l) == 0);
	check(socket_connect(l, &name) == -EINVAL);
	check(socket_connect(c, &name) == 0 && socket_connect(c, &name) == -EISCONN);
	check(file_ready(l) == (EPOLLIN | EPOLLRDNORM));
	/* What is sent before the accept waits for it. */
	check(put(c, "early", 5) == 5);
	check(socket_accept(l, 1, &a, NULL) == -EINVAL);
	check(socket_accept(l, SOCK_NONBLOCK, &a, &peer) == 0);
	check(peer.len == 2 && file_nonblock(a));
	check(take(a, back, 10) == 5 && put(a, "reply", 5) == 5 && take(c, back, 10) == 5);
	check(socket_getname(a, &peer, false) == 0 && peer.len == name.len);
	check(socket_getname(c, &peer, true) == 0 && memcmp(&peer.un, &name.un, name.len) == 0);
	check(socket_getname(c, &peer, false) == 0 && peer.len == 2);
	check(socket_getname(l, &peer, true) == -ENOTCONN);
	check(send_to(a, "x", 1, 0, &name) == -EISCONN);
	check(put(a, "y", 1) == 1 && recv_from(c, back, 1, 0, &peer) == 1 && peer.len == name.len);
	check(put(c, "y", 1) == 1 && recv_from(a, back, 1, 0, &peer) == 1 && peer.len == 0);
	set_nonblock(l, true);
	struct file *none;
	check(socket_accept(l, 0, &none, NULL) == -EAGAIN);
	v = option(c, SO_TYPE);
	check(v == SOCK_STREAM && option(c, SO_DOMAIN) == AF_UNIX && option(c, SO_PROTOCOL) == 0);
	file_put(a);
	file_put(c);
	file_put(l);
	/* The name is free again. */
	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &l) == 0 && socket_bind(l, &name) == 0);
	file_put(l);
}

Test(unix_stream, connects_and_accepts)
{
	as_guest(connect_body);
}

static int connected;

static void connecter(void *arg)
{
	struct sock_addr name = abstract("full");

	connected = socket_connect(arg, &name);
}

static void backlog_body(void)
{
	struct sock_addr name = abstract("full");
	struct file *l, *c[4], *a;

	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &l) == 0 && socket_bind(l, &name) == 0);
	check(socket_listen(l, 1) == 0);
	for (int i = 0; i < 4; i++)
		check(socket_create(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &c[i]) == 0);
	check(socket_connect(c[0], &name) == 0 && socket_connect(c[1], &name) == 0);
	check(socket_connect(c[2], &name) == -EAGAIN);
	set_nonblock(c[3], false);
	connected = 1;
	spawn(connecter, c[3]);
	let_others_run();
	check(connected == 1 && socket_accept(l, 0, &a, NULL) == 0);
	let_others_run();
	check(connected == 0);
	file_put(a);
	/* With the listener goes what it has not accepted. */
	connected = 1;
	set_nonblock(c[2], false);
	spawn(connecter, c[2]);
	let_others_run();
	check(connected == 1);
	file_put(l);
	let_others_run();
	check(connected == -ECONNREFUSED);
	check(take(c[1], back, 1) == -ECONNRESET && take(c[0], back, 1) == 0);
	for (int i = 0; i < 4; i++)
		file_put(c[i]);
}

Test(unix_stream, queues_connections)
{
	as_guest(backlog_body);
}

static void refused_body(void)
{
	struct sock_addr name = abstract("d"), bad = {.len = 200};
	struct file *f;

	check(socket_create(AF_UNIX, 99, 0, &f) == -EINVAL);
	check(socket_create(AF_UNIX, 0, 0, &f) == -ESOCKTNOSUPPORT);
	check(socket_create(AF_UNIX, SOCK_RDM, 0, &f) == -ESOCKTNOSUPPORT);
	check(socket_create(AF_UNIX, SOCK_STREAM, 7, &f) == -EPROTONOSUPPORT);
	check(socket_create(AF_INET, SOCK_STREAM | 0x40, 0, &f) == -EINVAL);
	check(socket_create(45, SOCK_STREAM, 0, &f) == -EAFNOSUPPORT);
	check(socket_create(AF_UNIX, SOCK_STREAM, 1, &f) == 0);
	check(socket_bind(f, &bad) == -EINVAL && socket_connect(f, &bad) == -EINVAL);
	check(put(f, "x", 1) == -ENOTCONN && take(f, big, 1) == -EINVAL);
	check(send_to(f, "x", 1, 0, &name) == -EOPNOTSUPP);
	check(socket_shutdown(f, SHUT_RDWR) == 0);
	file_put(f);
	struct file *d;
	check(socket_create(AF_UNIX, SOCK_RAW, 0, &d) == 0 && option(d, SO_TYPE) == SOCK_DGRAM);
	check(socket_listen(d, 1) == -EOPNOTSUPP && socket_accept(d, 0, &f, NULL) == -EOPNOTSUPP);
	file_put(d);
}

Test(unix_stream, refuses)
{
	as_guest(refused_body);
}

/* ---- buffers and waiting ------------------------------------------------------ */

static ssize_t got;

static void read_all(void *arg)
{
	ssize_t n;

	(void)arg;
	got = 0;
	while ((n = take_user_bytes(s[1], back + got, 7000)) > 0)
		got += n;
	check(n == 0);
}

static void flow_body(void)
{
	open_pair(SOCK_NONBLOCK);
	ssize_t n = put(s[0], big, sizeof(big));
	check(n == option(s[0], SO_SNDBUF) && put(s[0], "x", 1) == -EAGAIN);
	check(!(file_ready(s[0]) & EPOLLOUT));
	check(take(s[1], back, 1000) == 1000 && !(file_ready(s[0]) & EPOLLOUT));
	while (take(s[1], back, 50000) > 0)
		;
	check(file_ready(s[0]) & EPOLLOUT);
	set_nonblock(s[0], false);
	set_nonblock(s[1], false);
	spawn(read_all, NULL);
	check(put(s[0], big, sizeof(big)) == sizeof(big));
	check(socket_shutdown(s[0], SHUT_WR) == 0);
	let_others_run();
	check(got == sizeof(big) && memcmp(big, back, sizeof(big)) == 0);
	close_pair();
}

Test(unix_stream, stops_at_the_send_buffer)
{
	as_guest(flow_body);
}

static void wait_all(void *arg)
{
	got = recv_from(s[1], back, 10, *(int *)arg, NULL);
}

static void waitall_body(void)
{
	int flags = MSG_WAITALL;

	open_pair(0);
	got = -1;
	spawn(wait_all, &flags);
	let_others_run();
	check(put(s[0], "abcd", 4) == 4);
	let_others_run();
	check(got == -1 && put(s[0], "efghijkl", 8) == 8);
	let_others_run();
	check(got == 10 && memcmp(back, "abcdefghij", 10) == 0);
	check(recv_from(s[1], back, 10, MSG_DONTWAIT | MSG_WAITALL, NULL) == 2);
	/* The low-water mark does the same for less. */
	check(set_option(s[1], SO_RCVLOWAT, 3) == 0);
	flags = 0;
	got = -1;
	spawn(wait_all, &flags);
	let_others_run();
	check(put(s[0], "ab", 2) == 2);
	let_others_run();
	check(got == -1 && put(s[0], "c", 1) == 1);
	let_others_run();
	check(got == 3);
	close_pair();
}

Test(unix_stream, waits_for_all)
{
	as_guest(waitall_body);
}

static void timeout_body(void)
{
	struct timeval tv = {.tv_usec = 3000};
	u32 len = sizeof(tv);
	char c;

	open_pair(0);
	check(socket_setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, len) == 0);
	check(socket_setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, len) == 0);
	memset(&tv, 0, sizeof(tv));
	check(socket_getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len) == 0 &&
	      tv.tv_usec == 3000);
	u64 start = time_monotonic();
	check(recv_from(s[0], &c, 1, 0, NULL) == -EAGAIN && time_monotonic() - start >= 3 * MSEC);
	start = time_monotonic();
	check(take(s[0], &c, 1) == -EAGAIN && time_monotonic() - start >= 3 * MSEC);
	check(put(s[0], big, sizeof(big)) == option(s[0], SO_SNDBUF));
	check(send_to(s[0], "x", 1, 0, NULL) == -EAGAIN);
	tv.tv_usec = 1000000;
	check(socket_setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == -EDOM);
	close_pair();
}

Test(unix_stream, times_out)
{
	as_guest(timeout_body);
}

/* ---- options ------------------------------------------------------------------ */

static void options_body(void)
{
	struct ucred u;
	u32 len = sizeof(u), groups[4];
	struct cred *root = guest.cred;

	guest.cred = cred_create(1000, 1001, (u32[]){5, 6}, 2);
	open_pair(0);
	check(socket_getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &len) == 0);
	check(len == sizeof(u) && u.pid == 7 && u.uid == 1000 && u.gid == 1001);
	len = 4;
	check(socket_getsockopt(s[0], SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -ERANGE &&
	      len == 8);
	check(socket_getsockopt(s[0], SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0);
	check(len == 8 && groups[0] == 5 && groups[1] == 6);
	check(socket_getsockopt(s[0], SOL_SOCKET, SO_PEERSEC, groups, &len) == -ENOPROTOOPT);
	check(socket_getsockopt(s[0], 6, 1, groups, &len) == -EOPNOTSUPP);
	check(socket_setsockopt(s[0], 6, 1, groups, 4) == -EOPNOTSUPP);
	check(socket_setsockopt(s[0], SOL_SOCKET, SO_REUSEADDR, groups, 3) == -EINVAL);
	check(set_option(s[0], SO_REUSEADDR, 7) == 0 && option(s[0], SO_REUSEADDR) == 1);
	check(set_option(s[0], SO_REUSEPORT, 1) == -EOPNOTSUPP);
	check(set_option(s[0], SO_TYPE, 1) == -ENOPROTOOPT &&
	      set_option(s[0], 9999, 1) == -ENOPROTOOPT);
	check(set_option(s[0], SO_DEBUG, 1) == -EACCES && set_option(s[0], SO_MARK, 1) == -EPERM);
	check(set_option(s[0], SO_PRIORITY, 7) == -EPERM && set_option(s[0], SO_PRIORITY, 6) == 0);
	check(set_option(s[0], SO_SNDBUF, 1) == 0 && option(s[0], SO_SNDBUF) == 4608);
	check(set_option(s[0], SO_SNDBUF, 1 << 30) == 0 && option(s[0], SO_SNDBUF) == 2 * 212992);
	check(set_option(s[0], SO_SNDBUFFORCE, 1) == -EPERM);
	struct linger l = {1, 5};
	check(socket_setsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0);
	memset(&l, 0, sizeof(l));
	len = sizeof(l);
	check(socket_getsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, &len) == 0 && l.l_linger == 5);
	close_pair();
	cred_put(guest.cred);
	guest.cred = root;
	open_pair(0);
	check(set_option(s[0], SO_DEBUG, 1) == 0 && set_option(s[0], SO_PRIORITY, 7) == 0);
	check(set_option(s[0], SO_SNDBUFFORCE, 1 << 20) == 0 && option(s[0], SO_SNDBUF) == 1 << 21);
	close_pair();
}

Test(unix_stream, has_options)
{
	as_guest(options_body);
}

/* ---- names -------------------------------------------------------------------- */

static int lines;
static bool seen;

static void see(const struct unix_info *info, void *arg)
{
	lines++;
	if (info->path_len == 5 && memcmp(info->path, "@show", 5) == 0)
		seen =
		    info->ino == *(u64 *)arg && info->flags == 1 << 16 && info->type == SOCK_STREAM;
}

static void names_body(void)
{
	struct sock_addr none = {.len = 2, .sa.sa_family = AF_UNIX}, name;
	struct file *f, *g;

	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &f) == 0);
	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &g) == 0);
	check(socket_bind(f, &none) == 0 && socket_bind(f, &none) == 0);
	check(socket_getname(f, &name, false) == 0 && name.len == 8 && name.un.sun_path[0] == 0);
	check(socket_bind(g, &name) == -EADDRINUSE);
	/* Another namespace has other names. */
	struct net *other;
	check(net_create(&initial_user_ns, &other) == 0);
	guest.net = other;
	struct file *h;
	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &h) == 0 && socket_bind(h, &name) == 0);
	guest.net = NULL;
	file_put(h);
	net_put(other);

	name = abstract("show");
	check(socket_bind(g, &name) == 0 && socket_listen(g, 1) == 0);
	u64 ino = socket_of_file(g)->ino;
	unix_each(net_current(), see, &ino);
	check(lines == 2 && seen);
	file_put(f);
	file_put(g);
}

Test(unix_stream, has_names)
{
	as_guest(names_body);
}

/* ---- many workers ------------------------------------------------------------- */

#define CLIENTS 6

static struct file *server;
static _Atomic int running;

static void echo(void *arg)
{
	char buf[3000];
	ssize_t n;

	while ((n = take(arg, buf, sizeof(buf))) > 0)
		check(put_user_bytes(arg, buf, n) == n);
	check(n == 0);
	file_put(arg);
	running--;
}

static void serve(void *arg)
{
	(void)arg;
	for (int i = 0; i < CLIENTS * 4; i++) {
		struct file *conn;
		check(socket_accept(server, 0, &conn, NULL) == 0);
		running++;
		spawn(echo, conn);
	}
	running--;
}

static void client(void *arg)
{
	struct sock_addr name = abstract("stress");
	char out[4000], in[4000];

	for (int i = 0; i < 4; i++) {
		struct file *f;
		check(socket_create(AF_UNIX, SOCK_STREAM, 0, &f) == 0 &&
		      socket_connect(f, &name) == 0);
		for (int k = 0; k < ROUNDS(2000); k++) {
			size_t n = 1 + (k * 37 + (u64)arg) % sizeof(out), at = 0;
			memset(out, k, n);
			check(put(f, out, n) == (ssize_t)n);
			while (at < n) {
				ssize_t r = take(f, in + at, n - at);
				check(r > 0);
				at += r;
			}
			check(memcmp(in, out, n) == 0);
		}
		file_put(f);
	}
	running--;
}

Test(unix_stream, many_connections_on_workers)
{
	struct sock_addr name = abstract("stress");

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	cr_assert_eq(socket_create(AF_UNIX, SOCK_STREAM, 0, &server), 0);
	cr_assert_eq(socket_bind(server, &name), 0);
	cr_assert_eq(socket_listen(server, 2), 0);
	running = CLIENTS + 1;
	spawn(serve, NULL);
	for (u64 i = 0; i < CLIENTS; i++)
		spawn(client, (void *)i);
	await_zero(&running);
	sched_stop();
	file_put(server);
}
