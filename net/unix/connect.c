/*
 * Connections of AF_UNIX sockets.
 *
 * connect(2) on a stream makes the server's end at once (an embryo: connected,
 * not accepted, without a file) and puts it on the listener's backlog; accept(2) hands it out.
 * So a client may write before it is accepted.
 */
#include "net/unix/unix_internal.h"
#include <errno.h>
#include <sys/epoll.h>

#define EVERYTHING                                                                                 \
	(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLHUP | EPOLLRDHUP |    \
	 EPOLLERR)

/* Who the caller is, for the other side's SO_PEERCRED. u->lock is held; returns what it replaces.
 */
static struct cred *set_peer_cred_locked(struct unix_socket *u, struct cred *c, s32 pid)
{
	struct cred *old = u->peer_cred;

	u->peer_cred = cred_get(c);
	u->peer_pid = pid;
	return old;
}

int unix_listen(struct socket *s, int backlog)
{
	struct unix_socket *u = unix_of(s);
	struct cred *old;

	lock_acquire(&u->lock);
	if (!u->addr || u->state == UNIX_CONNECTED) {
		lock_release(&u->lock);
		return -EINVAL;
	}
	bool more = backlog > (int)u->backlog_max;
	u->backlog_max = backlog;
	u->state = UNIX_LISTENING;
	/* Those who connect see who listened, not who accepts. */
	old = set_peer_cred_locked(u, caller_cred(), caller()->pid);
	lock_release(&u->lock);
	if (old)
		cred_put(old);
	if (more)
		waitq_wake(&s->room, EPOLLOUT);
	return 0;
}

/* ---- streams and sequenced packets ---------------------------------------- */

/* 0 if u may start a connection. */
static int may_connect_locked(const struct unix_socket *u)
{
	switch (u->state) {
	case UNIX_CONNECTED:
		return -EISCONN;
	case UNIX_LISTENING:
		return -EINVAL;
	default:
		return 0;
	}
}

/* 0 if the listener takes one more connection now. */
static int may_accept_locked(const struct unix_socket *l)
{
	if (l->dead || l->state != UNIX_LISTENING || l->shut & UNIX_SHUT_RD)
		return -ECONNREFUSED;
	return l->backlog_len > l->backlog_max ? -EAGAIN : 0;
}

/* Joins u and the fresh embryo, which goes to l's backlog. All three are ours or locked. */
static void join_locked(struct unix_socket *u, struct unix_socket *l, struct unix_socket *embryo)
{
	embryo->state = u->state = UNIX_CONNECTED;
	embryo->addr = unix_addr_get(l->addr);
	if (l->path.dentry)
		embryo->path = path_get(l->path);
	embryo->base.flags = l->base.flags & SOCKET_PASSCRED;
	set_peer_cred_locked(embryo, caller_cred(), caller()->pid);
	if (l->peer_cred)
		set_peer_cred_locked(u, l->peer_cred, l->peer_pid);
	atomic_store(&embryo->peer, unix_get(u));
	atomic_store_explicit(&u->peer, unix_get(embryo), memory_order_release);
	TAILQ_INSERT_TAIL(&l->backlog, embryo, backlog_link);
	l->backlog_len++;
}

static int connect_to(struct unix_socket *u, struct unix_socket *l)
{
	struct unix_socket *embryo;
	int err = unix_alloc(u->base.net, u->base.type, &embryo);

	if (err)
		return err;
	unix_lock_two(u, l);
	err = may_connect_locked(u);
	/* A socket cannot listen and connect, so u is not l here unless that was refused. */
	if (!err)
		err = may_accept_locked(l);
	if (!err)
		join_locked(u, l, embryo);
	unix_unlock_two(u, l);
	if (err) {
		unix_release(embryo, true);
		unix_put(embryo);
		return err;
	}
	unix_wake(l, EPOLLIN | EPOLLRDNORM);
	unix_wake(u, EPOLLOUT | EPOLLWRNORM);
	return 0;
}

int unix_stream_connect(struct socket *s, const struct sock_addr *a)
{
	struct unix_socket *u = unix_of(s), *l;
	int err;

	if (a->len <= sizeof(sa_family_t) || a->sa.sa_family != AF_UNIX)
		return -EINVAL;
	err = unix_autobind_if_needed(u);
	if (!err)
		err = unix_find(u, a, &l);
	if (err)
		return err;
	err = connect_to(u, l);
	unix_put(l);
	return err;
}

int unix_accept(struct socket *s, struct socket **out)
{
	struct unix_socket *l = unix_of(s), *embryo;

	lock_acquire(&l->lock);
	embryo = TAILQ_FIRST(&l->backlog);
	int err = embryo ? 0 : -EAGAIN;
	if (l->state != UNIX_LISTENING || (!embryo && l->shut & UNIX_SHUT_RD))
		err = -EINVAL;
	if (!err) {
		TAILQ_REMOVE(&l->backlog, embryo, backlog_link);
		l->backlog_len--;
	}
	lock_release(&l->lock);
	if (err)
		return err;
	waitq_wake(&s->room, EPOLLOUT);
	*out = &embryo->base;
	return 0;
}

