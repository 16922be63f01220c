/*
 * Shared by the files of this folder only.
 */
#pragma once
#include "net/socket/socket.h"

extern const struct file_ops socket_file_ops;

/* The registered family, or NULL. */
const struct socket_family *socket_family_find(int family);

/* A call that may have to wait; attempt is called until it does not say -EAGAIN. */
struct socket_attempt {
	ssize_t (*attempt)(struct socket_attempt *a);
	struct socket *s;
	struct msg *m;
	const struct sock_addr *addr;
	struct socket **out;
};

/*
 * Tries; waits for events on the socket (and for room in the one it is blocked
 * on) up to timeout ns, 0: not at all. -EAGAIN when time is up; -ERESTARTSYS or, where a
 * time-out was set, -EINTR.
 */
must_check ssize_t socket_retry(struct socket_attempt *a, u32 events, u64 timeout);

/* A send said -EPIPE: SIGPIPE where the type calls for it. */
void socket_broken(const struct socket *s);

/* Converts a relative time-out to a deadline. */
u64 socket_deadline(u64 timeout);
