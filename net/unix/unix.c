/*
 * AF_UNIX sockets: making and releasing them, options, readiness.
 */
#include "net/unix/unix.h"
#include "net/unix/unix_internal.h"
#include "base/bug.h"
#include "base/census.h"
#include "base/uspace.h"
#include "net/net.h"
#include <bsd/sys/queue.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#define READABLE (EPOLLIN | EPOLLRDNORM)
#define WRITABLE (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)

static CENSUS(unix_census, "unix socket");

/* ---- helpers of the folder ------------------------------------------------ */

void unix_lock_two(struct unix_socket *a, struct unix_socket *b)
{
	if (!b || a == b) {
		lock_acquire(&a->lock);
		return;
	}
	lock_acquire(a < b ? &a->lock : &b->lock);
	lock_acquire_nested(a < b ? &b->lock : &a->lock);
}

void unix_unlock_two(struct unix_socket *a, struct unix_socket *b)
{
	lock_release(&a->lock);
	if (b && a != b)
		lock_release(&b->lock);
}

struct unix_socket *unix_peer_get(struct unix_socket *u)
{
	lock_guard(&u->lock);
	struct unix_socket *peer = atomic_load_explicit(&u->peer, memory_order_relaxed);

	return peer ? unix_get(peer) : NULL;
}

int unix_take_error(struct unix_socket *u)
{
	if (atomic_load_explicit(&u->base.error, memory_order_relaxed) == 0)
		return 0;
	return -atomic_exchange(&u->base.error, 0);
}

/* ---- readiness ------------------------------------------------------------ */

/* A datagram socket that is connected waits for room at its peer, too. */
static bool peer_has_room(struct unix_socket *u)
{
	if (u->base.type == SOCK_STREAM)
		return true;
	struct unix_socket *peer = unix_peer_get(u);
	bool room = !peer || !unix_dgram_full(u, peer);
	unix_put(peer);
	return room;
}

static bool writable(struct unix_socket *u, enum unix_state state)
{
	u64 used = atomic_load_explicit(&u->charged, memory_order_relaxed);

	if (state == UNIX_LISTENING)
		return false;
	if (u->base.type == SOCK_STREAM) {
		/* A stream's bytes are counted where they lie. */
		struct unix_socket *peer = atomic_load_explicit(&u->peer, memory_order_acquire);
		used = peer ? atomic_load_explicit(&peer->bytes, memory_order_relaxed) : 0;
	}
	return unix_below_mark(used, u->base.sndbuf) && peer_has_room(u);
}

u32 unix_ready(struct socket *s)
{
	struct unix_socket *u = unix_of(s);
	enum unix_state state;
	u32 shut, ev = 0;

	/* Under the lock, so that a waiter sees what was queued before it was woken. */
	lock_acquire(&u->lock);
	state = u->state;
	shut = u->shut;
	if (!TAILQ_EMPTY(&u->queue) || !TAILQ_EMPTY(&u->backlog))
		ev |= READABLE;
	lock_release(&u->lock);

	if (atomic_load_explicit(&s->error, memory_order_relaxed))
		ev |= EPOLLERR;
	if (shut == UNIX_SHUT_BOTH)
		ev |= EPOLLHUP;
	if (shut & UNIX_SHUT_RD)
		ev |= EPOLLRDHUP | READABLE;
	if (!unix_is_dgram(u) && state == UNIX_UNCONNECTED)
		ev |= EPOLLHUP;
	if (writable(u, state))
		ev |= WRITABLE;
	return ev;
}

/* ---- options -------------------------------------------------------------- */

static int peer_cred(struct unix_socket *u, void *val, u32 *len)
{
	const struct user_ns *ns = caller_cred()->user_ns;
	struct ucred c = {.pid = 0, .uid = -1, .gid = -1};

	lock_acquire(&u->lock);
	if (u->peer_cred) {
		c.pid = caller_shown_pid(u->peer_pid);
		c.uid = user_ns_uid_show(ns, u->peer_cred->euid);
		c.gid = user_ns_gid_show(ns, u->peer_cred->egid);
	}
	lock_release(&u->lock);
	*len = min_of(*len, (u32)sizeof(c));
	memcpy(val, &c, *len);
	return 0;
}

