/*
 * The object of the host behind a descriptor is an inode, so that /proc/self/fd/1
 * can be opened again. Streams are moved without waiting: with RWF_NOWAIT where the
 * host knows it for this kind of file, else after poll() has said that a small piece
 * will not wait. The reactor watches a stream, for one event at a time, whenever
 * someone has found it not ready.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/blocking.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/host.h"
#include "base/reactor.h"
#include "fs/hostfd/hostfd.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"

#define BOUNCE (64UL << 10)

#define IN_EVENTS  (EPOLLIN | EPOLLRDNORM | EPOLLPRI | EPOLLRDHUP)
#define OUT_EVENTS (EPOLLOUT | EPOLLWRNORM)

struct hostfd {
	struct inode inode;
	int fd;
	u32 accmode;         /* what the descriptor was opened for */
	_Atomic bool nowait; /* RWF_NOWAIT is known for it, as far as we know */
	bool watched;        /* the reactor takes it: it is no regular file */
	struct waitq waitq;
	struct reactor_watch watch;
	struct lock lock;
	u32 armed; /* events the reactor waits for; guarded by lock */
};

static CENSUS(hostfd_census, "host descriptor");

static struct hostfd *to_hostfd(const struct inode *i)
{
	return container_of(i, struct hostfd, inode);
}

/* --- readiness ---------------------------------------------------------------------- */

/* On the reactor's thread. What has not happened yet is waited for again. */
static void hostfd_event(struct reactor_watch *w, u32 events)
{
	struct hostfd *h = container_of(w, struct hostfd, watch);

	lock_acquire(&h->lock);
	h->armed &= ~events;
	if (events & (EPOLLERR | EPOLLHUP))
		h->armed = 0;
	if (h->armed && reactor_arm(w, h->armed | EPOLLONESHOT) < 0)
		h->armed = 0;
	lock_release(&h->lock);
	waitq_wake(&h->waitq, events);
}

static void arm(struct hostfd *h, u32 events)
{
	if (!h->watched)
		return;
	lock_guard(&h->lock);
	if ((h->armed & events) == events)
		return;
	h->armed |= events;
	if (reactor_arm(&h->watch, h->armed | EPOLLONESHOT) < 0)
		h->armed = 0;
}

static u32 poll_now(const struct hostfd *h, u32 events)
{
	struct pollfd p = {.fd = h->fd, .events = (short)events};
	int n = host_poll(&p, 1, 0);

	/* A signal is reported only where there is nothing else to report, though none was waited
	 * for (fs/select.c do_poll): who took that for ready would wait in the call itself. */
	if (n == -EINTR)
		return 0;
	/* Other failures are no reason to wait: the call itself will say what is wrong. */
	return n < 0 ? events : (u32)(u16)p.revents;
}

static u32 hostfd_ready(struct file *f)
{
	struct hostfd *h = to_hostfd(f->inode);
	u32 want = (file_readable(f) ? IN_EVENTS : 0) | (file_writable(f) ? OUT_EVENTS : 0);
	u32 missing = 0, got;

	if (!h->watched)
		return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
	got = poll_now(h, want);
	if (got & (EPOLLERR | EPOLLHUP))
		return got;
	if (file_readable(f) && !(got & EPOLLIN))
		missing |= EPOLLIN | EPOLLPRI | EPOLLRDHUP;
	if (file_writable(f) && !(got & EPOLLOUT))
		missing |= EPOLLOUT;
	if (missing)
		arm(h, missing);
	return got;
}

static struct waitq *hostfd_waitq(struct file *f)
{
	return &to_hostfd(f->inode)->waitq;
}

/* --- streams ------------------------------------------------------------------------- */

/* -EAGAIN also for a signal to the worker: the caller's loop comes again. */
static ssize_t stream_in(struct hostfd *h, void *buf, size_t n)
{
	ssize_t got;

	if (atomic_load_explicit(&h->nowait, memory_order_relaxed)) {
		got = host_preadv2(h->fd, buf, n, -1, RWF_NOWAIT);
		if (got != -EOPNOTSUPP)
			return got == -EINTR ? -EAGAIN : got;
		atomic_store_explicit(&h->nowait, false, memory_order_relaxed);
	}
	if (h->watched && !poll_now(h, POLLIN))
		return -EAGAIN;
	got = host_read(h->fd, buf, n);
	return got == -EINTR ? -EAGAIN : got;
}