int unix_pair(struct socket *sa, struct socket *sb)
{
	struct unix_socket *a = unix_of(sa), *b = unix_of(sb);

	unix_lock_two(a, b);
	a->state = b->state = UNIX_CONNECTED;
	set_peer_cred_locked(a, caller_cred(), caller()->pid);
	set_peer_cred_locked(b, caller_cred(), caller()->pid);
	atomic_store(&a->peer, unix_get(b));
	atomic_store(&b->peer, unix_get(a));
	unix_unlock_two(a, b);
	return 0;
}

/* What has become true of a socket with these ends shut: half of a connection is no hang-up. */
static u32 shut_events(u32 shut)
{
	return shut == UNIX_SHUT_BOTH ? EVERYTHING : EVERYTHING & ~(u32)EPOLLHUP;
}

int unix_shutdown(struct socket *s, int how)
{
	struct unix_socket *u = unix_of(s), *peer;
	u32 mine = how + 1, theirs = 0, events;

	if (mine & UNIX_SHUT_RD)
		theirs |= UNIX_SHUT_WR;
	if (mine & UNIX_SHUT_WR)
		theirs |= UNIX_SHUT_RD;
	lock_acquire(&u->lock);
	u->shut |= mine;
	events = shut_events(u->shut);
	peer = unix_is_dgram(u) ? NULL : atomic_load(&u->peer);
	if (peer)
		unix_get(peer);
	lock_release(&u->lock);
	unix_wake(u, events);
	/* One who waits for room here has none to wait for any more. */
	waitq_wake(&s->room, EPOLLOUT);
	if (peer) {
		lock_acquire(&peer->lock);
		peer->shut |= theirs;
		events = shut_events(peer->shut);
		lock_release(&peer->lock);
		unix_wake(peer, events);
		unix_put(peer);
	}
	return 0;
}

/* ---- datagrams ------------------------------------------------------------ */

struct unix_socket *unix_replace_peer_locked(struct unix_socket *u, struct unix_socket *other)
{
	struct unix_socket *old = atomic_load(&u->peer);

	if (old && unix_is_dgram(u))
		waitq_remove(&old->base.room, &u->relay);
	if (other && unix_is_dgram(u))
		waitq_add(&other->base.room, &u->relay, EPOLLOUT);
	atomic_store(&u->peer, other);
	return old;
}

/* Connected elsewhere, a socket takes datagrams from there only. */
static bool may_send_locked(const struct unix_socket *u, const struct unix_socket *other)
{
	const struct unix_socket *peer = atomic_load(&other->peer);

	return !peer || peer == u;
}

/* Makes other (NULL: none) u's peer; what it replaces is left in *old, with its reference. */
static int set_peer(struct unix_socket *u, struct unix_socket *other, struct unix_socket **old)
{
	int err = 0;

	unix_lock_two(u, other);
	if (other && other->dead)
		err = -ECONNREFUSED;
	else if (other && !may_send_locked(u, other))
		err = -EPERM;
	if (!err) {
		*old = unix_replace_peer_locked(u, other ? unix_get(other) : NULL);
		u->state = other ? UNIX_CONNECTED : UNIX_UNCONNECTED;
	}
	unix_unlock_two(u, other);
	return err;
}

/*
 * u no longer has old as its peer. As in Linux, what lies in u's queue goes too, and
 * old, if it was u's peer in turn, hears of it.
 */
static void after_parting(struct unix_socket *u, struct unix_socket *old)
{
	struct unix_queue queue = TAILQ_HEAD_INITIALIZER(queue);

	unix_lock_two(u, old);
	bool unread = !TAILQ_EMPTY(&u->queue);
	TAILQ_CONCAT(&queue, &u->queue, link);
	u->queued = 0;
	u->bytes = 0;
	bool mutual = atomic_load(&old->peer) == u && !old->dead;
	unix_unlock_two(u, old);
	if (!unread)
		return;
	unix_queue_free(&queue);
	waitq_wake(&u->base.room, EPOLLOUT);
	if (mutual) {
		atomic_store(&old->base.error, ECONNRESET);
		unix_wake(old, EVERYTHING);
	}
}

int unix_dgram_connect(struct socket *s, const struct sock_addr *a)
{
	struct unix_socket *u = unix_of(s), *other = NULL, *old = NULL;
	int err = 0;

	if (a->len < sizeof(sa_family_t))
		return -EINVAL;
	if (a->sa.sa_family != AF_UNSPEC) {
		err = unix_autobind_if_needed(u);
		if (!err)
			err = unix_find(u, a, &other);
	}
	if (!err)
		err = set_peer(u, other, &old);
	if (!err && old != other) {
		if (old)
			after_parting(u, old);
		unix_wake(u, EVERYTHING);
	}
	unix_put(old);
	unix_put(other);
	return err;
}

/*
 * Whose room a connect or a send waits for. A connected sender hears of its peer's
 * room through its own queue.
 */
struct socket *unix_blocked_on(struct socket *s, const struct sock_addr *to)
{
	struct unix_socket *other;

	if (!to || unix_find(unix_of(s), to, &other) != 0)
		return NULL;
	return &other->base;
}
