/*
 * For tests of sockets: the families, and short forms of the calls.
 */
#pragma once
#include "tests/unit/fibers.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "net/socket/socket.h"
#include "net/unix/unix.h"

static inline void sockets_init(void)
{
	guest_init();
	unix_init();
}

static inline struct sock_addr abstract(const char *name)
{
	struct sock_addr a = {.un.sun_family = AF_UNIX};

	strcpy(a.un.sun_path + 1, name);
	a.len = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
	return a;
}

static inline struct sock_addr named(const char *path)
{
	struct sock_addr a = {.un.sun_family = AF_UNIX};

	strcpy(a.un.sun_path, path);
	a.len = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
	return a;
}

static inline ssize_t send_to(struct file *f, const void *data, size_t n, u32 flags,
                              struct sock_addr *to)
{
	struct uio u;
	struct msg m;

	uio_init_kernel(&u, (void *)(uintptr_t)data, n);
	msg_init(&m, &u, flags);
	m.name = to;
	ssize_t done = socket_sendmsg(f, &m);
	msg_destroy(&m);
	return done;
}

static inline ssize_t recv_from(struct file *f, void *data, size_t n, u32 flags,
                                struct sock_addr *from)
{
	struct uio u;
	struct msg m;

	uio_init_kernel(&u, data, n);
	msg_init(&m, &u, flags);
	m.name = from;
	ssize_t done = socket_recvmsg(f, &m);
	msg_destroy(&m);
	return done;
}

static inline int set_option(struct file *f, int opt, int v)
{
	return socket_setsockopt(f, SOL_SOCKET, opt, &v, sizeof(v));
}

static inline int option(struct file *f, int opt)
{
	int v = -1;
	u32 len = sizeof(v);
	int err = socket_getsockopt(f, SOL_SOCKET, opt, &v, &len);

	return err ? err : v;
}