static ssize_t stream_out(struct hostfd *h, const void *buf, size_t n)
{
	ssize_t put;

	if (atomic_load_explicit(&h->nowait, memory_order_relaxed)) {
		put = host_pwritev2(h->fd, buf, n, -1, RWF_NOWAIT);
		if (put != -EOPNOTSUPP)
			return put == -EINTR ? -EAGAIN : put;
		atomic_store_explicit(&h->nowait, false, memory_order_relaxed);
	}
	if (h->watched && !poll_now(h, POLLOUT))
		return -EAGAIN;
	/* pipe(7): so much fits when poll says that something does. */
	put = host_write(h->fd, buf, min_of(n, (size_t)PIPE_BUF));
	return put == -EINTR ? -EAGAIN : put;
}

static ssize_t stream_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct hostfd *h = to_hostfd(f->inode);
	size_t n = dst->resid;
	void *p, *bounce = NULL;
	ssize_t got;

	if (n == 0)
		return 0;
	p = uio_reserve(dst, &n);
	if (!p) {
		n = min_of(dst->resid, BOUNCE);
		p = bounce = malloc(n);
		if (!p)
			return -ENOMEM;
	}
	got = stream_in(h, p, n);
	if (got == -EAGAIN)
		arm(h, EPOLLIN | EPOLLPRI | EPOLLRDHUP);
	else if (got > 0 && bounce)
		got = uio_write(dst, bounce, (size_t)got);
	else if (got > 0)
		uio_advance(dst, (size_t)got);
	free(bounce);
	return got;
}

static ssize_t stream_write(struct file *f, struct uio *src, u64 *pos unused_arg)
{
	struct hostfd *h = to_hostfd(f->inode);
	struct caller *c = caller();
	size_t room = min_of(src->resid, BOUNCE);
	ssize_t n, put = 0;
	char *buf;

	if (room == 0)
		return 0;
	buf = malloc(room);
	if (!buf)
		return -ENOMEM;
	n = uio_read(src, buf, room);
	if (n > 0) {
		put = stream_out(h, buf, (size_t)n);
		if (put < n)
			uio_revert(src, (size_t)(n - max_of(put, (ssize_t)0)));
	}
	free(buf);
	if (n <= 0)
		return n;
	if (put == -EAGAIN)
		arm(h, EPOLLOUT);
	if (put == -EPIPE && c->raise)
		c->raise(c, SIGPIPE);
	return put;
}

/* --- files with a position ------------------------------------------------------------- */

struct transfer {
	int fd;
	void *buf;
	size_t n;
	s64 pos; /* -1: the descriptor's own, which other processes share */
};

static s64 read_job(void *arg)
{
	const struct transfer *t = arg;

	return t->pos < 0 ? host_read(t->fd, t->buf, t->n)
	                  : host_pread(t->fd, t->buf, t->n, (u64)t->pos);
}

static ssize_t read_piece(struct hostfd *h, struct transfer *t)
{
	ssize_t got = -EOPNOTSUPP;

	if (atomic_load_explicit(&h->nowait, memory_order_relaxed))
		got = host_preadv2(t->fd, t->buf, t->n, t->pos, RWF_NOWAIT);
	if (got == -EAGAIN)
		return blocking_call(read_job, t);
	if (got != -EOPNOTSUPP)
		return got;
	atomic_store_explicit(&h->nowait, false, memory_order_relaxed);
	return read_job(t);
}

/*
 * The launcher's own file moves the position that the host keeps for all who
 * share the descriptor: `(moat run a; b) >log` writes one behind the other. That is
 * meant by read(2) and write(2), which hold the position's mutex, not by pread(2) and
 * pwrite(2). A file that was opened again by way of /proc has a position of its own.
 */
static bool host_position(struct file *f)
{
	return f->priv && mutex_held_by_me(&f->pos_mutex);
}

/* What *pos is after `moved` bytes; appended: it was not known before. */
static void tell_position(const struct hostfd *h, struct file *f, u64 *pos, u64 moved,
                          bool appended)
{
	s64 at = host_position(f) ? host_lseek(h->fd, 0, SEEK_CUR) : -1;
	struct stat st;

	if (at >= 0)
		*pos = (u64)at;
	else if (!appended)
		*pos += moved;
	else
		*pos = host_fstat(h->fd, &st) == 0 ? (u64)st.st_size : moved;
}

