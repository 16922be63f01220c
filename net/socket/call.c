/*
 * The bodies of the socket calls: checks that are the same for all families,
 * and all the waiting.
 */
#include "net/socket/socket.h"
#include "net/socket/socket_internal.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "fs/vfs/file.h"
#include "net/net.h"
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#define TYPE_MASK  0xf
#define TYPE_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define TYPE_MAX   11 /* SOCK_MAX */

/* ---- waiting -------------------------------------------------------------- */

u64 socket_deadline(u64 timeout)
{
	if (timeout == NO_DEADLINE)
		return NO_DEADLINE;
	u64 now = time_monotonic();
	return timeout >= NO_DEADLINE - now ? NO_DEADLINE - 1 : now + timeout;
}

ssize_t socket_retry(struct socket_attempt *a, u32 events, u64 timeout)
{
	struct socket *s = a->s, *full;
	struct wait_fiber own, room;
	ssize_t n = a->attempt(a);

	if (n != -EAGAIN || timeout == 0)
		return n;
	u64 deadline = socket_deadline(timeout);
	full = s->ops->blocked_on ? s->ops->blocked_on(s, a->addr) : NULL;
	wait_fiber_init(&own);
	wait_fiber_init(&room);
	waitq_add(&s->waitq, &own.waiter, events);
	if (full)
		waitq_add(&full->room, &room.waiter, EPOLLOUT);
	while ((n = a->attempt(a)) == -EAGAIN) {
		int err = fiber_sleep(deadline);
		if (err) {
			n = err;
			break;
		}
	}
	waitq_remove(&s->waitq, &own.waiter);
	if (full)
		waitq_remove(&full->room, &room.waiter);
	socket_put(full);
	if (n == -ETIMEDOUT)
		return -EAGAIN;
	/* A call that is restarted would wait its whole time again. */
	if (n == -EINTR)
		return timeout == NO_DEADLINE ? -ERESTARTSYS : -EINTR;
	return n;
}

static u64 timeout_of(const struct file *f, u64 option, u32 msg_flags)
{
	return file_nonblock(f) || msg_flags & MSG_DONTWAIT ? 0 : option;
}

/* ---- making sockets ------------------------------------------------------- */

static int create_plain(int family, int type, int protocol, struct socket **out)
{
	const struct socket_family *f = socket_family_find(family);

	if (type & ~(TYPE_MASK | TYPE_FLAGS))
		return -EINVAL;
	type &= TYPE_MASK;
	if (type < 0 || type >= TYPE_MAX)
		return -EINVAL;
	if (!f)
		return -EAFNOSUPPORT;
	return f->create(net_current(), type, protocol, out);
}

int socket_create(int family, int type, int protocol, struct file **out)
{
	struct socket *s;
	int err = create_plain(family, type, protocol, &s);

	return err ? err : socket_file_create(s, type & SOCK_NONBLOCK ? O_NONBLOCK : 0, out);
}

int socket_pair(int family, int type, int protocol, struct file *out[2])
{
	u32 flags = type & SOCK_NONBLOCK ? O_NONBLOCK : 0;
	struct socket *a, *b;
	int err = create_plain(family, type, protocol, &a);

	if (err)
		return err;
	err = socket_file_create(a, flags, &out[0]);
	if (err)
		return err;
	err = create_plain(family, type, protocol, &b);
	if (!err)
		err = socket_file_create(b, flags, &out[1]);
	if (err) {
		file_put(out[0]);
		return err;
	}
	err = a->ops->pair ? a->ops->pair(a, b) : -EOPNOTSUPP;
	if (err) {
		file_put(out[0]);
		file_put(out[1]);
	}
	return err;
}

/* ---- names and connections ------------------------------------------------ */

int socket_bind(struct file *f, const struct sock_addr *a)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	if (a->len < sizeof(sa_family_t) || a->len > sizeof(a->ss))
		return -EINVAL;
	return s->ops->bind ? s->ops->bind(s, a) : -EOPNOTSUPP;
}

/* -EINPROGRESS waits like -EAGAIN; whether to tell them apart is the caller's affair. */
static ssize_t attempt_connect(struct socket_attempt *a)
{
	int err = a->s->ops->connect(a->s, a->addr);

	return err == -EINPROGRESS ? -EAGAIN : err;
}

int socket_connect(struct file *f, const struct sock_addr *addr)
{
	struct socket *s = socket_of_file(f);
	struct socket_attempt a = {.attempt = attempt_connect, .s = s, .addr = addr};

	if (!s)
		return -ENOTSOCK;
	if (addr->len < sizeof(sa_family_t) || addr->len > sizeof(addr->ss))
		return -EINVAL;
	if (!s->ops->connect)
		return -EOPNOTSUPP;
	u64 timeout = timeout_of(f, s->sndtimeo, 0);
	if (timeout == 0)
		return s->ops->connect(s, addr);
	int err = socket_retry(&a, EPOLLOUT, timeout);
	/* Time is up while a connection is being made: it goes on. */
	if (err == -EAGAIN && !s->ops->blocked_on)
		return -EINPROGRESS;
	return err;
}

