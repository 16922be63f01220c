/* Control messages of AF_UNIX: files, credentials, and files that only their own queues hold. */
#include "tests/unit/net/sockets.h"
#include <sys/time.h>
#include "fs/anon/eventfd.h"
#include "fs/pipe/pipe.h"

TestSuite(unix_rights, .init = sockets_init, .fini = guest_fini, .timeout = 120);

static struct file *s[2];
static char buf[100];
static _Alignas(struct cmsghdr) char control[4096];
static size_t control_len;
static u32 out_flags;

/* Appends to the control buffer. */
static void add(int type, const void *data, size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)(control + control_len);

	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(n), .cmsg_level = SOL_SOCKET, .cmsg_type = type};
	memcpy(CMSG_DATA(c), data, n);
	control_len += CMSG_SPACE(n);
}

static ssize_t send_control(struct file *f, const char *data)
{
	struct uio u;
	struct msg m;

	uio_init_kernel(&u, (void *)(uintptr_t)data, strlen(data));
	msg_init(&m, &u, 0);
	m.control = control;
	m.control_len = control_len;
	ssize_t n = socket_sendmsg(f, &m);
	msg_destroy(&m);
	control_len = 0;
	return n;
}

static ssize_t recv_control(struct file *f, size_t n, size_t room, u32 flags)
{
	struct uio u;
	struct msg m;

	uio_init_kernel(&u, buf, n);
	msg_init(&m, &u, flags);
	m.control = control;
	m.control_len = room;
	ssize_t done = socket_recvmsg(f, &m);
	msg_destroy(&m);
	control_len = m.control_used;
	out_flags = m.out_flags;
	return done;
}

/* The descriptor number in the first control message, which must be SCM_RIGHTS of n files. */
static const int *rights(int n)
{
	struct cmsghdr *c = (struct cmsghdr *)control;

	check(control_len && c->cmsg_type == SCM_RIGHTS &&
	      c->cmsg_len == CMSG_LEN(n * sizeof(int)));
	control_len = 0;
	return (int *)CMSG_DATA(c);
}

/* Sends f over `over`. */
static ssize_t send_file(struct file *over, struct file *f)
{
	int fd = fd_install(file_get(f), false);

	check(fd >= 0);
	add(SCM_RIGHTS, &fd, sizeof(fd));
	ssize_t n = send_control(over, "f");
	check(fdtable_close(guest.files, fd) == 0);
	return n;
}

static void open_pair(int type)
{
	check(socket_pair(AF_UNIX, type, 0, s) == 0);
}

static void close_pair(void)
{
	file_put(s[0]);
	file_put(s[1]);
}

/* ---- files ---------------------------------------------------------------------- */

static void passes_body(void)
{
	int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	struct file *e, *got;

	for (int i = 0; i < 3; i++) {
		open_pair(types[i]);
		check(eventfd_create(0, 0, &e) == 0);
		check(send_file(s[0], e) == 1 && unix_inflight() == 1);
		/* Peeked at, the file stays, and another reference comes. */
		check(recv_control(s[1], 9, sizeof(control), MSG_PEEK) == 1);
		int fd = *rights(1);
		check(fd_get(fd, &got) == 0 && got == e);
		file_put(got);
		check(fdtable_close(guest.files, fd) == 0 && unix_inflight() == 1);
		check(recv_control(s[1], 9, sizeof(control), MSG_CMSG_CLOEXEC) == 1);
		check(out_flags == MSG_CMSG_CLOEXEC && unix_inflight() == 0);
		fd = *rights(1);
		check(fdtable_get_cloexec(guest.files, fd) == 1);
		check(fdtable_close(guest.files, fd) == 0);
		/* read(2) drops it; so does the end of the socket. */
		check(send_file(s[0], e) == 1 && take(s[1], buf, 9) == 1 && unix_inflight() == 0);
		check(send_file(s[0], e) == 1 && send_file(s[0], e) == 1);
		close_pair();
		check(unix_inflight() == 0 && ref_count(&e->ref) == 1);
		file_put(e);
	}
}

Test(unix_rights, passes_files)
{
	as_guest(passes_body);
}

