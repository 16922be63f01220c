/*
 * AF_UNIX inside.
 *
 *   unix.c     making sockets, options, readiness, release
 *   names.c    addresses: bound paths, abstract names, autobind, /proc/net/unix
 *   connect.c  listen, connect, accept, pairs, shutdown
 *   stream.c   bytes; dgram.c: datagrams and sequenced packets
 *   message.c  what lies in a queue
 *   inflight.c files in messages: their count, and the collection of cycles
 *
 * A connected stream's peer is set once and held until the socket is released,
 * so that sending takes one lock, the receiver's. A datagram socket's peer may
 * change, under its lock. Two sockets' locks are taken by address (unix_lock_two).
 */
#pragma once
#include "base/caller.h"
#include "base/lock.h"
#include "base/mutex.h"
#include "fs/vfs/mount.h"
#include "net/socket/msg.h"
#include "net/socket/socket.h"
#include <sys/queue.h>

struct account;
struct file;

enum unix_state { UNIX_UNCONNECTED, UNIX_LISTENING, UNIX_CONNECTED };
enum unix_shut { UNIX_SHUT_RD = 1, UNIX_SHUT_WR = 2, UNIX_SHUT_BOTH = 3 };

/* An address. Never changes; shared by the socket, what it accepts, and its datagrams. */
struct unix_addr {
	struct ref ref;
	u32 len;
	struct sockaddr_un name;
};

struct unix_addr *unix_addr_get(struct unix_addr *a);
void unix_addr_put(struct unix_addr *a);

/* Something in a receive queue. */
struct unix_msg {
	TAILQ_ENTRY(unix_msg) link;
	struct ref ref; /* the queue, and a reader that peeks */
	u32 off, len;   /* what is left of data */
	u32 cap;
	struct msg_cred cred;
	/* Files in flight (inflight.c) and who sent them; owned. */
	struct file_list *files;
	struct account *account;
	/* Datagrams: the sender, charged with `charge` bytes, and its name. Held. */
	struct unix_socket *from;
	u32 charge;
	struct unix_addr *addr;
	u8 data[];
};
TAILQ_HEAD(unix_queue, unix_msg);
TAILQ_HEAD(unix_backlog, unix_socket);

struct unix_socket {
	struct socket base;
	struct lock lock;
	struct mutex read_mutex; /* a stream's reader that copies outside the lock */

	/* Guarded by lock. */
	enum unix_state state;
	_Atomic u32 shut;                   /* UNIX_SHUT_*; read without the lock as a hint */
	bool dead;                          /* released: nobody will read again */
	bool binding;                       /* a bind is on its way */
	bool reading;                       /* the holder of read_mutex owns the queue's head */
	_Atomic(struct unix_socket *) peer; /* held; see the top for streams */
	struct unix_addr *addr;             /* held; set once */
	struct path path;                   /* held; of a socket bound to a path */
	struct unix_queue queue;
	_Atomic u32 queued;     /* messages in it */
	_Atomic u64 bytes;      /* bytes in it */
	struct unix_msg *spare; /* for the next small write */
	struct unix_backlog backlog;
	TAILQ_ENTRY(unix_socket) backlog_link; /* the listener's lock */
	u32 backlog_len;
	_Atomic u32
	    backlog_max;        /* also: datagrams that may wait; read without the lock as a hint */
	struct cred *peer_cred; /* held; NULL: none */
	s32 peer_pid;

	_Atomic u64 charged; /* bytes of datagrams that others have not read yet */
	/* On peer->room while connected to a datagram peer: its room is ours to announce. */
	struct waiter relay;

	/* names.c's lock. */
	bool listed, hashed;
	LIST_ENTRY(unix_socket) all_link, hash_link;

	/* inflight.c's mutex. */
	struct file *file; /* while in flight; not held */
	u32 inflight;      /* references to file that lie in messages */
	u32 outside;       /* during a collection: those that no candidate holds */
	bool candidate, reachable;
	TAILQ_ENTRY(unix_socket) inflight_link, gc_link;
};

static inline struct unix_socket *unix_of(struct socket *s)
{
	return container_of(s, struct unix_socket, base);
}
static inline struct unix_socket *unix_get(struct unix_socket *u)
{
	socket_get(&u->base);
	return u;
}
static inline void unix_put(struct unix_socket *u)
{
	if (u)
		socket_put(&u->base);
}
/*
 * More or fewer messages and bytes in the queue. Written under the lock, so it takes no
 * atomic addition; read without it where a hint will do.
 */
