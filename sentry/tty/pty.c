/* Open files of terminals: the master and the slaves of a pair (drivers/tty/pty.c). */
#include "base/caller.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "sentry/session.h"
#include "sentry/task.h"
#include "sentry/tty/tty.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

/* Bytes moved at once, between two looks at the lock. */
#define CHUNK 1024

/* ---- slave ---------------------------------------------------------------- */

/* An open file of it. */
struct slave {
	struct tty *tty; /* a reference */
	u64 hangups;     /* that tty had when it was opened */
};

static struct tty *tty_of_slave(const struct file *f)
{
	return ((struct slave *)f->priv)->tty;
}

static bool hung_up_locked(const struct slave *s)
{
	return s->hangups != s->tty->hangups;
}

static bool hung_up(const struct slave *s)
{
	lock_guard(&s->tty->lock);
	return hung_up_locked(s);
}

/*
 * One try at reading, by the rules of termios(3) for the current mode.
 * 0: end of file; -EAGAIN: not enough yet.
 */
static ssize_t slave_take(struct slave *s, u8 *buf, size_t n, size_t want)
{
	struct tty *t = s->tty;
	size_t got;
	bool eof;

	lock_guard(&t->lock);
	if (hung_up_locked(s))
		return 0;
	if (t->termios.c_lflag & ICANON) {
		if (!ldisc_readable(t))
			return -EAGAIN;
	} else if (ldisc_available(t) < want || !ldisc_available(t)) {
		return want ? -EAGAIN : 0;
	}
	got = ldisc_read(t, buf, n, &eof);
	return (ssize_t)got;
}

/* Reads with an inter-byte or overall timer: VTIME, in tenths of a second. */
static ssize_t slave_take_timed(struct file *f, u8 *buf, size_t n, u32 min, u32 time)
{
	struct slave *s = f->priv;
	struct tty *t = s->tty;
	u64 tenth = 100000000ULL, deadline = min ? NO_DEADLINE : time_monotonic() + time * tenth;
	struct wait_fiber w;
	ssize_t got;
	u32 had = 0;
	int err = 0;

	wait_fiber_init(&w);
	waitq_add(&t->slave_waitq, &w.waiter, EPOLLIN);
	for (;;) {
		got = slave_take(s, buf, n, max_of(min_of(min, (u32)n), 1));
		if (got != -EAGAIN || file_nonblock(f))
			break;
		if (err == -ETIMEDOUT) {
			got = slave_take(s, buf, n, 1);
			if (got == -EAGAIN)
				got = 0;
			break;
		}
		if (err == -EINTR) {
			got = -ERESTARTSYS;
			break;
		}
		if (min && ldisc_available(t) != had) {
			had = ldisc_available(t);
			deadline = time_monotonic() + time * tenth;
		}
		err = fiber_sleep(deadline);
	}
	waitq_remove(&t->slave_waitq, &w.waiter);
	return got;
}

static ssize_t slave_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct slave *s = f->priv;
	struct tty *t = s->tty;
	u8 buf[TTY_INPUT];
	size_t n = min_of(dst->resid, sizeof(buf));
	u32 min, time;
	bool canon;
	ssize_t got;
	int err = hung_up(s) ? 0 : tty_check_background(t, SIGTTIN);

	if (err)
		return err;
	if (!n)
		return 0;
	lock_acquire(&t->lock);
	canon = t->termios.c_lflag & ICANON;
	min = t->termios.c_cc[VMIN];
	time = t->termios.c_cc[VTIME];
	lock_release(&t->lock);
	if (!canon && time)
		got = slave_take_timed(f, buf, n, min, time);
	else
		got = slave_take(s, buf, n, min_of(min, (u32)n));
	if (got <= 0)
		return got;
	/* There is room again for what the master could not write. */
	waitq_wake(&t->master_waitq, EPOLLOUT);
	return uio_write(dst, buf, (size_t)got);
}

