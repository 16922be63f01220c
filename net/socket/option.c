/*
 * The options of SOL_SOCKET that all families share (socket(7)). What is not
 * known here is the family's to take or refuse: nothing is accepted and then
 * forgotten.
 */
#include "net/socket/socket.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "net/net.h"
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>

/* Smallest buffers (include/net/sock.h), and the largest that privilege may ask for. */
#define SNDBUF_MIN 4608
#define RCVBUF_MIN 2304
#define FORCE_MAX  (64 << 20)

/* Numbers of the 64-bit forms, which on this machine have the layout of the old ones. */
#define RCVTIMEO_NEW 66
#define SNDTIMEO_NEW 67

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_SEC  1000000000ULL

/* Options that are one bit in socket->flags. */
static const struct {
	int opt;
	u32 flag;
} bit_options[] = {
    {SO_DEBUG, SOCKET_DEBUG},         {SO_REUSEADDR, SOCKET_REUSEADDR},
    {SO_REUSEPORT, SOCKET_REUSEPORT}, {SO_DONTROUTE, SOCKET_DONTROUTE},
    {SO_BROADCAST, SOCKET_BROADCAST}, {SO_KEEPALIVE, SOCKET_KEEPALIVE},
    {SO_OOBINLINE, SOCKET_OOBINLINE}, {SO_PASSCRED, SOCKET_PASSCRED},
    {SO_TIMESTAMP, SOCKET_TIMESTAMP}, {SO_TIMESTAMPNS, SOCKET_TIMESTAMPNS},
};

static u32 bit_of(int opt)
{
	for (size_t i = 0; i < array_size(bit_options); i++)
		if (bit_options[i].opt == opt)
			return bit_options[i].flag;
	return 0;
}

static bool has_cap(int cap)
{
	return cred_has_cap(caller_cred(), cap);
}

static bool is_ip(const struct socket *s)
{
	return s->family == AF_INET || s->family == AF_INET6;
}

static int set_bit(struct socket *s, u32 bit, bool on)
{
	if (bit == SOCKET_DEBUG && on && !has_cap(CAP_NET_ADMIN))
		return -EACCES;
	if (bit == SOCKET_REUSEPORT && on && !is_ip(s))
		return -EOPNOTSUPP;
	if (bit == SOCKET_PASSCRED && s->family != AF_UNIX && s->family != AF_NETLINK)
		return -EOPNOTSUPP;
	/* The two stamps exclude each other. */
	if (on && bit & (SOCKET_TIMESTAMP | SOCKET_TIMESTAMPNS))
		atomic_fetch_and(&s->flags, ~(u32)(SOCKET_TIMESTAMP | SOCKET_TIMESTAMPNS));
	if (on)
		atomic_fetch_or(&s->flags, bit);
	else
		atomic_fetch_and(&s->flags, ~bit);
	return 0;
}

/* Linux doubles what is asked for, to have room for its own bookkeeping, and reports that. */
static s32 buffer_size(u32 asked, u32 most, s32 least)
{
	return max_of((s32)min_of(asked, most) * 2, least);
}

static int set_timeout(_Atomic u64 *timeo, const void *val, u32 len)
{
	struct timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, val, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	u64 ns;
	if (tv.tv_sec < 0)
		ns = 0;
	else if ((tv.tv_sec == 0 && tv.tv_usec == 0) || (u64)tv.tv_sec >= INT64_MAX / NSEC_PER_SEC)
		ns = NO_DEADLINE;
	else
		ns = (u64)tv.tv_sec * NSEC_PER_SEC + (u64)tv.tv_usec * NSEC_PER_USEC;
	atomic_store(timeo, ns);
	return 0;
}

static int set_linger(struct socket *s, const void *val, u32 len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, val, sizeof(l));
	if (l.l_onoff) {
		s->linger_s = max_of(l.l_linger, 0);
		atomic_fetch_or(&s->flags, SOCKET_LINGER);
	} else {
		atomic_fetch_and(&s->flags, ~(u32)SOCKET_LINGER);
	}
	return 0;
}

