/*
 * Socket system calls: decoding of addresses, options and message headers; all
 * else is the socket layer's (net/socket/).
 */
#include "base/caller.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "net/socket/msg.h"
#include "net/socket/socket.h"
#include "sentry/fd_pair.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int addr_in(struct sock_addr *out, struct uptr src, u32 len)
{
	if ((s32)len < 0 || len > sizeof(out->ss))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->len = len;
	return len ? copy_in(&out->ss, src, len) : 0;
}

/* Writes as much as fits in the guest's buffer and the full length, as accept(2) says. */
static int addr_out(struct uptr dst, struct uptr lenp, const struct sock_addr *a)
{
	s32 room;

	if (get_user(&room, lenp))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_out(dst, &a->ss, min_of((u32)room, a->len)))
		return -EFAULT;
	return put_user(lenp, &a->len);
}

s64 sys_socket(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	int err = socket_create(arg_int(a, 0), arg_int(a, 1), arg_int(a, 2), &f);

	return err ? err : fd_install(f, arg_int(a, 1) & SOCK_CLOEXEC);
}

s64 sys_socketpair(struct task *t, const struct syscall_args *a)
{
	struct file *f[2];
	int err = socket_pair(arg_int(a, 0), arg_int(a, 1), arg_int(a, 2), f);

	return err ? err : fd_install_pair(t, f, arg_int(a, 1) & SOCK_CLOEXEC, arg_ptr(a, 3));
}

/* bind and connect differ in one call. */
static s64 with_addr(const struct syscall_args *a,
                     int (*fn)(struct file *f, const struct sock_addr *addr))
{
	struct sock_addr addr;
	struct file *f;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	if (!socket_of_file(f))
		err = -ENOTSOCK;
	else
		err = addr_in(&addr, arg_ptr(a, 1), arg_u32(a, 2));
	if (!err)
		err = fn(f, &addr);
	file_put(f);
	return err;
}

s64 sys_bind(struct task *t unused_arg, const struct syscall_args *a)
{
	return with_addr(a, socket_bind);
}

s64 sys_connect(struct task *t unused_arg, const struct syscall_args *a)
{
	return with_addr(a, socket_connect);
}

s64 sys_listen(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	err = socket_listen(f, arg_int(a, 1));
	file_put(f);
	return err;
}

static s64 accept_on(const struct syscall_args *a, int flags)
{
	bool want_addr = !uptr_is_null(arg_ptr(a, 1));
	struct sock_addr addr = {0};
	struct file *f, *conn;
	s64 err;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	err = socket_accept(f, flags, &conn, want_addr ? &addr : NULL);
	file_put(f);
	if (err)
		return err;
	if (want_addr && (err = addr_out(arg_ptr(a, 1), arg_ptr(a, 2), &addr))) {
		file_put(conn);
		return err;
	}
	return fd_install(conn, flags & SOCK_CLOEXEC);
}

s64 sys_accept(struct task *t unused_arg, const struct syscall_args *a)
{
	return accept_on(a, 0);
}

s64 sys_accept4(struct task *t unused_arg, const struct syscall_args *a)
{
	return accept_on(a, arg_int(a, 3));
}

static s64 name_of(const struct syscall_args *a, bool peer)
{
	struct sock_addr addr = {0};
	struct file *f;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	err = socket_getname(f, &addr, peer);
	file_put(f);
	return err ? err : addr_out(arg_ptr(a, 1), arg_ptr(a, 2), &addr);
}

s64 sys_getsockname(struct task *t unused_arg, const struct syscall_args *a)
{
	return name_of(a, false);
}

s64 sys_getpeername(struct task *t unused_arg, const struct syscall_args *a)
{
	return name_of(a, true);
}

s64 sys_shutdown(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	err = socket_shutdown(f, arg_int(a, 1));
	file_put(f);
	return err;
}

s64 sys_setsockopt(struct task *t unused_arg, const struct syscall_args *a)
{
	u32 len = arg_u32(a, 4);
	u8 val[256], *buf = val;
	struct file *f;
	s64 err;

	if ((s32)len < 0 || len > SOCKOPT_MAX)
		return -EINVAL;
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	if (len > sizeof(val) && !(buf = malloc(len)))
		err = -ENOMEM;
	else if (len && copy_in(buf, arg_ptr(a, 3), len))
		err = -EFAULT;
	else
		err = socket_setsockopt(f, arg_int(a, 1), arg_int(a, 2), buf, len);
	if (buf != val)
		free(buf);
	file_put(f);
	return err;
}