static ssize_t positioned_read(struct file *f, struct uio *dst, u64 *pos)
{
	struct hostfd *h = to_hostfd(f->inode);
	struct transfer t = {.fd = h->fd, .pos = host_position(f) ? -1 : (s64)*pos};
	void *bounce = NULL;
	ssize_t got = 0, done = 0;

	while (dst->resid && !dst->faulted) {
		t.n = dst->resid;
		t.buf = uio_reserve(dst, &t.n);
		if (!t.buf) {
			t.n = min_of(dst->resid, BOUNCE);
			if (!bounce)
				bounce = malloc(BOUNCE);
			t.buf = bounce;
		}
		got = t.buf ? read_piece(h, &t) : -ENOMEM;
		if (got > 0 && t.buf == bounce)
			got = uio_write(dst, bounce, (size_t)got);
		else if (got > 0)
			uio_advance(dst, (size_t)got);
		if (got <= 0)
			break;
		done += got;
		if (t.pos >= 0)
			t.pos += got;
	}
	free(bounce);
	if (done)
		tell_position(h, f, pos, (u64)done, false);
	return done ? done : got;
}

static ssize_t write_piece(const struct hostfd *h, struct file *f, const void *buf, size_t n,
                           u64 pos)
{
	if (pos == FILE_POS_APPEND)
		return host_pwritev2(h->fd, buf, n, host_position(f) ? -1 : 0, RWF_APPEND);
	return host_position(f) ? host_write(h->fd, buf, n) : host_pwrite(h->fd, buf, n, pos);
}

static ssize_t positioned_write(struct file *f, struct uio *src, u64 *pos)
{
	struct hostfd *h = to_hostfd(f->inode);
	bool append = *pos == FILE_POS_APPEND;
	size_t room = min_of(src->resid, BOUNCE);
	ssize_t n = 0, put = 0, done = 0;
	char *buf = malloc(max_of(room, 1UL));

	if (!buf)
		return -ENOMEM;
	while (src->resid && !src->faulted) {
		n = uio_read(src, buf, min_of(src->resid, room));
		if (n <= 0)
			break;
		put =
		    write_piece(h, f, buf, (size_t)n, append ? FILE_POS_APPEND : *pos + (u64)done);
		if (put < n)
			uio_revert(src, (size_t)(n - max_of(put, (ssize_t)0)));
		if (put > 0)
			done += put;
		if (put < n) {
			n = put;
			break;
		}
	}
	free(buf);
	if (!done)
		return n;
	tell_position(h, f, pos, (u64)done, append);
	return done;
}

static s64 hostfd_seek(struct file *f, s64 off, int whence)
{
	const struct hostfd *h = to_hostfd(f->inode);
	struct stat st;
	int err;

	if (f->priv)
		return host_lseek(h->fd, off, whence);
	err = host_fstat(h->fd, &st);
	return err ? err : file_seek_generic(f, off, whence, (u64)st.st_size);
}

static s64 sync_job(void *arg)
{
	const struct transfer *t = arg;

	return host_fsync(t->fd, false);
}

/* All of it either way: one host call less for the allowlist. */
static int hostfd_fsync(struct file *f, bool datasync unused_arg)
{
	struct transfer t = {.fd = to_hostfd(f->inode)->fd};

	return (int)blocking_call(sync_job, &t);
}

static int hostfd_map(struct file *f, int prot unused_arg, bool shared unused_arg,
                      struct map_backing *out)
{
	/* The descriptor allows what the file does, so the mapping can do no more than write(2). */
	*out = (struct map_backing){.fd = to_hostfd(f->inode)->fd, .off = 0};
	return 0;
}

/* --- ioctl: questions only ------------------------------------------------------------------ */

static s64 hostfd_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct hostfd *h = to_hostfd(f->inode);
	u8 buf[64];
	size_t n;
	int err;

	switch (cmd) {
	case FIONREAD:
		n = sizeof(int);
		break;
	case TIOCGWINSZ:
		n = sizeof(struct winsize);
		break;
	case TCGETS:
		n = sizeof(struct termios);
		break;
	case TCGETS2:
		n = sizeof(struct termios2);
		break;
	default:
		return -ENOTTY;
	}
	err = host_ioctl(h->fd, cmd, buf);
	return err < 0 ? err : copy_out(uptr_make(arg), buf, n);
}

/* --- the object ----------------------------------------------------------------------------- */

static const struct file_ops stream_ops = {
    .name = "host:[stream]",
    .read = stream_read,
    .write = stream_write,
    .ready = hostfd_ready,
    .waitq = hostfd_waitq,
    .ioctl = hostfd_ioctl,
};