/* The options that are an int. -ENOPROTOOPT: not one of them. */
static int set_int(struct socket *s, int opt, int v)
{
	bool admin = has_cap(CAP_NET_ADMIN);

	switch (opt) {
	case SO_SNDBUF:
		s->sndbuf = buffer_size(v, s->net->wmem_max, SNDBUF_MIN);
		break;
	case SO_RCVBUF:
		s->rcvbuf = buffer_size(v, s->net->rmem_max, RCVBUF_MIN);
		break;
	case SO_SNDBUFFORCE:
		if (!admin)
			return -EPERM;
		s->sndbuf = buffer_size(max_of(v, 0), FORCE_MAX, SNDBUF_MIN);
		break;
	case SO_RCVBUFFORCE:
		if (!admin)
			return -EPERM;
		s->rcvbuf = buffer_size(max_of(v, 0), FORCE_MAX, RCVBUF_MIN);
		break;
	case SO_RCVLOWAT:
		s->rcvlowat = v < 0 ? INT32_MAX : max_of(v, 1);
		break;
	case SO_PRIORITY:
		if ((v < 0 || v > 6) && !admin && !has_cap(CAP_NET_RAW))
			return -EPERM;
		s->priority = v;
		break;
	case SO_MARK:
		if (!admin && !has_cap(CAP_NET_RAW))
			return -EPERM;
		s->mark = v;
		break;
	default:
		return -ENOPROTOOPT;
	}
	/* A larger buffer may have room for who waits. */
	if (opt == SO_SNDBUF || opt == SO_SNDBUFFORCE)
		waitq_wake(&s->waitq, EPOLLOUT);
	return 0;
}

static int set_common(struct socket *s, int opt, const void *val, u32 len)
{
	int v;

	switch (opt) {
	case SO_RCVTIMEO:
	case RCVTIMEO_NEW:
		return set_timeout(&s->rcvtimeo, val, len);
	case SO_SNDTIMEO:
	case SNDTIMEO_NEW:
		return set_timeout(&s->sndtimeo, val, len);
	case SO_LINGER:
		return set_linger(s, val, len);
	}
	if (len < sizeof(v))
		return -EINVAL;
	memcpy(&v, val, sizeof(v));
	u32 bit = bit_of(opt);
	return bit ? set_bit(s, bit, v != 0) : set_int(s, opt, v);
}

int socket_setsockopt(struct file *f, int level, int opt, const void *val, u32 len)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	if (level == SOL_SOCKET) {
		int err = set_common(s, opt, val, len);
		if (err != -ENOPROTOOPT || !s->ops->setsockopt)
			return err;
	}
	return s->ops->setsockopt ? s->ops->setsockopt(s, level, opt, val, len) : -EOPNOTSUPP;
}

/* ---- reading them --------------------------------------------------------- */

static int give(void *val, u32 *len, const void *from, u32 n)
{
	*len = min_of(*len, n);
	memcpy(val, from, *len);
	return 0;
}

static int get_timeout(u64 timeo, void *val, u32 *len)
{
	struct timeval tv = {0};

	if (timeo != NO_DEADLINE) {
		tv.tv_sec = timeo / NSEC_PER_SEC;
		tv.tv_usec = timeo % NSEC_PER_SEC / NSEC_PER_USEC;
	}
	return give(val, len, &tv, sizeof(tv));
}

static int get_linger(struct socket *s, void *val, u32 *len)
{
	struct linger l = {.l_onoff = (s->flags & SOCKET_LINGER) != 0, .l_linger = s->linger_s};

	return give(val, len, &l, sizeof(l));
}

static int get_int(struct socket *s, int opt, int *v)
{
	u32 bit = bit_of(opt);

	if (bit == SOCKET_PASSCRED && s->family != AF_UNIX && s->family != AF_NETLINK)
		return -EOPNOTSUPP;
	if (bit) {
		*v = (s->flags & bit) != 0;
		return 0;
	}
	switch (opt) {
	case SO_SNDBUF:
		*v = s->sndbuf;
		return 0;
	case SO_RCVBUF:
		*v = s->rcvbuf;
		return 0;
	case SO_RCVLOWAT:
		*v = s->rcvlowat;
		return 0;
	case SO_SNDLOWAT:
		*v = 1;
		return 0;
	case SO_PRIORITY:
		*v = s->priority;
		return 0;
	case SO_MARK:
		*v = s->mark;
		return 0;
	case SO_TYPE:
		*v = s->type;
		return 0;
	case SO_PROTOCOL:
		*v = s->protocol;
		return 0;
	case SO_DOMAIN:
		*v = s->family;
		return 0;
	case SO_ERROR:
		*v = atomic_exchange(&s->error, 0);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int socket_getsockopt(struct file *f, int level, int opt, void *val, u32 *len)
{
	struct socket *s = socket_of_file(f);
	int err = -ENOPROTOOPT, v;

	if (!s)
		return -ENOTSOCK;
	if (level == SOL_SOCKET) {
		switch (opt) {
		case SO_RCVTIMEO:
		case RCVTIMEO_NEW:
			return get_timeout(s->rcvtimeo, val, len);
		case SO_SNDTIMEO:
		case SNDTIMEO_NEW:
			return get_timeout(s->sndtimeo, val, len);
		case SO_LINGER:
			return get_linger(s, val, len);
		}
		err = get_int(s, opt, &v);
		if (!err)
			return give(val, len, &v, sizeof(v));
		if (err != -ENOPROTOOPT || !s->ops->getsockopt)
			return err;
	}
	return s->ops->getsockopt ? s->ops->getsockopt(s, level, opt, val, len) : -EOPNOTSUPP;
}