int socket_listen(struct file *f, int backlog)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	/* Unsigned, so that a negative backlog asks for the most. */
	u32 most = s->net->somaxconn;
	return s->ops->listen ? s->ops->listen(s, min_of((u32)backlog, most)) : -EOPNOTSUPP;
}

static ssize_t attempt_accept(struct socket_attempt *a)
{
	return a->s->ops->accept(a->s, a->out);
}

int socket_accept(struct file *f, int flags, struct file **out, struct sock_addr *addr)
{
	struct socket *s = socket_of_file(f), *peer;
	struct socket_attempt a = {.attempt = attempt_accept, .s = s, .out = &peer};

	if (flags & ~TYPE_FLAGS)
		return -EINVAL;
	if (!s)
		return -ENOTSOCK;
	if (!s->ops->accept)
		return -EOPNOTSUPP;
	int err = socket_retry(&a, EPOLLIN, timeout_of(f, s->rcvtimeo, 0));
	if (err)
		return err;
	err = socket_file_create(peer, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0, out);
	if (err)
		return err;
	if (addr && peer->ops->getname(peer, addr, true) < 0) {
		file_put(*out);
		return -ECONNABORTED;
	}
	return 0;
}

int socket_getname(struct file *f, struct sock_addr *out, bool peer)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	return s->ops->getname ? s->ops->getname(s, out, peer) : -EOPNOTSUPP;
}

int socket_shutdown(struct file *f, int how)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	return s->ops->shutdown ? s->ops->shutdown(s, how) : -EOPNOTSUPP;
}

void socket_broken(const struct socket *s)
{
	struct caller *c = caller();

	/* Linux signals for streams only. */
	if (s->type == SOCK_STREAM && c->raise)
		c->raise(c, SIGPIPE);
}

/* ---- messages ------------------------------------------------------------- */

static ssize_t attempt_send(struct socket_attempt *a)
{
	return a->s->ops->sendmsg(a->s, a->m);
}

ssize_t socket_sendmsg(struct file *f, struct msg *m)
{
	struct socket *s = socket_of_file(f);
	struct socket_attempt a = {.attempt = attempt_send, .s = s, .m = m, .addr = m->name};
	ssize_t n, done = 0;

	if (!s)
		return -ENOTSOCK;
	if (!s->ops->sendmsg)
		return -EOPNOTSUPP;
	if (m->control_len && (s->family == AF_UNIX || s->family == AF_NETLINK)) {
		int err = msg_parse_control(m);
		if (err)
			return err;
	}
	u64 timeout = timeout_of(f, s->sndtimeo, m->flags);
	/* A stream that waits takes everything, a datagram goes in one piece. */
	do {
		n = socket_retry(&a, EPOLLOUT, timeout);
		if (n > 0)
			done += n;
	} while (n > 0 && s->type == SOCK_STREAM && m->data->resid);
	if (done)
		return done;
	if (n == -EPIPE && !(m->flags & MSG_NOSIGNAL))
		socket_broken(s);
	return n;
}

static ssize_t attempt_receive(struct socket_attempt *a)
{
	return a->s->ops->recvmsg(a->s, a->m);
}

/* How many bytes a stream waits for before it returns. */
static size_t receive_target(const struct socket *s, const struct msg *m)
{
	if (m->flags & MSG_WAITALL)
		return m->data->resid;
	return min_of((size_t)s->rcvlowat, m->data->resid);
}

ssize_t socket_recvmsg(struct file *f, struct msg *m)
{
	struct socket *s = socket_of_file(f);
	struct socket_attempt a = {.attempt = attempt_receive, .s = s, .m = m};
	ssize_t n, done = 0;

	if (!s)
		return -ENOTSOCK;
	if (!s->ops->recvmsg)
		return -EOPNOTSUPP;
	u64 timeout = timeout_of(f, s->rcvtimeo, m->flags);
	if (timeout == 0)
		m->flags |= MSG_DONTWAIT;
	bool glue = s->type == SOCK_STREAM && !(m->flags & (MSG_PEEK | MSG_OOB));
	size_t target = glue ? receive_target(s, m) : 0;
	/* Bytes that came with files end a read, as do those of another sender. */
	do {
		n = socket_retry(&a, EPOLLIN, timeout);
		if (n > 0)
			done += n;
	} while (n > 0 && (size_t)done < target && !m->files);
	if (done)
		n = done;
	if (n >= 0)
		msg_deliver_control(m);
	return n;
}