static ssize_t slave_write(struct file *f, struct uio *src, u64 *pos unused_arg)
{
	struct slave *s = f->priv;
	struct tty *t = s->tty;
	u8 buf[CHUNK];
	ssize_t done = 0;
	int err = 0;

	/* Even of nothing (hung_up_tty_write). */
	if (hung_up(s))
		return -EIO;
	if (t->termios.c_lflag & TOSTOP)
		err = tty_check_background(t, SIGTTOU);
	if (err)
		return err;
	while (src->resid) {
		ssize_t n = uio_read(src, buf, min_of(src->resid, sizeof(buf)));
		size_t took;
		bool gone;

		if (n <= 0)
			return done ? done : n;
		lock_acquire(&t->lock);
		gone = hung_up_locked(s);
		took = gone ? 0 : ldisc_output(t, buf, (size_t)n);
		lock_release(&t->lock);
		uio_revert(src, (size_t)n - took);
		done += (ssize_t)took;
		if (gone)
			return done ? done : -EIO;
		if (took < (size_t)n)
			break;
	}
	if (!done)
		return src->resid ? -EAGAIN : 0;
	waitq_wake(&t->master_waitq, EPOLLIN);
	return done;
}

static u32 slave_ready(struct file *f)
{
	struct slave *s = f->priv;
	struct tty *t = s->tty;
	u32 r = 0;

	lock_guard(&t->lock);
	if (hung_up_locked(s))
		return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;
	if (ldisc_readable(t))
		r |= EPOLLIN | EPOLLRDNORM;
	if (!t->stopped && tty_out_room(t))
		r |= EPOLLOUT | EPOLLWRNORM;
	return r;
}

static struct waitq *slave_waitq(struct file *f)
{
	return &tty_of_slave(f)->slave_waitq;
}

static s64 slave_ioctl(struct file *f, u32 cmd, u64 arg)
{
	if (hung_up(f->priv))
		/* hung_up_tty_ioctl */
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	return tty_ioctl(tty_of_slave(f), f, false, cmd, arg);
}

static void slave_release(struct file *f)
{
	struct tty *t = tty_of_slave(f);

	lock_acquire(&t->lock);
	if (--t->slaves == 0)
		t->other_closed = true;
	lock_release(&t->lock);
	waitq_wake(&t->master_waitq, EPOLLIN | EPOLLHUP);
	tty_put(t);
	free(f->priv);
}

static const struct file_ops slave_ops = {.read = slave_read,
                                          .write = slave_write,
                                          .ready = slave_ready,
                                          .waitq = slave_waitq,
                                          .async = true,
                                          .ioctl = slave_ioctl,
                                          .release = slave_release};

/* A session leader without a terminal gets this one by opening it for reading (unless O_NOCTTY). */
static void adopt_as_controlling(struct tty *t, const struct file *f)
{
	if ((f->flags & O_NOCTTY) || !file_readable(f) || !caller()->uspace)
		return;
	/* Fails where it does not apply: another's terminal, or not a leader. */
	if (t->session)
		return;
	tty_set_controlling(t, f, false);
}

static int count_slave(struct tty *t, struct slave *s)
{
	lock_guard(&t->lock);
	if (!t->has_master || t->locked)
		return -EIO;
	if (t->exclusive && t->slaves && caller_cred()->euid)
		return -EBUSY;
	t->slaves++;
	t->other_closed = false;
	s->hangups = t->hangups;
	return 0;
}

int tty_open_slave(struct tty *t, struct file *f)
{
	struct slave *s = malloc(sizeof(*s));
	int err = s ? count_slave(t, s) : -ENOMEM;

	if (err) {
		free(s);
		return err;
	}
	s->tty = tty_get(t);
	f->ops = &slave_ops;
	f->priv = s;
	adopt_as_controlling(t, f);
	return 0;
}

/* ---- master ------------------------------------------------------------------ */