static inline void unix_count_locked(struct unix_socket *u, s32 messages, s64 bytes)
{
	u32 m = atomic_load_explicit(&u->queued, memory_order_relaxed);
	u64 b = atomic_load_explicit(&u->bytes, memory_order_relaxed);

	if (messages)
		atomic_store_explicit(&u->queued, m + (u32)messages, memory_order_relaxed);
	atomic_store_explicit(&u->bytes, b + (u64)bytes, memory_order_relaxed);
}
static inline bool unix_is_dgram(const struct unix_socket *u)
{
	return u->base.type == SOCK_DGRAM;
}
static inline void unix_wake(struct unix_socket *u, u32 events)
{
	waitq_wake(&u->base.waitq, events);
}

/* Locks both (b may be NULL or a), in the order of their addresses. */
void unix_lock_two(struct unix_socket *a, struct unix_socket *b);
void unix_unlock_two(struct unix_socket *a, struct unix_socket *b);

/* The peer with +1, or NULL. */
struct unix_socket *unix_peer_get(struct unix_socket *u);
/* A pending error, as a negative errno, taken; 0: none. */
int unix_take_error(struct unix_socket *u);

/* unix.c: a socket of SOCK_*, known to net. */
must_check int unix_alloc(struct net *net, int type, struct unix_socket **out);
/* Closes for ever: peer and queue are told and emptied. For files, and for what was never accepted.
 */
void unix_release(struct unix_socket *u, bool embryo);
u32 unix_ready(struct socket *s);
/* Linux's rule for EPOLLOUT: at most a quarter of the buffer is used. */
static inline bool unix_below_mark(u64 used, s32 sndbuf)
{
	return used * 4 <= (u64)sndbuf;
}

/* names.c */
int unix_bind(struct socket *s, const struct sock_addr *a);
int unix_getname(struct socket *s, struct sock_addr *out, bool peer);
/* Gives u an abstract name if it has none and wants SCM_CREDENTIALS. */
must_check int unix_autobind_if_needed(struct unix_socket *u);
/*
 * The socket that a names, of u's type, with +1. -EINVAL, -ECONNREFUSED, -EPROTOTYPE,
 * and what the walk says.
 */
must_check int unix_find(struct unix_socket *u, const struct sock_addr *a,
                         struct unix_socket **out);
void unix_names_add(struct unix_socket *u);
void unix_names_remove(struct unix_socket *u);
void unix_unbind(struct unix_socket *u);
void unix_addr_report(const struct unix_addr *a, struct sock_addr *out);

/* connect.c */
int unix_listen(struct socket *s, int backlog);
int unix_stream_connect(struct socket *s, const struct sock_addr *a);
int unix_dgram_connect(struct socket *s, const struct sock_addr *a);
int unix_accept(struct socket *s, struct socket **out);
int unix_pair(struct socket *a, struct socket *b);
int unix_shutdown(struct socket *s, int how);
struct socket *unix_blocked_on(struct socket *s, const struct sock_addr *to);
/*
 * Sets a datagram socket's peer (other is held for it; NULL: none), with the relay
 * of its room. u->lock is held. Returns the old one, to be put.
 */
struct unix_socket *unix_replace_peer_locked(struct unix_socket *u, struct unix_socket *other);

/* stream.c, dgram.c */
ssize_t unix_stream_send(struct socket *s, struct msg *m);
ssize_t unix_stream_recv(struct socket *s, struct msg *m);
ssize_t unix_dgram_send(struct socket *s, struct msg *m);
ssize_t unix_dgram_recv(struct socket *s, struct msg *m);
ssize_t unix_seqpacket_send(struct socket *s, struct msg *m);
ssize_t unix_seqpacket_recv(struct socket *s, struct msg *m);
/* True if a datagram from u to other would find the queue too long. */
bool unix_dgram_full(struct unix_socket *u, struct unix_socket *other);

/* message.c */
#define UNIX_MSG_CAP 4000 /* of messages for small stream writes: with its head, a page */
struct unix_msg *unix_msg_alloc(u32 cap);
void unix_msg_put(struct unix_msg *msg);
/* What SCM_CREDENTIALS will say of m, sent by the caller from u to other. */
struct msg_cred unix_msg_cred(const struct msg *m, const struct unix_socket *u,
                              const struct unix_socket *other);
void unix_queue_free(struct unix_queue *q);

/* inflight.c */
/* Puts m's files into flight with msg. -ETOOMANYREFS, -ENOMEM. */
must_check int unix_attach_files(struct unix_msg *msg, struct msg *m);
/* The files come down: to the receiver (who then owns the list)... */
struct file_list *unix_detach_files(struct unix_msg *msg);
/* ...or a copy of them for one that peeks. NULL: no memory. */
struct file_list *unix_peek_files(struct unix_msg *msg);
/* Closes the files of a message that nobody will receive. Never recurses. */
void unix_drop_files(struct file_list *l);
/* After a socket was released: collects if that is due. */
void unix_closed(void);
