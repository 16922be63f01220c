/*
 * AF_UNIX datagrams and sequenced packets: one message per send, one per
 * receive.
 *
 * Two bounds: the sender's SO_SNDBUF over all it has sent that nobody has read
 * (a message holds its sender for that), and the receiver's queue length, net.unix.max_dgram_qlen,
 * which does not count between two sockets that are each other's peers.
 */
#include "net/unix/unix_internal.h"
#include "base/timer.h"
#include "base/uspace.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>

/* What a datagram costs its sender on Linux beside its bytes: struct sk_buff and its tail. */
#define SKB_HEAD 256
#define SKB_TAIL 320
/* The longest datagram is the send buffer less this (net/unix/af_unix.c). */
#define SNDBUF_SLACK 32

#define NSEC_PER_SEC 1000000000ULL

bool unix_dgram_full(struct unix_socket *u, struct unix_socket *other)
{
	if (other == u || atomic_load(&other->peer) == u)
		return false;
	return atomic_load(&other->queued) > other->backlog_max;
}

/* ---- sending -------------------------------------------------------------- */

/* Where m goes, with +1. */
static int target_of(struct unix_socket *u, const struct msg *m, struct unix_socket **out)
{
	if (m->name && m->name->len)
		return unix_find(u, m->name, out);
	*out = unix_peer_get(u);
	return *out ? 0 : -ENOTCONN;
}

/*
 * So that as many fit as there: small ones come from power-of-two caches, large
 * ones lie in pages.
 */
static u32 charge_of(size_t len)
{
	u32 cache = 512;

	if (len + SKB_TAIL > PAGE_SIZE)
		return SKB_HEAD + SKB_TAIL + PAGE_ALIGN(len);
	while (cache < len + SKB_TAIL)
		cache *= 2;
	return SKB_HEAD + cache;
}

/* A message with m's bytes and files. On failure m is as before. */
static int make_message(struct unix_socket *u, struct unix_socket *other, struct msg *m,
                        struct unix_msg **out)
{
	size_t len = m->data->resid;
	struct unix_msg *msg = unix_msg_alloc(len);
	int err = 0;

	if (!msg)
		return -ENOMEM;
	ssize_t n = len ? uio_read(m->data, msg->data, len) : 0;
	if (n < (ssize_t)len)
		err = -EFAULT;
	else if (m->files)
		err = unix_attach_files(msg, m);
	if (err) {
		if (n > 0)
			uio_revert(m->data, n);
		unix_msg_put(msg);
		return err;
	}
	msg->len = len;
	msg->cred = unix_msg_cred(m, u, other);
	msg->charge = charge_of(len);
	msg->from = unix_get(u);
	atomic_fetch_add(&u->charged, msg->charge);
	lock_acquire(&u->lock);
	msg->addr = unix_addr_get(u->addr);
	lock_release(&u->lock);
	*out = msg;
	return 0;
}

/* The bytes and files go back to m. */
static void unmake_message(struct unix_msg *msg, struct msg *m)
{
	uio_revert(m->data, msg->len);
	if (msg->files)
		m->files = unix_detach_files(msg);
	unix_msg_put(msg);
}

/* Queues msg, or says why not. */
static int deliver(struct unix_socket *u, struct unix_socket *other, struct unix_msg *msg)
{
	struct unix_socket *theirs;

	lock_guard(&other->lock);
	theirs = atomic_load(&other->peer);
	if (other->dead)
		return u->base.type == SOCK_SEQPACKET ? -EPIPE : -ECONNREFUSED;
	if (theirs && theirs != u)
		return -EPERM;
	if (other->shut & UNIX_SHUT_RD)
		return -EPIPE;
	if (unix_dgram_full(u, other))
		return -EAGAIN;
	TAILQ_INSERT_TAIL(&other->queue, msg, link);
	unix_count_locked(other, 1, msg->len);
	return 0;
}

/* The peer is gone: a datagram socket is then unconnected. */
static void forget_peer(struct unix_socket *u, struct unix_socket *gone)
{
	struct unix_socket *old = NULL;

	lock_acquire(&u->lock);
	if (atomic_load(&u->peer) == gone) {
		old = unix_replace_peer_locked(u, NULL);
		u->state = UNIX_UNCONNECTED;
	}
	lock_release(&u->lock);
	unix_put(old);
}

static ssize_t send_to(struct unix_socket *u, struct unix_socket *other, struct msg *m)
{
	ssize_t len = m->data->resid;
	struct unix_msg *msg = NULL;

	if (u->shut & UNIX_SHUT_WR)
		return -EPIPE;
	if (atomic_load(&u->charged) >= (u64)u->base.sndbuf)
		return -EAGAIN;
	int err = make_message(u, other, m, &msg);
	if (err)
		return err;
	err = deliver(u, other, msg);
	if (err) {
		unmake_message(msg, m);
		if (err == -ECONNREFUSED && !(m->name && m->name->len))
			forget_peer(u, other);
		return err;
	}
	unix_wake(other, EPOLLIN | EPOLLRDNORM);
	return len;
}