static void boundaries_body(void)
{
	struct file *e;

	check(eventfd_create(0, 0, &e) == 0);
	open_pair(SOCK_STREAM);
	check(put(s[0], "ab", 2) == 2 && send_file(s[0], e) == 1 && put(s[0], "cd", 2) == 2);
	/* Bytes before are glued to those with files, which end the read. */
	check(recv_control(s[1], 50, sizeof(control), MSG_WAITALL) == 3);
	check(memcmp(buf, "abf", 3) == 0);
	fdtable_close(guest.files, *rights(1));
	check(recv_control(s[1], 50, sizeof(control), 0) == 2 && control_len == 0);
	/* Too little room: what fits, and a flag. */
	int fds[3];
	for (int i = 0; i < 3; i++)
		fds[i] = fd_install(file_get(e), false);
	add(SCM_RIGHTS, fds, sizeof(fds));
	check(send_control(s[0], "x") == 1);
	check(recv_control(s[1], 50, CMSG_LEN(2 * sizeof(int)), 0) == 1 && out_flags == MSG_CTRUNC);
	const int *two = rights(2);
	fdtable_close(guest.files, two[0]);
	fdtable_close(guest.files, two[1]);
	add(SCM_RIGHTS, fds, sizeof(fds));
	check(send_control(s[0], "x") == 1);
	check(recv_control(s[1], 50, 0, 0) == 1 && out_flags == MSG_CTRUNC && control_len == 0);
	for (int i = 0; i < 3; i++)
		fdtable_close(guest.files, fds[i]);
	check(ref_count(&e->ref) == 1);
	file_put(e);
	close_pair();
}

Test(unix_rights, end_a_read)
{
	as_guest(boundaries_body);
}

static void refuses_body(void)
{
	int fd = 77, many[254];
	struct cmsghdr *c = (struct cmsghdr *)control;
	struct file *e;

	open_pair(SOCK_STREAM);
	check(eventfd_create(0, 0, &e) == 0);
	add(SCM_RIGHTS, &fd, sizeof(fd));
	check(send_control(s[0], "x") == -EBADF);
	fd = fd_install(e, false);
	for (int i = 0; i < 254; i++)
		many[i] = fd;
	add(SCM_RIGHTS, many, sizeof(many));
	check(send_control(s[0], "x") == -EINVAL);
	add(SCM_RIGHTS, many, 253 * sizeof(int));
	check(send_control(s[0], "x") == 1 && unix_inflight() == 253);
	add(SCM_RIGHTS, many, 200 * sizeof(int));
	add(SCM_RIGHTS, many, 54 * sizeof(int));
	check(send_control(s[0], "x") == -EINVAL);
	add(99, many, 4);
	check(send_control(s[0], "x") == -EINVAL);
	add(SCM_RIGHTS, many, 4);
	c->cmsg_len = 4;
	check(send_control(s[0], "x") == -EINVAL);
	add(SCM_RIGHTS, many, 4);
	c->cmsg_len = ~0UL;
	check(send_control(s[0], "x") == -EINVAL);
	close_pair();
	check(unix_inflight() == 0 && ref_count(&e->ref) == 1);
}

Test(unix_rights, refuses_nonsense)
{
	as_guest(refuses_body);
}

static void limit_body(void)
{
	struct cred *root = guest.cred;
	int fds[250], n = 0;
	struct file *e;

	guest.cred = cred_create(1000, 1000, NULL, 0);
	guest.nofile_limit = 1000;
	open_pair(SOCK_STREAM);
	check(eventfd_create(0, 0, &e) == 0);
	int fd = fd_install(e, false);
	for (int i = 0; i < 250; i++)
		fds[i] = fd;
	for (;; n++) {
		add(SCM_RIGHTS, fds, sizeof(fds));
		ssize_t r = send_control(s[0], "x");
		if (r < 0) {
			check(r == -ETOOMANYREFS);
			break;
		}
	}
	check(n == 5 && unix_inflight() == 1250);
	close_pair();
	check(unix_inflight() == 0);
	cred_put(guest.cred);
	guest.cred = root;
}

Test(unix_rights, flies_only_so_many)
{
	as_guest(limit_body);
}

/* ---- credentials ---------------------------------------------------------------- */

static struct ucred cred_received(void)
{
	struct cmsghdr *c = (struct cmsghdr *)control;
	struct ucred u;

	check(control_len && c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(u)));
	memcpy(&u, CMSG_DATA(c), sizeof(u));
	control_len = 0;
	return u;
}

