/*
 * A socket as an object: families, life, and the file that it is.
 */
#include "net/socket/socket.h"
#include "net/socket/socket_internal.h"
#include "base/bug.h"
#include "base/census.h"
#include "base/fiber.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "net/net.h"
#include <errno.h>
#include <sys/ioctl.h>

#define MAX_FAMILY 46 /* AF_MAX */

static const struct socket_family *families[MAX_FAMILY];
static CENSUS(socket_census, "socket");

void socket_family_register(const struct socket_family *f)
{
	BUG_ON(f->family < 0 || f->family >= MAX_FAMILY);
	families[f->family] = f;
}

const struct socket_family *socket_family_find(int family)
{
	return family >= 0 && family < MAX_FAMILY ? families[family] : NULL;
}

void socket_init(struct socket *s, const struct socket_ops *ops, struct net *net, int family,
                 int type, int protocol)
{
	ref_init(&s->ref);
	s->ops = ops;
	s->net = net_get(net);
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	s->sndbuf = net->wmem_default;
	s->rcvbuf = net->rmem_default;
	s->rcvlowat = 1;
	s->rcvtimeo = s->sndtimeo = NO_DEADLINE;
	waitq_init(&s->waitq);
	waitq_init(&s->room);
	census_add(&socket_census, 1);
}

struct socket *socket_get(struct socket *s)
{
	ref_get(&s->ref);
	return s;
}

void socket_put(struct socket *s)
{
	if (!s || !ref_put(&s->ref))
		return;
	struct net *net = s->net;
	waitq_destroy(&s->waitq);
	waitq_destroy(&s->room);
	s->ops->free(s);
	net_put(net);
	census_add(&socket_census, -1);
}

/* ---- the file ------------------------------------------------------------- */

static ssize_t socket_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct socket *s = f->priv;
	struct msg m;

	/* As the System V read(2): nothing asked, nothing looked at. */
	if (dst->resid == 0)
		return 0;
	if (!s->ops->recvmsg)
		return -EOPNOTSUPP;
	/* Non-blocking either way; whether the reader would wait decides what an end looks like. */
	msg_init(&m, dst, file_nonblock(f) ? MSG_DONTWAIT : 0);
	ssize_t n = s->ops->recvmsg(s, &m);
	/* Files that came along have no way to the guest: they are closed. */
	msg_destroy(&m);
	return n;
}

static ssize_t socket_write(struct file *f, struct uio *src, u64 *pos unused_arg)
{
	struct socket *s = f->priv;
	struct msg m;

	if (!s->ops->sendmsg)
		return -EOPNOTSUPP;
	msg_init(&m, src, MSG_DONTWAIT);
	ssize_t n = s->ops->sendmsg(s, &m);
	msg_destroy(&m);
	if (n == -EPIPE)
		socket_broken(s);
	return n;
}

static u32 socket_ready(struct file *f)
{
	struct socket *s = f->priv;

	return s->ops->ready(s);
}

static struct waitq *socket_waitq(struct file *f)
{
	return &((struct socket *)f->priv)->waitq;
}

static u64 socket_io_timeout(struct file *f, bool write)
{
	struct socket *s = f->priv;

	return atomic_load_explicit(write ? &s->sndtimeo : &s->rcvtimeo, memory_order_relaxed);
}

static s64 socket_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct socket *s = f->priv;

	return s->ops->ioctl ? s->ops->ioctl(s, cmd, arg) : -ENOTTY;
}

static void socket_release(struct file *f)
{
	struct socket *s = f->priv;

	s->ops->release(s);
	socket_put(s);
}

const struct file_ops socket_file_ops = {
    .read = socket_read,
    .write = socket_write,
    .ready = socket_ready,
    .waitq = socket_waitq,
    .async = true,
    .io_timeout = socket_io_timeout,
    .ioctl = socket_ioctl,
    .release = socket_release,
};

int socket_file_create(struct socket *s, u32 flags, struct file **out)
{
	int err = file_create_anon(&socket_file_ops, s, O_RDWR | (flags & O_NONBLOCK),
	                           S_IFSOCK | 0777, out);

	if (err) {
		s->ops->release(s);
		socket_put(s);
		return err;
	}
	s->ino = (*out)->inode->ino;
	return 0;
}

struct socket *socket_of_file(const struct file *f)
{
	return f->ops == &socket_file_ops ? f->priv : NULL;
}
