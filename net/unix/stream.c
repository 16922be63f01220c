/*
 * Bytes over a connected pair of AF_UNIX sockets.
 *
 * Bytes lie in the receiver's queue. Small writes are merged into the last
 * message there if it came from the same sender without files, and an emptied
 * message is kept for the next write: a byte to and fro allocates nothing. The
 * writer may fill the queue up to its own SO_SNDBUF.
 *
 * Guest memory is not touched under the lock: a writer copies to its stack or
 * to a message of its own first; a reader that cannot write in place takes
 * read_mutex and owns the queue's head (`reading`) while it copies.
 */
#include "net/unix/unix_internal.h"
#include "base/bug.h"
#include "base/uspace.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define SMALL_WRITE 512
#define CHUNK       32768 /* the longest message of a stream */

static bool same_cred(const struct msg_cred *a, const struct msg_cred *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/* ---- sending -------------------------------------------------------------- */

/* 0 if bytes may be sent from u to peer now. peer->lock is held. */
static int may_write_locked(struct unix_socket *u, struct unix_socket *peer)
{
	if (u->shut & UNIX_SHUT_WR || peer->dead || peer->shut & UNIX_SHUT_RD)
		return -EPIPE;
	return peer->bytes >= (u64)u->base.sndbuf ? -EAGAIN : 0;
}

static void append_locked(struct unix_socket *peer, struct unix_msg *msg)
{
	TAILQ_INSERT_TAIL(&peer->queue, msg, link);
	unix_count_locked(peer, 1, msg->len);
}

static bool merge_locked(struct unix_socket *peer, const void *data, u32 n,
                         const struct msg_cred *cred)
{
	struct unix_msg *last = TAILQ_LAST(&peer->queue, unix_queue);

	if (!last || last->files || last->off + last->len + n > last->cap ||
	    !same_cred(&last->cred, cred))
		return false;
	memcpy(last->data + last->off + last->len, data, n);
	last->len += n;
	unix_count_locked(peer, 0, n);
	return true;
}

static ssize_t send_small(struct unix_socket *u, struct unix_socket *peer, struct msg *m)
{
	struct msg_cred cred = unix_msg_cred(m, u, peer);
	struct unix_msg *msg = NULL;
	u8 buf[SMALL_WRITE];
	ssize_t n = uio_read(m->data, buf, m->data->resid);
	int err;

	if (n <= 0)
		return n;
	lock_acquire(&peer->lock);
	for (;;) {
		err = may_write_locked(u, peer);
		if (err || merge_locked(peer, buf, n, &cred))
			break;
		if (!msg) {
			msg = peer->spare;
			peer->spare = NULL;
		}
		if (msg) {
			msg->off = 0;
			msg->len = n;
			msg->cred = cred;
			memcpy(msg->data, buf, n);
			append_locked(peer, msg);
			msg = NULL;
			break;
		}
		lock_release(&peer->lock);
		msg = unix_msg_alloc(UNIX_MSG_CAP);
		lock_acquire(&peer->lock);
		if (!msg) {
			err = -ENOMEM;
			break;
		}
	}
	lock_release(&peer->lock);
	if (msg)
		unix_msg_put(msg);
	if (err)
		uio_revert(m->data, n);
	return err ? err : n;
}

/* Room in the receiver's queue, by the sender's buffer; or -EAGAIN, -EPIPE. */
static ssize_t room_for(struct unix_socket *u, struct unix_socket *peer)
{
	lock_guard(&peer->lock);
	int err = may_write_locked(u, peer);

	return err ? err : u->base.sndbuf - (s64)peer->bytes;
}

/* One message of up to CHUNK bytes, with the files if there are any. */
static ssize_t send_chunk(struct unix_socket *u, struct unix_socket *peer, struct msg *m)
{
	ssize_t room = room_for(u, peer);

	if (room < 0)
		return room;
	u32 want = min_of(min_of(m->data->resid, (size_t)room), (size_t)CHUNK);
	struct unix_msg *msg = unix_msg_alloc(want);
	if (!msg)
		return -ENOMEM;
	ssize_t n = uio_read(m->data, msg->data, want);
	int err = n <= 0 ? (int)n : 0;
	if (n > 0 && m->files)
		err = unix_attach_files(msg, m);
	if (n <= 0 || err) {
		if (n > 0)
			uio_revert(m->data, n);
		unix_msg_put(msg);
		return err;
	}
	msg->len = n;
	msg->cred = unix_msg_cred(m, u, peer);
	lock_acquire(&peer->lock);
	err = may_write_locked(u, peer);
	if (!err)
		append_locked(peer, msg);
	lock_release(&peer->lock);
	if (!err)
		return n;
	/* Another writer was faster: the files go back with the bytes. */
	uio_revert(m->data, n);
	if (msg->files)
		m->files = unix_detach_files(msg);
	unix_msg_put(msg);
	return err;
}

ssize_t unix_stream_send(struct socket *s, struct msg *m)
{
	struct unix_socket *u = unix_of(s);
	struct unix_socket *peer = atomic_load_explicit(&u->peer, memory_order_acquire);
	ssize_t n, done = 0;

	if (m->name && m->name->len)
		return peer ? -EISCONN : -EOPNOTSUPP;
	if (!peer)
		return -ENOTCONN;
	if (u->shut & UNIX_SHUT_WR)
		return -EPIPE;
	/* An urgent byte is refused rather than sent as any other. */
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	int err = unix_take_error(u);
	if (err)
		return err;
	if (m->data->resid == 0)
		return 0;
	if (m->data->resid <= SMALL_WRITE && !m->files) {
		done = send_small(u, peer, m);
	} else {
		do {
			n = send_chunk(u, peer, m);
			if (n > 0)
				done += n;
		} while (n > 0 && m->data->resid);
		if (done == 0)
			done = n;
	}
	if (done > 0)
		unix_wake(peer, EPOLLIN | EPOLLRDNORM);
	return done;
}

/* ---- receiving ------------------------------------------------------------ */

/* Takes n bytes off the first message. Returns it if that emptied it and it is not kept. */
static struct unix_msg *consume_locked(struct unix_socket *u, u32 n)
{
	struct unix_msg *msg = TAILQ_FIRST(&u->queue);

	BUG_ON(n > msg->len);
	msg->off += n;
	msg->len -= n;
	unix_count_locked(u, msg->len ? 0 : -1, -(s64)n);
	if (msg->len)
		return NULL;
	TAILQ_REMOVE(&u->queue, msg, link);
	if (u->spare || msg->cap != UNIX_MSG_CAP || msg->files)
		return msg;
	u->spare = msg;
	return NULL;
}

/* Tells the writer once a quarter of its buffer or less is in use again. */
static void announce_room(struct unix_socket *u, u64 before)
{
	struct unix_socket *peer = atomic_load_explicit(&u->peer, memory_order_acquire);

	if (!peer || !unix_below_mark(atomic_load(&u->bytes), peer->base.sndbuf))
		return;
	if (!unix_below_mark(before, peer->base.sndbuf))
		unix_wake(peer, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

/* Why there is nothing to read. u->lock is held. */
static ssize_t empty_locked(struct unix_socket *u)
{
	int err = unix_take_error(u);

	if (err)
		return err;
	return u->shut & UNIX_SHUT_RD ? 0 : -EAGAIN;
}

/*
 * The common case: the wanted bytes lie in the first message, no files, no
 * credentials asked for, and they can be written in place. False: the slow way.
 */
static bool recv_in_place(struct unix_socket *u, struct uio *dst, ssize_t *result)
{
	struct unix_msg *gone = NULL;
	size_t room = dst->resid;
	void *to = uio_reserve(dst, &room);
	u64 before = 0;

	lock_acquire(&u->lock);
	struct unix_msg *msg = TAILQ_FIRST(&u->queue);
	if (!msg) {
		*result = empty_locked(u);
		lock_release(&u->lock);
		return true;
	}
	size_t n = min_of(dst->resid, u->bytes);
	bool ok = !u->reading && !msg->files && to && n <= room && n <= msg->len && n <= PAGE_SIZE;
	if (ok) {
		before = u->bytes;
		memcpy(to, msg->data + msg->off, n);
		gone = consume_locked(u, n);
	}
	lock_release(&u->lock);
	if (!ok)
		return false;
	if (gone)
		unix_msg_put(gone);
	uio_advance(dst, n);
	announce_room(u, before);
	*result = n;
	return true;
}

/* What one message adds to a read. */
struct stream_read {
	struct unix_socket *u;
	struct msg *m;
	bool peek, want_cred;
	ssize_t done;
};

/*
 * A message's credentials: the first one's are reported, a message with others ends the
 * read, so that bytes of two senders are never glued.
 */
static bool cred_agrees(struct stream_read *r, const struct unix_msg *msg)
{
	if (!r->want_cred)
		return true;
	if (r->m->has_cred)
		return same_cred(&r->m->cred, &msg->cred);
	r->m->cred = msg->cred;
	r->m->has_cred = true;
	return true;
}

/* Copies from msg, at the queue's head or, for a peek, somewhere in it. False: the read ends here.
 */
static bool read_message(struct stream_read *r, struct unix_msg *msg, u32 off, u32 len)
{
	struct unix_socket *u = r->u;
	struct unix_msg *gone;

	if (!cred_agrees(r, msg))
		return false;
	ssize_t n = uio_write(r->m->data, msg->data + off, min_of((size_t)len, r->m->data->resid));
	if (n <= 0) {
		if (r->done == 0)
			r->done = n;
		return false;
	}
	r->done += n;
	/* Files come with the first bytes of their message, and end the read. */
	bool files = msg->files;
	if (files && r->peek)
		r->m->files = unix_peek_files(msg);
	else if (files)
		r->m->files = unix_detach_files(msg);
	if (!r->peek) {
		lock_acquire(&u->lock);
		u64 before = u->bytes;
		gone = consume_locked(u, n);
		lock_release(&u->lock);
		if (gone)
			unix_msg_put(gone);
		announce_room(u, before);
	}
	return !files && !r->m->data->faulted;
}

/* Owns the queue's head while it copies outside the lock. */
static ssize_t recv_copying(struct unix_socket *u, struct msg *m)
{
	struct stream_read r = {.u = u, .m = m, .peek = m->flags & MSG_PEEK};
	struct unix_msg *msg, *last = NULL;
	bool more = true;

	r.want_cred = u->base.flags & SOCKET_PASSCRED;
	mutex_acquire(&u->read_mutex);
	lock_acquire(&u->lock);
	u->reading = true;
	while (more && m->data->resid) {
		msg = r.peek && last ? TAILQ_NEXT(last, link) : TAILQ_FIRST(&u->queue);
		if (!msg)
			break;
		/* The writer may append to msg meanwhile, behind these bytes. */
		u32 off = msg->off, len = msg->len;
		lock_release(&u->lock);
		more = read_message(&r, msg, off, len);
		last = msg;
		lock_acquire(&u->lock);
	}
	if (r.done == 0 && more && m->data->resid)
		r.done = empty_locked(u);
	u->reading = false;
	lock_release(&u->lock);
	mutex_release(&u->read_mutex);
	return r.done;
}

/* recvfrom(2) gives the peer's address if it has one, though POSIX need not. */
static void name_peer(struct unix_socket *u, struct sock_addr *name)
{
	struct unix_socket *peer = atomic_load_explicit(&u->peer, memory_order_acquire);

	name->len = 0;
	lock_guard(&peer->lock);
	if (peer->addr)
		unix_addr_report(peer->addr, name);
}

ssize_t unix_stream_recv(struct socket *s, struct msg *m)
{
	struct unix_socket *u = unix_of(s);
	ssize_t n;

	if (!atomic_load_explicit(&u->peer, memory_order_acquire))
		return -EINVAL;
	if (m->flags & MSG_OOB)
		return -EINVAL;
	if (m->name)
		name_peer(u, m->name);
	if (m->data->resid == 0)
		return 0;
	if (!(m->flags & MSG_PEEK) && !(u->base.flags & SOCKET_PASSCRED) &&
	    recv_in_place(u, m->data, &n))
		return n;
	return recv_copying(u, m);
}