static const struct file_ops positioned_ops = {
    .name = "host:[file]",
    .read = positioned_read,
    .write = positioned_write,
    .seek = hostfd_seek,
    .ioctl = hostfd_ioctl,
    .fsync = hostfd_fsync,
    .map = hostfd_map,
};

static void store_attr(struct hostfd *h, const struct stat *st)
{
	struct attr a = {
	    .mode = st->st_mode,
	    .nlink = (u32)st->st_nlink,
	    .uid = st->st_uid,
	    .gid = st->st_gid,
	    .rdev = st->st_rdev,
	    .size = (u64)st->st_size,
	    .blocks = (u64)st->st_blocks,
	    .blksize = (u32)st->st_blksize,
	    .atime = st->st_atim,
	    .mtime = st->st_mtim,
	    .ctime = st->st_ctim,
	    .btime = st->st_ctim,
	};

	lock_guard(&h->inode.attr_lock);
	inode_replace_attr_locked(&h->inode, &a);
}

static int hostfd_getattr(struct inode *i)
{
	struct stat st;
	int err = host_fstat(to_hostfd(i)->fd, &st);

	if (!err)
		store_attr(to_hostfd(i), &st);
	return err;
}

/* What was granted for writing may be truncated; its mode, owner and times are the host's. */
static int hostfd_setattr(struct inode *i, const struct setattr *s)
{
	const struct hostfd *h = to_hostfd(i);
	int err = s->valid & SET_SIZE ? host_ftruncate(h->fd, s->size) : -EPERM;

	return err ? err : hostfd_getattr(i);
}

/* Opening it by way of /proc/self/fd: the same descriptor again, for no more than it allows. */
static int hostfd_open(struct inode *i, struct file *f)
{
	const struct hostfd *h = to_hostfd(i);

	if ((file_readable(f) && h->accmode == O_WRONLY) ||
	    (file_writable(f) && h->accmode == O_RDONLY))
		return -EACCES;
	f->ops = h->watched || !S_ISREG(inode_mode(i)) ? &stream_ops : &positioned_ops;
	return 0;
}

static void hostfd_inode_free(struct inode *i)
{
	struct hostfd *h = to_hostfd(i);

	if (h->watched)
		reactor_remove(&h->watch);
	host_close(h->fd);
	waitq_destroy(&h->waitq);
	free(h);
	census_add(&hostfd_census, -1);
}

static const struct inode_ops hostfd_inode_ops = {
    .getattr = hostfd_getattr,
    .setattr = hostfd_setattr,
    .open = hostfd_open,
};

static const struct super_ops hostfd_super_ops = {.inode_free = hostfd_inode_free};

/* Never mounted, and never gone, like the anonymous inodes' one. */
static struct super hostfd_super = {
    .ref = {1},
    .ops = &hostfd_super_ops,
    .type = "hostfd",
    .source = "none",
    .next_ino = 2,
    .inodes = 1,
};

static int hostfd_create(int fd, u32 flags, struct hostfd **out)
{
	struct hostfd *h;
	struct stat st;
	int err = host_fstat(fd, &st);

	if (err)
		return err;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->fd = fd;
	h->accmode = flags & O_ACCMODE;
	atomic_init(&h->nowait, true);
	waitq_init(&h->waitq);
	lock_init(&h->lock, RANK_OBJECT);
	/* Asleep until someone waits. -EPERM: epoll does not take files that are always ready. */
	err = reactor_add(&h->watch, fd, EPOLLONESHOT, hostfd_event);
	h->watched = !err;
	if (err && err != -EPERM) {
		waitq_destroy(&h->waitq);
		free(h);
		return err;
	}
	inode_init(&h->inode, &hostfd_super, &hostfd_inode_ops, st.st_ino, st.st_mode);
	store_attr(h, &st);
	census_add(&hostfd_census, 1);
	*out = h;
	return 0;
}

int hostfd_file_create(int fd, u32 flags, struct file **out)
{
	struct hostfd *h;
	int err = hostfd_create(fd, flags, &h);

	if (err)
		return err;
	err = file_create((struct path){NULL, NULL}, &h->inode, flags, out);
	if (!err)
		err = hostfd_open(&h->inode, *out);
	if (!err)
		(*out)->priv = h;
	/* Its caller keeps fd: the inode may not close it. */
	if (err)
		h->fd = -1;
	inode_put(&h->inode);
	return err;
}