static int peer_groups(struct unix_socket *u, void *val, u32 *len)
{
	struct cred *c;
	int err = 0;

	lock_acquire(&u->lock);
	c = u->peer_cred ? cred_get(u->peer_cred) : NULL;
	lock_release(&u->lock);
	if (!c)
		return -ENODATA;
	u32 size = c->ngroups * sizeof(u32);
	if (*len < size)
		err = -ERANGE; /* and *len says how much it takes */
	else
		memcpy(val, c->groups, size);
	*len = size;
	cred_put(c);
	return err;
}

static int unix_getsockopt(struct socket *s, int level, int opt, void *val, u32 *len)
{
	struct unix_socket *u = unix_of(s);
	int v;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (opt) {
	case SO_PEERCRED:
		return peer_cred(u, val, len);
	case SO_PEERGROUPS:
		return peer_groups(u, val, len);
	case SO_ACCEPTCONN:
		lock_acquire(&u->lock);
		v = u->state == UNIX_LISTENING;
		lock_release(&u->lock);
		*len = min_of(*len, (u32)sizeof(v));
		memcpy(val, &v, *len);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int unix_setsockopt(struct socket *s unused_arg, int level, int opt unused_arg,
                           const void *val unused_arg, u32 len unused_arg)
{
	return level == SOL_SOCKET ? -ENOPROTOOPT : -EOPNOTSUPP;
}

/* Bytes to read: of a datagram socket, those of the next datagram. -EINVAL for a listener. */
static s64 bytes_in(struct unix_socket *u)
{
	lock_guard(&u->lock);
	if (u->state == UNIX_LISTENING)
		return -EINVAL;
	if (!unix_is_dgram(u))
		return u->bytes;
	return TAILQ_EMPTY(&u->queue) ? 0 : TAILQ_FIRST(&u->queue)->len;
}

/* Bytes that the peer has not read yet. */
static s64 bytes_out(struct unix_socket *u)
{
	struct unix_socket *peer = u->base.type == SOCK_STREAM ? atomic_load(&u->peer) : NULL;

	return peer ? (s64)atomic_load(&peer->bytes) : (s64)atomic_load(&u->charged);
}

static s64 unix_ioctl(struct socket *s, u32 cmd, u64 arg)
{
	s64 n;
	int v;

	switch (cmd) {
	case FIONREAD: /* SIOCINQ */
		n = bytes_in(unix_of(s));
		break;
	case TIOCOUTQ: /* SIOCOUTQ */
		n = bytes_out(unix_of(s));
		break;
	default:
		return -ENOTTY;
	}
	if (n < 0)
		return n;
	v = n;
	return put_user(uptr_make(arg), &v);
}

/* ---- life ----------------------------------------------------------------- */

static void release_op(struct socket *s)
{
	unix_release(unix_of(s), false);
	unix_closed();
}

/* What nobody will accept is closed, and its clients hear of it. */
static void drop_backlog(struct unix_backlog *backlog)
{
	struct unix_socket *embryo;

	while ((embryo = TAILQ_FIRST(backlog)) != NULL) {
		TAILQ_REMOVE(backlog, embryo, backlog_link);
		unix_release(embryo, true);
		unix_put(embryo);
	}
}

/* The other end of a connection has gone; with unread bytes, or unaccepted, that is an error. */
static void tell_peer(struct unix_socket *peer, bool reset)
{
	lock_acquire(&peer->lock);
	peer->shut = UNIX_SHUT_BOTH;
	lock_release(&peer->lock);
	if (reset)
		atomic_store(&peer->base.error, ECONNRESET);
	unix_wake(peer, READABLE | WRITABLE | EPOLLHUP | EPOLLRDHUP | EPOLLERR);
}

void unix_release(struct unix_socket *u, bool embryo)
{
	struct unix_queue queue = TAILQ_HEAD_INITIALIZER(queue);
	struct unix_backlog backlog = TAILQ_HEAD_INITIALIZER(backlog);
	struct unix_socket *peer;

	unix_unbind(u);
	lock_acquire(&u->lock);
	u->dead = true;
	u->shut = UNIX_SHUT_BOTH;
	u->state = UNIX_UNCONNECTED;
	peer = unix_replace_peer_locked(u, NULL);
	bool unread = !TAILQ_EMPTY(&u->queue);
	TAILQ_CONCAT(&queue, &u->queue, link);
	u->queued = 0;
	u->bytes = 0;
	TAILQ_CONCAT(&backlog, &u->backlog, backlog_link);
	u->backlog_len = 0;
	lock_release(&u->lock);

	/* A datagram peer finds out when it sends. */
	if (peer && !unix_is_dgram(u))
		tell_peer(peer, unread || embryo);
	/* Whoever waits to connect or to send here tries again, and is refused. */
	waitq_wake(&u->base.room, EPOLLOUT | EPOLLHUP);
	drop_backlog(&backlog);
	unix_queue_free(&queue);
	unix_put(peer);
}

static void unix_free(struct socket *s)
{
	struct unix_socket *u = unix_of(s);

	BUG_ON(!TAILQ_EMPTY(&u->queue) || u->inflight);
	if (u->spare)
		unix_msg_put(u->spare);
	unix_addr_put(u->addr);
	if (u->peer_cred)
		cred_put(u->peer_cred);
	mutex_destroy(&u->read_mutex);
	census_add(&unix_census, -1);
	free(u);
}

/* ---- the three kinds ------------------------------------------------------ */

#define COMMON_OPS                                                                                 \
	.bind = unix_bind, .getname = unix_getname, .setsockopt = unix_setsockopt,                 \
	.getsockopt = unix_getsockopt, .shutdown = unix_shutdown, .ioctl = unix_ioctl,             \
	.ready = unix_ready, .pair = unix_pair, .blocked_on = unix_blocked_on,                     \
	.release = release_op, .free = unix_free

static const struct socket_ops stream_ops = {
    COMMON_OPS,
    .connect = unix_stream_connect,
    .listen = unix_listen,
    .accept = unix_accept,
    .sendmsg = unix_stream_send,
    .recvmsg = unix_stream_recv,
};

static const struct socket_ops seqpacket_ops = {
    COMMON_OPS,
    .connect = unix_stream_connect,
    .listen = unix_listen,
    .accept = unix_accept,
    .sendmsg = unix_seqpacket_send,
    .recvmsg = unix_seqpacket_recv,
};

static const struct socket_ops dgram_ops = {
    COMMON_OPS,
    .connect = unix_dgram_connect,
    .sendmsg = unix_dgram_send,
    .recvmsg = unix_dgram_recv,
};

static const struct socket_ops *ops_of(int type)
{
	switch (type) {
	case SOCK_STREAM:
		return &stream_ops;
	case SOCK_SEQPACKET:
		return &seqpacket_ops;
	default:
		return &dgram_ops;
	}
}

/* The peer has room again: whoever waits to write to it through u hears it from u. */
static bool relay_wake(struct waiter *w, u32 events unused_arg)
{
	struct unix_socket *u = container_of(w, struct unix_socket, relay);

	unix_wake(u, WRITABLE);
	return false;
}

int unix_alloc(struct net *net, int type, struct unix_socket **out)
{
	struct unix_socket *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	socket_init(&u->base, ops_of(type), net, AF_UNIX, type, 0);
	lock_init(&u->lock, RANK_SOCKET);
	mutex_init(&u->read_mutex, RANK_SOCKET_IO);
	TAILQ_INIT(&u->queue);
	TAILQ_INIT(&u->backlog);
	u->relay.fn = relay_wake;
	/* For datagrams, how many may wait in the queue; listen(2) sets its own. */
	u->backlog_max = max_of(net->max_dgram_qlen, 0);
	census_add(&unix_census, 1);
	unix_names_add(u);
	*out = u;
	return 0;
}

static int unix_create(struct net *net, int type, int protocol, struct socket **out)
{
	struct unix_socket *u;

	if (protocol && protocol != PF_UNIX)
		return -EPROTONOSUPPORT;
	/* By tradition, raw sockets are datagram sockets here. */
	if (type == SOCK_RAW)
		type = SOCK_DGRAM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	int err = unix_alloc(net, type, &u);
	if (!err)
		*out = &u->base;
	return err;
}

static const struct socket_family unix_family = {.family = AF_UNIX, .create = unix_create};

void unix_init(void)
{
	socket_family_register(&unix_family);
}