ssize_t unix_dgram_send(struct socket *s, struct msg *m)
{
	struct unix_socket *u = unix_of(s), *other;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->name && m->name->len && m->name->sa.sa_family != AF_UNIX)
		return -EINVAL;
	err = target_of(u, m, &other);
	if (err)
		return err;
	err = unix_autobind_if_needed(u);
	if (!err)
		err = unix_take_error(u);
	if (!err && (s64)m->data->resid > (s64)s->sndbuf - SNDBUF_SLACK)
		err = -EMSGSIZE;
	ssize_t n = err ? err : send_to(u, other, m);
	unix_put(other);
	return n;
}

ssize_t unix_seqpacket_send(struct socket *s, struct msg *m)
{
	struct sock_addr *name = m->name;

	int err = unix_take_error(unix_of(s));
	if (err)
		return err;
	if (!atomic_load(&unix_of(s)->peer))
		return -ENOTCONN;
	/* The name is ignored: a connection has one other end. */
	m->name = NULL;
	ssize_t n = unix_dgram_send(s, m);
	m->name = name;
	return n;
}

/* ---- receiving ------------------------------------------------------------ */

/* The next message with +1, taken off the queue unless peeked at; NULL: *err says why. */
static struct unix_msg *next_message(struct unix_socket *u, const struct msg *m, ssize_t *err)
{
	bool room = false;

	*err = unix_take_error(u);
	if (*err)
		return NULL;
	lock_acquire(&u->lock);
	struct unix_msg *msg = TAILQ_FIRST(&u->queue);
	if (msg && m->flags & MSG_PEEK) {
		ref_get(&msg->ref);
	} else if (msg) {
		room = u->queued > u->backlog_max;
		TAILQ_REMOVE(&u->queue, msg, link);
		unix_count_locked(u, -1, -(s64)msg->len);
	} else if (u->shut & UNIX_SHUT_RD &&
	           (u->base.type == SOCK_SEQPACKET || !(m->flags & MSG_DONTWAIT))) {
		*err = 0;
	} else {
		*err = -EAGAIN;
	}
	lock_release(&u->lock);
	if (room)
		waitq_wake(&u->base.room, EPOLLOUT);
	return msg;
}

/* SCM_TIMESTAMP: Linux, too, takes the time of reception for these sockets. */
static void put_timestamp(const struct unix_socket *u, struct msg *m)
{
	u64 now = time_realtime();

	if (u->base.flags & SOCKET_TIMESTAMP) {
		struct timeval tv = {now / NSEC_PER_SEC, now % NSEC_PER_SEC / 1000};
		msg_put_control(m, SOL_SOCKET, SO_TIMESTAMP, &tv, sizeof(tv));
	} else {
		struct timespec ts = {now / NSEC_PER_SEC, now % NSEC_PER_SEC};
		msg_put_control(m, SOL_SOCKET, SO_TIMESTAMPNS, &ts, sizeof(ts));
	}
}

ssize_t unix_dgram_recv(struct socket *s, struct msg *m)
{
	struct unix_socket *u = unix_of(s);
	ssize_t err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	struct unix_msg *msg = next_message(u, m, &err);
	if (!msg)
		return err;
	u32 len = msg->len;
	if (m->name) {
		/* An unbound sender has no name at all. */
		m->name->len = 0;
		if (msg->addr)
			unix_addr_report(msg->addr, m->name);
	}
	size_t want = min_of((size_t)len, m->data->resid);
	ssize_t n = want ? uio_write(m->data, msg->data, want) : 0;
	if (n < (ssize_t)want) {
		/* As in Linux, a datagram that could not be delivered is lost. */
		unix_msg_put(msg);
		return -EFAULT;
	}
	if (want < len)
		m->out_flags |= MSG_TRUNC;
	if (u->base.flags & (SOCKET_TIMESTAMP | SOCKET_TIMESTAMPNS))
		put_timestamp(u, m);
	if (u->base.flags & SOCKET_PASSCRED) {
		m->cred = msg->cred;
		m->has_cred = true;
	}
	if (msg->files)
		m->files = m->flags & MSG_PEEK ? unix_peek_files(msg) : unix_detach_files(msg);
	unix_msg_put(msg);
	return m->flags & MSG_TRUNC ? (ssize_t)len : n;
}

ssize_t unix_seqpacket_recv(struct socket *s, struct msg *m)
{
	if (!atomic_load(&unix_of(s)->peer))
		return -ENOTCONN;
	return unix_dgram_recv(s, m);
}