s64 sys_getsockopt(struct task *t unused_arg, const struct syscall_args *a)
{
	u8 val[SOCKOPT_MAX];
	struct file *f;
	u32 len;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	if (!socket_of_file(f)) {
		err = -ENOTSOCK;
	} else if (get_user(&len, arg_ptr(a, 4))) {
		err = -EFAULT;
	} else if ((s32)len < 0) {
		err = -EINVAL;
	} else {
		len = min_of(len, (u32)sizeof(val));
		err = socket_getsockopt(f, arg_int(a, 1), arg_int(a, 2), val, &len);
	}
	file_put(f);
	if (err)
		return err;
	if (copy_out(arg_ptr(a, 3), val, len))
		return -EFAULT;
	return put_user(arg_ptr(a, 4), &len);
}

/* ---- messages -------------------------------------------------------- */

s64 sys_sendto(struct task *t unused_arg, const struct syscall_args *a)
{
	struct sock_addr addr;
	struct file *f;
	struct msg m;
	struct uio u;
	s64 n;

	if ((s64)arg_u64(a, 2) < 0)
		return -EINVAL;
	n = fd_get(arg_int(a, 0), &f);
	if (n)
		return n;
	uio_init_user(&u, arg_ptr(a, 1), min_of(arg_u64(a, 2), MAX_RW_COUNT));
	msg_init(&m, &u, arg_u32(a, 3));
	if (!socket_of_file(f)) {
		n = -ENOTSOCK;
	} else if (!uptr_is_null(arg_ptr(a, 4))) {
		n = addr_in(&addr, arg_ptr(a, 4), arg_u32(a, 5));
		m.name = &addr;
	}
	if (!n)
		n = socket_sendmsg(f, &m);
	msg_destroy(&m);
	file_put(f);
	return n;
}

s64 sys_recvfrom(struct task *t unused_arg, const struct syscall_args *a)
{
	bool want_addr = !uptr_is_null(arg_ptr(a, 4));
	struct sock_addr addr = {0};
	struct file *f;
	struct msg m;
	struct uio u;
	s64 n, err;

	if ((s64)arg_u64(a, 2) < 0)
		return -EINVAL;
	n = fd_get(arg_int(a, 0), &f);
	if (n)
		return n;
	uio_init_user(&u, arg_ptr(a, 1), min_of(arg_u64(a, 2), MAX_RW_COUNT));
	msg_init(&m, &u, arg_u32(a, 3));
	m.name = want_addr ? &addr : NULL;
	n = socket_recvmsg(f, &m);
	msg_destroy(&m);
	file_put(f);
	if (n >= 0 && want_addr && (err = addr_out(arg_ptr(a, 4), arg_ptr(a, 5), &addr)))
		return err;
	return n;
}

/* The x86-64 struct msghdr of the ABI. */
struct user_msghdr {
	u64 name;
	u32 namelen, pad;
	u64 iov, iovlen;
	u64 control, controllen;
	u32 flags, pad2;
};
struct user_mmsghdr {
	struct user_msghdr hdr;
	u32 len, pad;
};

/* hdr is a sentry copy. */
static s64 send_one(struct file *f, const struct user_msghdr *hdr, u32 flags)
{
	struct sock_addr addr;
	struct msg m;
	struct uio u;
	s64 n;

	if (hdr->controllen > MSG_MAX_CONTROL)
		return -ENOBUFS;
	n = uio_init_iovec(&u, uptr_make(hdr->iov), hdr->iovlen);
	if (n)
		return n == -EINVAL && hdr->iovlen > IOV_MAX ? -EMSGSIZE : n;
	msg_init(&m, &u, flags);
	if (hdr->name && hdr->namelen) {
		n = addr_in(&addr, uptr_make(hdr->name),
		            min_of(hdr->namelen, (u32)sizeof(addr.ss)));
		m.name = &addr;
	}
	if (!n && hdr->controllen) {
		m.control_len = hdr->controllen;
		m.control = malloc(hdr->controllen);
		if (!m.control)
			n = -ENOMEM;
		else if (copy_in(m.control, uptr_make(hdr->control), hdr->controllen))
			n = -EFAULT;
	}
	if (!n)
		n = socket_sendmsg(f, &m);
	free(m.control);
	m.control = NULL;
	msg_destroy(&m);
	uio_destroy(&u);
	return n;
}