static size_t take_output(struct tty *t, u8 *buf, size_t n)
{
	size_t done = 0;

	while (done < n && t->out_tail != t->out_head)
		buf[done++] = t->out[t->out_tail++ % TTY_OUTPUT];
	return done;
}

static ssize_t master_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct tty *t = f->priv;
	u8 buf[CHUNK];
	size_t n = min_of(dst->resid, sizeof(buf)), got = 0;

	if (!n)
		return 0;
	lock_acquire(&t->lock);
	if (t->packet && t->packet_events) {
		buf[0] = t->packet_events;
		t->packet_events = 0;
		got = 1;
	} else if (t->packet) {
		buf[0] = TIOCPKT_DATA;
		got = take_output(t, buf + 1, n - 1);
		got = got ? got + 1 : 0;
	} else {
		got = take_output(t, buf, n);
	}
	if (!got && t->other_closed && !t->slaves) {
		lock_release(&t->lock);
		return -EIO;
	}
	lock_release(&t->lock);
	if (!got)
		return -EAGAIN;
	waitq_wake(&t->slave_waitq, EPOLLOUT);
	return uio_write(dst, buf, got);
}

static ssize_t master_write(struct file *f, struct uio *src, u64 *pos unused_arg)
{
	struct tty *t = f->priv;
	struct tty_signals sig = {0};
	u8 buf[CHUNK];
	ssize_t done = 0;

	while (src->resid) {
		ssize_t n = uio_read(src, buf, min_of(src->resid, sizeof(buf)));
		size_t took;

		if (n <= 0)
			return done ? done : n;
		lock_acquire(&t->lock);
		took = ldisc_input(t, buf, (size_t)n, &sig);
		lock_release(&t->lock);
		uio_revert(src, (size_t)n - took);
		done += (ssize_t)took;
		if (took < (size_t)n)
			break;
	}
	if (!done)
		return src->resid ? -EAGAIN : 0;
	tty_signal_foreground(t, &sig);
	waitq_wake(&t->slave_waitq, EPOLLIN | EPOLLOUT);
	waitq_wake(&t->master_waitq, EPOLLIN);
	return done;
}

static u32 master_ready(struct file *f)
{
	struct tty *t = f->priv;
	u32 r = 0;

	lock_guard(&t->lock);
	if (t->out_head != t->out_tail || (t->packet && t->packet_events))
		r |= EPOLLIN | EPOLLRDNORM;
	if (t->packet && t->packet_events)
		r |= EPOLLPRI;
	if (t->other_closed && !t->slaves)
		r |= EPOLLHUP;
	if (ldisc_input_room(t))
		r |= EPOLLOUT | EPOLLWRNORM;
	return r;
}

static struct waitq *master_waitq(struct file *f)
{
	return &((struct tty *)f->priv)->master_waitq;
}

static s64 master_ioctl(struct file *f, u32 cmd, u64 arg)
{
	return tty_ioctl(f->priv, f, true, cmd, arg);
}

static void master_release(struct file *f)
{
	struct tty *t = f->priv;

	lock_acquire(&t->lock);
	t->has_master = false;
	lock_release(&t->lock);
	tty_hangup(t);
	tty_table_leave(t);
	tty_put(t);
}

static const struct file_ops master_ops = {.read = master_read,
                                           .write = master_write,
                                           .ready = master_ready,
                                           .waitq = master_waitq,
                                           .async = true,
                                           .ioctl = master_ioctl,
                                           .release = master_release};

int tty_open_master(struct file *f)
{
	struct cred *c = caller_cred();
	struct tty *t;
	int err = tty_create(c->fsuid, c->fsgid, &t);

	if (err)
		return err;
	t->has_master = true;
	f->ops = &master_ops;
	f->priv = t;
	return 0;
}

struct tty *tty_of_file(const struct file *f)
{
	if (f->ops == &slave_ops)
		return tty_of_slave(f);
	return f->ops == &master_ops ? f->priv : NULL;
}

bool file_is_tty(const struct file *f)
{
	return tty_of_file(f) != NULL;
}
