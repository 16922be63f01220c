/* AF_UNIX datagrams and sequenced packets. */
#include <sys/ioctl.h>
#include <sys/time.h>
#include "tests/unit/net/sockets.h"

TestSuite(unix_dgram, .init = sockets_init, .fini = guest_fini, .timeout = 120);

static struct file *s[2];
static char buf[300000];

static struct file *make(int type, const char *name)
{
	struct sock_addr a = abstract(name);
	struct file *f;

	check(socket_create(AF_UNIX, type, 0, &f) == 0);
	if (*name)
		check(socket_bind(f, &a) == 0);
	return f;
}

static void packets_body(void)
{
	struct sock_addr from;

	for (int type = SOCK_DGRAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_DGRAM) {
		check(socket_pair(AF_UNIX, type | SOCK_NONBLOCK, 0, s) == 0);
		check(put(s[0], "abc", 3) == 3 && put(s[0], "", 0) == 0 &&
		      put(s[0], "defg", 4) == 4);
		check(ioctl_int(s[1], FIONREAD) == (type == SOCK_DGRAM ? 3 : 7));
		check(recv_from(s[1], buf, 2, MSG_PEEK, &from) == 2 && from.len == 0);
		check(recv_from(s[1], buf, 2, MSG_PEEK | MSG_TRUNC, NULL) == 3);
		check(recv_from(s[1], buf, 10, 0, NULL) == 3 && memcmp(buf, "abc", 3) == 0);
		check(recv_from(s[1], buf, 10, 0, NULL) == 0);
		check(take_user_bytes(s[1], buf, 2) == 2 && take(s[1], buf, 2) == -EAGAIN);
		/* What does not reach a bad address is lost, as on Linux. */
		check(put(s[0], "abc", 3) == 3);
		check(take_user_bytes(s[1], (void *)BAD_ADDRESS, 3) == -EFAULT);
		check(take(s[1], buf, 2) == -EAGAIN);
		check(put(s[0], buf, 212992 - 31) == -EMSGSIZE);
		check(put(s[0], buf, 212992 - 32) == 212992 - 32);
		check(put(s[0], buf, 1) == -EAGAIN && !(file_ready(s[0]) & EPOLLOUT));
		check(take(s[1], buf, sizeof(buf)) == 212992 - 32);
		check(file_ready(s[0]) & EPOLLOUT);
		file_put(s[0]);
		file_put(s[1]);
	}
}

Test(unix_dgram, keeps_packets)
{
	as_guest(packets_body);
}

/* The figures are what a Linux host answers. */
static void limits_body(void)
{
	struct sock_addr name = abstract("sink");
	int n = 0;

	check(socket_pair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s) == 0);
	while (put(s[0], "x", 1) == 1)
		n++;
	check(n == 278);
	file_put(s[0]);
	file_put(s[1]);

	s[0] = make(SOCK_DGRAM, "sink");
	s[1] = make(SOCK_DGRAM, "");
	set_nonblock(s[1], true);
	for (n = 0; send_to(s[1], "x", 1, 0, &name) == 1; n++)
		;
	check(n == 11 && send_to(s[1], "x", 1, 0, &name) == -EAGAIN);
	/* Not connected, it may still write elsewhere; connected, it may not. */
	check(file_ready(s[1]) & EPOLLOUT);
	check(socket_connect(s[1], &name) == 0 && !(file_ready(s[1]) & EPOLLOUT));
	check(put(s[1], "x", 1) == -EAGAIN);
	check(take(s[0], buf, 1) == 1 && file_ready(s[1]) & EPOLLOUT);
	check(put(s[1], "x", 1) == 1);
	file_put(s[0]);
	file_put(s[1]);
}

Test(unix_dgram, queues_as_many_as_linux)
{
	as_guest(limits_body);
}

static ssize_t sent;
static int rounds;

static void sender(void *arg)
{
	struct sock_addr name = abstract("sink");

	/* Even rounds by name, odd ones by connection. */
	sent = rounds++ % 2 ? put(arg, "x", 1) : send_to(arg, "x", 1, 0, &name);
}

static void room_body(void)
{
	struct sock_addr name = abstract("sink");

	for (int i = 0; i < 2; i++) {
		s[0] = make(SOCK_DGRAM, "sink");
		s[1] = make(SOCK_DGRAM, "");
		if (i)
			check(socket_connect(s[1], &name) == 0);
		for (int k = 0; k < 11; k++)
			check(send_to(s[1], "x", 1, 0, &name) == 1);
		sent = 0;
		spawn(sender, s[1]);
		let_others_run();
		check(sent == 0 && take(s[0], buf, 1) == 1);
		let_others_run();
		check(sent == 1);
		/* The receiver's end ends the wait. */
		spawn(sender, s[1]);
		rounds--;
		sent = 0;
		let_others_run();
		check(sent == 0);
		file_put(s[0]);
		let_others_run();
		check(sent == -ECONNREFUSED);
		rounds = 1;
		file_put(s[1]);
	}
}

Test(unix_dgram, senders_wait_for_room)
{
	as_guest(room_body);
}