/* hdr is a sentry copy; what the guest is to see of it is written to `user`. */
static s64 recv_one(struct file *f, const struct user_msghdr *hdr, struct uptr user, u32 flags)
{
	struct sock_addr addr = {0};
	struct msg m;
	struct uio u;
	s64 n, err = 0;
	u64 used;

	if (hdr->name && (s32)hdr->namelen < 0)
		return -EINVAL;
	n = uio_init_iovec(&u, uptr_make(hdr->iov), hdr->iovlen);
	if (n)
		return n == -EINVAL && hdr->iovlen > IOV_MAX ? -EMSGSIZE : n;
	msg_init(&m, &u, flags);
	m.name = hdr->name ? &addr : NULL;
	m.control_len = hdr->control ? min_of(hdr->controllen, (u64)MSG_MAX_CONTROL) : 0;
	if (m.control_len && !(m.control = calloc(1, m.control_len)))
		n = -ENOMEM;
	if (!n)
		n = socket_recvmsg(f, &m);
	used = m.control_used;
	if (n >= 0 && hdr->name) {
		if (copy_out(uptr_make(hdr->name), &addr.ss, min_of(hdr->namelen, addr.len)) ||
		    copy_out(uptr_add(user, offsetof(struct user_msghdr, namelen)), &addr.len,
		             sizeof(addr.len)))
			err = -EFAULT;
	}
	if (n >= 0 && used && copy_out(uptr_make(hdr->control), m.control, used))
		err = -EFAULT;
	if (n >= 0 && !err) {
		m.out_flags |= flags & MSG_CMSG_CLOEXEC;
		if (copy_out(uptr_add(user, offsetof(struct user_msghdr, controllen)), &used,
		             sizeof(used)) ||
		    copy_out(uptr_add(user, offsetof(struct user_msghdr, flags)), &m.out_flags,
		             sizeof(m.out_flags)))
			err = -EFAULT;
	}
	free(m.control);
	m.control = NULL;
	msg_destroy(&m);
	uio_destroy(&u);
	return err ? err : n;
}

static s64 one_message(const struct syscall_args *a, bool send)
{
	struct user_msghdr hdr;
	struct file *f;
	s64 n = fd_get(arg_int(a, 0), &f);

	if (n)
		return n;
	if (!socket_of_file(f))
		n = -ENOTSOCK;
	else if (get_user(&hdr, arg_ptr(a, 1)))
		n = -EFAULT;
	else
		n = send ? send_one(f, &hdr, arg_u32(a, 2))
		         : recv_one(f, &hdr, arg_ptr(a, 1), arg_u32(a, 2));
	file_put(f);
	return n;
}

s64 sys_sendmsg(struct task *t unused_arg, const struct syscall_args *a)
{
	return one_message(a, true);
}

s64 sys_recvmsg(struct task *t unused_arg, const struct syscall_args *a)
{
	return one_message(a, false);
}

#define MMSG_MAX 1024 /* UIO_MAXIOV: more are silently not taken (net/socket.c) */

s64 sys_sendmmsg(struct task *t unused_arg, const struct syscall_args *a)
{
	u32 vlen = min_of(arg_u32(a, 2), MMSG_MAX), done = 0;
	struct user_msghdr hdr;
	struct file *f;
	s64 n = fd_get(arg_int(a, 0), &f);

	if (n)
		return n;
	if (!socket_of_file(f))
		n = -ENOTSOCK;
	while (!n && done < vlen) {
		struct uptr at = uptr_add(arg_ptr(a, 1), done * sizeof(struct user_mmsghdr));
		u32 len;
		s64 sent;

		if (get_user(&hdr, at)) {
			n = -EFAULT;
			break;
		}
		sent = send_one(f, &hdr, arg_u32(a, 3));
		if (sent < 0) {
			n = sent;
			break;
		}
		len = (u32)sent;
		if (copy_out(uptr_add(at, offsetof(struct user_mmsghdr, len)), &len, sizeof(len)))
			n = -EFAULT;
		else
			done++;
	}
	file_put(f);
	return done ? done : n;
}

s64 sys_recvmmsg(struct task *t unused_arg, const struct syscall_args *a)
{
	u32 vlen = min_of(arg_u32(a, 2), MMSG_MAX), done = 0, flags = arg_u32(a, 3);
	u64 deadline = NO_DEADLINE;
	struct user_msghdr hdr;
	struct timespec ts;
	struct file *f;
	s64 n;

	if (!uptr_is_null(arg_ptr(a, 4))) {
		if (get_user(&ts, arg_ptr(a, 4)))
			return -EFAULT;
		if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000)
			return -EINVAL;
		if (ts.tv_sec < 1LL << 32)
			deadline = time_monotonic() + (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
	}
	n = fd_get(arg_int(a, 0), &f);
	if (n)
		return n;
	if (!socket_of_file(f))
		n = -ENOTSOCK;
	while (!n && done < vlen) {
		struct uptr at = uptr_add(arg_ptr(a, 1), done * sizeof(struct user_mmsghdr));
		u32 len;
		s64 got;

		if (get_user(&hdr, at)) {
			n = -EFAULT;
			break;
		}
		got = recv_one(f, &hdr, at, flags & ~(u32)MSG_WAITFORONE);
		if (got < 0) {
			n = got;
			break;
		}
		len = (u32)got;
		if (copy_out(uptr_add(at, offsetof(struct user_mmsghdr, len)), &len, sizeof(len))) {
			n = -EFAULT;
			break;
		}
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		/* The time-out is looked at only between messages (recvmmsg(2), BUGS). */
		if (time_monotonic() >= deadline)
			break;
	}
	file_put(f);
	return done ? done : n;
}