static void cred_body(void)
{
	struct cred *root = guest.cred;
	struct ucred u = {.pid = 7, .uid = 1000, .gid = 1000}, got;

	open_pair(SOCK_STREAM);
	check(put(s[0], "old", 3) == 3 && set_option(s[1], SO_PASSCRED, 1) == 0);
	guest.cred = cred_create(1000, 1000, NULL, 0);
	check(put(s[0], "a", 1) == 1);
	add(SCM_CREDENTIALS, &u, sizeof(u));
	check(send_control(s[0], "b") == 1);
	u.uid = 0;
	add(SCM_CREDENTIALS, &u, sizeof(u));
	check(send_control(s[0], "c") == -EPERM);
	u.uid = 1000;
	u.pid = 8;
	add(SCM_CREDENTIALS, &u, sizeof(u));
	check(send_control(s[0], "c") == -EPERM);
	cred_put(guest.cred);
	guest.cred = root;
	add(SCM_CREDENTIALS, &u, sizeof(u));
	check(send_control(s[0], "d") == 1);
	add(SCM_CREDENTIALS, &u, 4);
	check(send_control(s[0], "d") == -EINVAL);

	/* Bytes of different senders are not glued; who sent before anybody asked is nobody. */
	check(recv_control(s[1], 50, sizeof(control), 0) == 3);
	got = cred_received();
	check(got.pid == 0 && got.uid == 65534 && got.gid == 65534);
	check(recv_control(s[1], 50, sizeof(control), MSG_WAITALL) == 2);
	got = cred_received();
	check(got.pid == 7 && got.uid == 1000 && got.gid == 1000);
	check(recv_control(s[1], 50, sizeof(control), 0) == 1);
	got = cred_received();
	check(got.pid == 8 && got.uid == 1000);
	close_pair();

	/* Datagrams, with the time as well. A sender that wants credentials gets a name. */
	open_pair(SOCK_DGRAM);
	check(set_option(s[1], SO_PASSCRED, 1) == 0 && set_option(s[1], SO_TIMESTAMP, 1) == 0);
	check(set_option(s[0], SO_PASSCRED, 1) == 0);
	check(put(s[0], "a", 1) == 1);
	check(recv_control(s[1], 50, sizeof(control), 0) == 1);
	check(control_len == CMSG_SPACE(sizeof(struct timeval)) + CMSG_SPACE(sizeof(u)));
	check(((struct cmsghdr *)control)->cmsg_type == SO_TIMESTAMP);
	control_len = 0;
	struct sock_addr name;
	check(socket_getname(s[0], &name, false) == 0 && name.len == 8);
	close_pair();
}

Test(unix_rights, passes_credentials)
{
	as_guest(cred_body);
}

/* ---- cycles ---------------------------------------------------------------------- */

static void self_body(void)
{
	/* A socket in its own queue, closed. */
	open_pair(SOCK_STREAM);
	check(send_file(s[0], s[1]) == 1);
	file_put(s[1]);
	check(unix_inflight() == 1);
	file_put(s[0]);
	check(unix_inflight() == 0);

	/* Both ends in each other's queues; nothing is ever released, until somebody looks. */
	open_pair(SOCK_DGRAM);
	check(send_file(s[0], s[1]) == 1 && send_file(s[1], s[0]) == 1);
	check(send_file(s[0], s[0]) == 1 && send_file(s[1], s[1]) == 1);
	close_pair();
	check(unix_inflight() == 4);
	unix_collect();
	check(unix_inflight() == 0);
}

Test(unix_rights, collects_cycles)
{
	as_guest(self_body);
}

static void reachable_body(void)
{
	struct file *a[2], *e, *got;

	/* a[1] lies in s's queue, and its own queue holds an eventfd and itself: all reachable. */
	open_pair(SOCK_STREAM);
	check(socket_pair(AF_UNIX, SOCK_STREAM, 0, a) == 0 && eventfd_create(0, 0, &e) == 0);
	check(send_file(a[0], e) == 1 && send_file(a[0], a[1]) == 1 && send_file(s[0], a[1]) == 1);
	file_put(e);
	file_put(a[1]);
	unix_collect();
	check(unix_inflight() == 3);
	check(recv_control(s[1], 9, sizeof(control), 0) == 1);
	int fd = *rights(1);
	check(fd_get(fd, &got) == 0);
	unix_collect();
	check(recv_control(got, 9, sizeof(control), 0) == 1);
	fdtable_close(guest.files, *rights(1));
	/* Now it lies only in its own queue; a[0] being open does not make that reachable. */
	fdtable_close(guest.files, fd);
	file_put(got);
	check(unix_inflight() == 1);
	unix_collect();
	check(unix_inflight() == 0 && put(a[0], "x", 1) == -EPIPE);
	file_put(a[0]);
	close_pair();
}

Test(unix_rights, spares_what_can_be_received)
{
	as_guest(reachable_body);
}

static void embryo_body(void)
{
	struct sock_addr name = abstract("l");
	struct file *l, *c;

	/* A listener that lies in the queue of a connection nobody accepted. */
	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &l) == 0 && socket_bind(l, &name) == 0);
	check(socket_listen(l, 5) == 0);
	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &c) == 0 && socket_connect(c, &name) == 0);
	check(send_file(c, l) == 1 && send_file(c, c) == 1);
	file_put(l);
	file_put(c);
	check(unix_inflight() == 2);
	unix_collect();
	check(unix_inflight() == 0);
}