static void connect_body(void)
{
	struct sock_addr a = abstract("a"), b = abstract("b"), from;
	struct sock_addr unspec = {.len = 2, .sa.sa_family = AF_UNSPEC};
	struct file *fa = make(SOCK_DGRAM, "a"), *fb = make(SOCK_DGRAM, "b"),
	            *fc = make(SOCK_DGRAM, "");

	check(put(fa, "x", 1) == -ENOTCONN);
	check(send_to(fa, "x", 1, 0, &b) == 1);
	check(recv_from(fb, buf, 9, 0, &from) == 1 && from.len == a.len);
	check(memcmp(&from.un, &a.un, a.len) == 0);
	check(socket_connect(fb, &a) == 0);
	/* Connected to a, b takes nothing from others. */
	check(send_to(fc, "x", 1, 0, &b) == -EPERM && socket_connect(fc, &b) == -EPERM);
	check(send_to(fa, "x", 1, 0, &b) == 1 && put(fb, "y", 1) == 1);
	/* Disconnecting drops what came from the old peer. */
	check(socket_connect(fa, &b) == 0 && socket_connect(fb, &unspec) == 0);
	set_nonblock(fb, true);
	check(take(fb, buf, 1) == -EAGAIN);
	check(take(fa, buf, 1) == -ECONNRESET && take(fa, buf, 1) == 1);
	file_put(fb);
	check(put(fa, "x", 1) == -ECONNREFUSED && put(fa, "x", 1) == -ENOTCONN);
	/* To itself. */
	check(socket_connect(fa, &a) == 0 && put(fa, "me", 2) == 2 && take(fa, buf, 9) == 2);
	file_put(fa);
	file_put(fc);
	struct file *st = make(SOCK_STREAM, "b"), *d = make(SOCK_DGRAM, "");
	check(socket_connect(d, &b) == -ECONNREFUSED);
	file_put(st);
	file_put(d);
}

Test(unix_dgram, connects)
{
	as_guest(connect_body);
}

static void shut_body(void)
{
	check(socket_pair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	check(socket_shutdown(s[1], SHUT_RD) == 0);
	check(put(s[0], "x", 1) == -EPIPE && raised == 0);
	check(take(s[1], buf, 1) == 0 && recv_from(s[1], buf, 1, MSG_DONTWAIT, NULL) == -EAGAIN);
	check(file_ready(s[1]) ==
	      (EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND));
	check(socket_shutdown(s[0], SHUT_WR) == 0 && put(s[0], "x", 1) == -EPIPE);
	file_put(s[0]);
	file_put(s[1]);

	check(socket_pair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0);
	check(put(s[0], "x", 1) == 1);
	file_put(s[0]);
	check(take(s[1], buf, 1) == 1 && take(s[1], buf, 1) == 0);
	check(put(s[1], "x", 1) == -EPIPE && raised == 0 && file_ready(s[1]) & EPOLLHUP);
	file_put(s[1]);
	struct file *f = make(SOCK_SEQPACKET, "");
	check(put(f, "x", 1) == -ENOTCONN && take(f, buf, 1) == -ENOTCONN);
	file_put(f);
}

Test(unix_dgram, ends)
{
	as_guest(shut_body);
}

static void seqpacket_body(void)
{
	struct sock_addr name = abstract("seq");
	struct file *l = make(SOCK_SEQPACKET, "seq"), *c = make(SOCK_SEQPACKET, ""), *a;

	check(socket_listen(l, 5) == 0 && socket_connect(c, &name) == 0);
	for (int i = 0; i < 50; i++)
		check(put(c, buf, i) == i);
	check(socket_accept(l, 0, &a, NULL) == 0);
	for (int i = 0; i < 50; i++)
		check(recv_from(a, buf, 100, 0, NULL) == i);
	check(put(a, "x", 1) == 1 && take(c, buf, 9) == 1);
	file_put(a);
	file_put(c);
	file_put(l);
}

Test(unix_dgram, seqpackets_connect)
{
	as_guest(seqpacket_body);
}

/* ---- many workers ------------------------------------------------------------- */

#define SENDERS 4

static _Atomic int running;

static void stress_send(void *arg)
{
	struct sock_addr name = abstract("busy");
	struct file *f = make(SOCK_DGRAM, "");
	bool by_name = (u64)arg % 2;

	if (!by_name)
		check(socket_connect(f, &name) == 0);
	for (int i = 0; i < ROUNDS(4000); i++) {
		int n = 1 + i % 100;
		check((by_name ? send_to(f, buf, n, 0, &name) : put(f, buf, n)) == n);
	}
	file_put(f);
	running--;
}

static void stress_receive(void *arg)
{
	char mine[100];

	for (int i = 0; i < ROUNDS(4000) * SENDERS; i++)
		check(take(arg, mine, sizeof(mine)) > 0);
	file_put(arg);
	running--;
}

Test(unix_dgram, many_senders_on_workers)
{
	struct file *sink = make(SOCK_DGRAM, "busy");

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	running = SENDERS + 1;
	for (u64 i = 0; i < SENDERS; i++)
		spawn(stress_send, (void *)i);
	spawn(stress_receive, sink);
	await_zero(&running);
	sched_stop();
}
