/*
 * Sockets: what is common to all families.
 *
 * A socket is a file (S_IFSOCK) whose priv is a struct socket, which a family
 * embeds in its own object. The layer above the ops decodes nothing of the
 * guest's memory: addresses, options and control messages reach it as sentry
 * copies, data as a struct uio.
 *
 * Ops never wait: they return -EAGAIN (connect: -EINPROGRESS, see there) and make sure
 * that the waitq is woken; socket_*() below own blocking, SO_RCVTIMEO and SO_SNDTIMEO,
 * signals, MSG_DONTWAIT and MSG_WAITALL.
 *
 * Life: family->create makes it with one reference, which socket_file_create
 * turns into the file's; ops->release runs with the file's end. A family may hold
 * more references (a peer, an entry in a table): ops->free runs with the last.
 */
#pragma once
#include "base/cred.h"
#include "base/lock.h"
#include "base/ref.h"
#include "base/types.h"
#include "base/waitq.h"
#include "net/socket/msg.h"

struct file;
struct net;
struct socket;

struct socket_ops {
	/* a: at least sizeof(sa_family_t) bytes. Absent: -EOPNOTSUPP, also below. */
	int (*bind)(struct socket *s, const struct sock_addr *a);
	/*
	 * 0 when connected; -EINPROGRESS when begun, and the layer calls again after
	 * EPOLLOUT: then 0, -EINPROGRESS still, or why it failed; -EAGAIN when
	 * the peer has no room now (layer waits on *blocked_on).
	 */
	int (*connect)(struct socket *s, const struct sock_addr *a);
	int (*listen)(struct socket *s, int backlog);
	/* *out with its one reference. -EAGAIN: no connection is waiting. */
	int (*accept)(struct socket *s, struct socket **out);
	int (*getname)(struct socket *s, struct sock_addr *out, bool peer);
	/* Bytes taken (for datagrams: all or none), or -errno. Consumes m->files on success. */
	ssize_t (*sendmsg)(struct socket *s, struct msg *m);
	/* Bytes given; 0 at end of file. m->flags: in MSG_PEEK, TRUNC, OOB..; out via m->out_flags.
	 */
	ssize_t (*recvmsg)(struct socket *s, struct msg *m);
	/* Levels and options beyond the common ones. val: len bytes, sentry memory. -ENOPROTOOPT.
	 */
	int (*setsockopt)(struct socket *s, int level, int opt, const void *val, u32 len);
	/* val has *len bytes of room; *len gets the length of the value (already cut to the room).
	 */
	int (*getsockopt)(struct socket *s, int level, int opt, void *val, u32 *len);
	int (*shutdown)(struct socket *s, int how);
	s64 (*ioctl)(struct socket *s, u32 cmd, u64 arg); /* -ENOTTY */
	u32 (*ready)(struct socket *s);                   /* EPOLL* bits; required */
	int (*pair)(struct socket *a, struct socket *b);
	/*
	 * A send or connect said -EAGAIN because another socket is full: that
	 * socket with a reference, or NULL when s's own waitq will tell. Absent: NULL.
	 */
	struct socket *(*blocked_on)(struct socket *s, const struct sock_addr *to);
	void (*release)(struct socket *s); /* the file is gone; required */
	void (*free)(struct socket *s);    /* the last reference is gone; required */
};

/* Options of SOL_SOCKET that are one bit, kept for all families; each family honours its own. */
enum socket_flag {
	SOCKET_DEBUG = 1,
	SOCKET_REUSEADDR = 2,
	SOCKET_REUSEPORT = 4,
	SOCKET_DONTROUTE = 8,
	SOCKET_BROADCAST = 16,
	SOCKET_KEEPALIVE = 32,
	SOCKET_OOBINLINE = 64,
	SOCKET_PASSCRED = 128,
	SOCKET_TIMESTAMP = 256,   /* SCM_TIMESTAMP with each datagram */
	SOCKET_TIMESTAMPNS = 512, /* SCM_TIMESTAMPNS instead */
	SOCKET_LINGER = 1024,     /* with linger_s */
};

struct socket {
	struct ref ref;
	const struct socket_ops *ops;
	struct net *net; /* held */
	u16 family, type, protocol;
	_Atomic u32 flags; /* SOCKET_* */
	_Atomic s32 error; /* pending SO_ERROR, a positive errno */
	/* Bytes; set by SO_SNDBUF and SO_RCVBUF, doubled as Linux does. */
	_Atomic s32 sndbuf, rcvbuf;
	_Atomic s32 rcvlowat, priority, linger_s;
	_Atomic u32 mark;
	_Atomic u64 rcvtimeo, sndtimeo; /* ns; NO_DEADLINE: for ever */
	_Atomic u64 ino;                /* of the file, for /proc/net; 0 before there is one */
	struct waitq waitq;             /* readiness of this socket */
	struct waitq room;              /* other sockets that wait for room in this one */
};

struct socket_family {
	int family;
	/*
	 * Makes a socket of type SOCK_*; *out with one reference. -ESOCKTNOSUPPORT,
	 * -EPROTONOSUPPORT, -EPERM, -ENOMEM...
	 */
	int (*create)(struct net *net, int type, int protocol, struct socket **out);
};

/* At start-up, before any guest runs. */
void socket_family_register(const struct socket_family *f);

/* For families: common fields, one reference, defaults of net. */
void socket_init(struct socket *s, const struct socket_ops *ops, struct net *net, int family,
                 int type, int protocol);
struct socket *socket_get(struct socket *s);
void socket_put(struct socket *s);
/* Takes over s's reference, also on failure (s is then released). flags: O_NONBLOCK or 0. */
must_check int socket_file_create(struct socket *s, u32 flags, struct file **out);
/* The file's socket, borrowed; NULL: -ENOTSOCK. */
struct socket *socket_of_file(const struct file *f);

/*
 * The bodies of the system calls. f is any file: -ENOTSOCK if it is no socket.
 * type may carry SOCK_NONBLOCK and SOCK_CLOEXEC (the latter is the descriptor's affair).
 */
must_check int socket_create(int family, int type, int protocol, struct file **out);
must_check int socket_pair(int family, int type, int protocol, struct file *out[2]);
must_check int socket_bind(struct file *f, const struct sock_addr *a);
must_check int socket_connect(struct file *f, const struct sock_addr *a);
must_check int socket_listen(struct file *f, int backlog);
/* flags: SOCK_NONBLOCK, SOCK_CLOEXEC; others -EINVAL. addr: NULL or gets the peer's name. */
must_check int socket_accept(struct file *f, int flags, struct file **out, struct sock_addr *addr);
must_check int socket_getname(struct file *f, struct sock_addr *out, bool peer);
/* m->flags: MSG_*. Raises SIGPIPE unless MSG_NOSIGNAL. */
must_check ssize_t socket_sendmsg(struct file *f, struct msg *m);
must_check ssize_t socket_recvmsg(struct file *f, struct msg *m);
must_check int socket_shutdown(struct file *f, int how);
#define SOCKOPT_MAX 4096 /* longest option value copied in */
must_check int socket_setsockopt(struct file *f, int level, int opt, const void *val, u32 len);
must_check int socket_getsockopt(struct file *f, int level, int opt, void *val, u32 *len);