Test(unix_rights, collects_through_listeners)
{
	as_guest(embryo_body);
}

/* Sockets, each in the queue of the one before; first is the caller's, its queue holds the chain.
 */
static void make_chain(struct file *first[2], int links)
{
	struct file *last[2], *next[2];

	check(socket_pair(AF_UNIX, SOCK_STREAM, 0, first) == 0);
	last[0] = file_get(first[0]);
	last[1] = file_get(first[1]);
	for (int i = 0; i < links; i++) {
		check(socket_pair(AF_UNIX, SOCK_STREAM, 0, next) == 0);
		check(send_file(last[0], next[1]) == 1);
		file_put(last[0]);
		file_put(last[1]);
		last[0] = next[0];
		last[1] = next[1];
	}
	check(unix_inflight() == (u64)links);
	file_put(last[0]);
	file_put(last[1]);
}

/* Closing the first must not recurse. */
static void chain_body(void)
{
	struct file *first[2];

	make_chain(first, ROUNDS(20000));
	file_put(first[1]);
	file_put(first[0]);
	check(unix_inflight() == 0);
}

Test(unix_rights, drops_chains_without_recursion)
{
	as_guest(chain_body);
}

/* A guest that makes garbage and never closes anything else is cleaned up after as it goes. */
static void garbage_body(void)
{
	u64 most = 0;

	for (int i = 0; i < 2000; i++) {
		open_pair(SOCK_DGRAM);
		check(send_file(s[0], s[1]) == 1 && send_file(s[1], s[0]) == 1);
		close_pair();
		most = max_of(most, unix_inflight());
	}
	check(most < 200);
	unix_collect();
	check(unix_inflight() == 0);
}

Test(unix_rights, garbage_does_not_pile_up)
{
	as_guest(garbage_body);
}

/* A collection costs what is in flight, so closes share it: no garbage is forgotten for that. */
static void shared_body(void)
{
	struct file *first[2], *other[2];

	make_chain(first, 1000);
	unix_collect();
	open_pair(SOCK_DGRAM);
	check(send_file(s[0], s[1]) == 1 && send_file(s[1], s[0]) == 1);
	close_pair();
	check(unix_inflight() == 1002);
	for (int i = 0; i < 1000 / 64 / 2 + 1; i++) {
		check(socket_pair(AF_UNIX, SOCK_DGRAM, 0, other) == 0);
		file_put(other[0]);
		file_put(other[1]);
	}
	check(unix_inflight() == 1000);
	file_put(first[1]);
	file_put(first[0]);
	check(unix_inflight() == 0);
}

Test(unix_rights, closes_share_a_collection)
{
	as_guest(shared_body);
}

/* ---- many workers ------------------------------------------------------------------ */

static _Atomic int running;

/* Rounds of pairs that hold each other and are received from or dropped, on several fibers. */
static void stress(void *arg)
{
	u64 seed = (u64)arg * 7 + 1;

	for (int i = 0; i < ROUNDS(3000); i++) {
		struct file *p[2];
		_Alignas(struct cmsghdr) char mine[CMSG_SPACE(sizeof(int))] = {0};
		struct cmsghdr *c = (struct cmsghdr *)mine;
		struct uio u;
		struct msg m;

		check(socket_pair(AF_UNIX, SOCK_DGRAM, 0, p) == 0);
		for (int k = 0; k < 2; k++) {
			int fd = fd_install(file_get(p[(seed >> 20) % 2]), false);
			seed = seed * 6364136223846793005 + 1442695040888963407;
			*c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
			memcpy(CMSG_DATA(c), &fd, sizeof(fd));
			uio_init_kernel(&u, "x", 1);
			msg_init(&m, &u, 0);
			m.control = mine;
			m.control_len = sizeof(mine);
			check(socket_sendmsg(p[k], &m) == 1);
			msg_destroy(&m);
			check(fdtable_close(guest.files, fd) == 0);
		}
		if (seed >> 40 & 1) {
			char x;
			uio_init_kernel(&u, &x, 1);
			msg_init(&m, &u, 0);
			m.control = mine;
			m.control_len = sizeof(mine);
			check(socket_recvmsg(p[1], &m) == 1);
			int fd;
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
			check(fdtable_close(guest.files, fd) == 0);
		}
		file_put(p[0]);
		file_put(p[1]);
	}
	running--;
}

Test(unix_rights, collects_while_others_work)
{
	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	running = 4;
	for (u64 i = 0; i < 4; i++)
		spawn(stress, (void *)i);
	await_zero(&running);
	sched_stop();
	unix_collect();
	cr_assert_eq(unix_inflight(), 0);
}
