/* ioctl(2) on terminals: tty_ioctl(4), pty(7). */
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "sentry/task.h"
#include "sentry/tty/tty.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/tty.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>

/* The old struct termio of TCGETA is not served; struct termios is termios2 without the speeds. */
#define OLD_SIZE sizeof(struct termios)

static s64 termios_get(struct tty *t, u64 arg, size_t size)
{
	struct termios2 copy;

	lock_acquire(&t->lock);
	copy = t->termios;
	lock_release(&t->lock);
	return copy_out(uptr_make(arg), &copy, size);
}

/* flush: drop what has been typed and not read (TCSETSF). */
static s64 termios_set(struct tty *t, u64 arg, size_t size, bool flush)
{
	struct termios2 now;
	tcflag_t changed;
	int err = tty_check_background(t, SIGTTOU);

	if (err)
		return err;
	lock_acquire(&t->lock);
	now = t->termios;
	lock_release(&t->lock);
	if (copy_in(&now, uptr_make(arg), size))
		return -EFAULT;
	lock_acquire(&t->lock);
	changed = now.c_lflag ^ t->termios.c_lflag;
	if (flush)
		ldisc_flush_input(t);
	t->termios = now;
	/* A pty always works with 8 bits and no parity (drivers/tty/pty.c). */
	t->termios.c_cflag = (t->termios.c_cflag & ~(CSIZE | PARENB)) | CS8 | CREAD;
	if (changed & ICANON)
		ldisc_canon_changed(t);
	if (!(t->termios.c_iflag & IXON))
		t->stopped = false;
	lock_release(&t->lock);
	waitq_wake(&t->slave_waitq, EPOLLIN | EPOLLOUT);
	waitq_wake(&t->master_waitq, EPOLLPRI | EPOLLOUT);
	return 0;
}

static s64 winsize_set(struct tty *t, u64 arg)
{
	struct tty_signals sig = {.set = 1u << SIGWINCH};
	struct winsize ws;
	bool changed;

	if (get_user(&ws, uptr_make(arg)))
		return -EFAULT;
	lock_acquire(&t->lock);
	changed = memcmp(&ws, &t->winsize, sizeof(ws)) != 0;
	t->winsize = ws;
	lock_release(&t->lock);
	if (changed)
		tty_signal_foreground(t, &sig);
	return 0;
}

static s64 put_int(u64 arg, s64 value)
{
	int v = (int)value;

	return value < 0 ? value : put_user(uptr_make(arg), &v);
}

static s64 flush_queues(struct tty *t, bool master, u64 which)
{
	bool in = which == TCIFLUSH || which == TCIOFLUSH;
	bool out = which == TCOFLUSH || which == TCIOFLUSH;
	int err;

	if (!in && !out)
		return -EINVAL;
	err = master ? 0 : tty_check_background(t, SIGTTOU);
	if (err)
		return err;
	lock_acquire(&t->lock);
	if (in)
		ldisc_flush_input(t);
	if (out)
		t->out_tail = t->out_head;
	lock_release(&t->lock);
	waitq_wake(&t->slave_waitq, EPOLLOUT);
	waitq_wake(&t->master_waitq, EPOLLOUT);
	return 0;
}

static s64 flow(struct tty *t, u64 action)
{
	int err = tty_check_background(t, SIGTTOU);

	if (err)
		return err;
	if (action > TCION)
		return -EINVAL;
	lock_acquire(&t->lock);
	if (action == TCOOFF)
		t->stopped = true;
	else if (action == TCOON)
		t->stopped = false;
	else if (t->termios.c_cc[action == TCIOFF ? VSTOP : VSTART])
		tty_out_byte(t, t->termios.c_cc[action == TCIOFF ? VSTOP : VSTART]);
	lock_release(&t->lock);
	waitq_wake(&t->slave_waitq, EPOLLOUT);
	waitq_wake(&t->master_waitq, EPOLLIN);
	return 0;
}

static s64 get_flag(u64 arg, bool *flag)
{
	int v;

	if (get_user(&v, uptr_make(arg)))
		return -EFAULT;
	*flag = v;
	return 0;
}

/* TIOCGPTPEER: the slave, opened through the master. */
static s64 open_peer(struct tty *t, struct file *master, u64 flags)
{
	struct file *f;
	int err;

	if (flags & ~(u64)(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK | O_ACCMODE))
		return -EINVAL;
	err = file_create(master->path, master->inode, (u32)flags & ~(u32)O_CLOEXEC, &f);
	if (err)
		return err;
	err = tty_open_slave(t, f);
	if (err) {
		file_put(f);
		return err;
	}
	return fd_install(f, flags & O_CLOEXEC);
}

static s64 master_ioctl(struct tty *t, struct file *f, u32 cmd, u64 arg)
{
	struct tty_signals sig = {0};

	switch (cmd) {
	case TIOCGPTN:
		return put_int(arg, t->index);
	case TIOCSPTLCK:
		return get_flag(arg, &t->locked);
	case TIOCGPTLCK:
		return put_int(arg, t->locked);
	case TIOCPKT:
		return get_flag(arg, &t->packet);
	case TIOCGPKT:
		return put_int(arg, t->packet);
	case TIOCGPTPEER:
		return open_peer(t, f, arg);
	case TIOCSIG:
		if (arg < 1 || arg > 31)
			return -EINVAL;
		sig.set = 1u << arg;
		tty_signal_foreground(t, &sig);
		return 0;
	default:
		return -ENOTTY;
	}
}

_Atomic s32 tty_legacy_tiocsti;

/*
 * TIOCSTI types a character for whoever reads (tty_io.c, tiocsti): for the slaves' readers, or by
 * way of the master for who reads that. It is for who administers the sandbox, whose terminals
 * these all are, and as dev.tty.legacy_tiocsti says for others at their own terminal. A terminal of
 * the caller's is none of these, be it passed on (fs/hostfd knows no such request) or copied from
 * and to by the console.
 */
static s64 fake_input(struct tty *t, bool master, u64 arg)
{
	bool admin = task_capable(task_self(), CAP_SYS_ADMIN);
	struct tty *mine = tty_controlling(task_self());
	struct tty_signals sig = {0};
	bool own = !master && mine == t;
	u8 c;

	if (mine)
		tty_put(mine);
	if (!admin && !atomic_load(&tty_legacy_tiocsti))
		return -EIO;
	if (!admin && !own)
		return -EPERM;
	if (get_user(&c, uptr_make(arg)))
		return -EFAULT;
	lock_acquire(&t->lock);
	if (master)
		tty_out_byte(t, c);
	else
		/* One that there is no room for is lost, as when typed. */
		ldisc_input(t, &c, 1, &sig);
	lock_release(&t->lock);
	tty_signal_foreground(t, &sig);
	waitq_wake(&t->slave_waitq, EPOLLIN);
	waitq_wake(&t->master_waitq, EPOLLIN);
	return 0;
}

static s64 queue_length(struct tty *t, bool master, bool input)
{
	s64 n;

	lock_guard(&t->lock);
	/* What one end reads is what the other has written. */
	n = master == input ? t->out_head - t->out_tail : ldisc_available(t);
	return n;
}

s64 tty_ioctl(struct tty *t, struct file *f, bool master, u32 cmd, u64 arg)
{
	s64 n;
	int pgid, disc = N_TTY;
	u32 dev;

	switch (cmd) {
	case TCGETS:
		return termios_get(t, arg, OLD_SIZE);
	case TCGETS2:
		return termios_get(t, arg, sizeof(struct termios2));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return termios_set(t, arg, OLD_SIZE, cmd == TCSETSF);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return termios_set(t, arg, sizeof(struct termios2), cmd == TCSETSF2);
	case TIOCGWINSZ:
		return put_user(uptr_make(arg), &t->winsize);
	case TIOCSWINSZ:
		return winsize_set(t, arg);
	case TIOCGPGRP:
		return put_int(arg, tty_foreground(t, master));
	case TIOCSPGRP:
		if (get_user(&pgid, uptr_make(arg)))
			return -EFAULT;
		return tty_set_foreground(t, pgid);
	case TIOCGSID:
		return put_int(arg, tty_session_id(t, master));
	case TIOCSCTTY:
		/* By way of the master it is the slave that comes to control, and goes by itself
		 * only. */
		return tty_set_controlling(t, f, arg == 1);
	case TIOCNOTTY:
		return master ? -ENOTTY : tty_drop_controlling(t);
	case FIONREAD:
		return put_int(arg, queue_length(t, master, true));
	case TIOCOUTQ:
		n = queue_length(t, master, false);
		/* What a slave wrote is with the master at once. */
		return put_int(arg, master ? n : 0);
	case TCFLSH:
		return flush_queues(t, master, arg);
	case TCXONC:
		return flow(t, arg);
	case TCSBRK:
	case TCSBRKP:
		return tty_check_background(t, SIGTTOU);
	case TIOCEXCL:
	case TIOCNXCL:
		t->exclusive = cmd == TIOCEXCL;
		return 0;
	case TIOCGEXCL:
		return put_int(arg, t->exclusive);
	case TIOCGETD:
		return put_user(uptr_make(arg), &disc);
	case TIOCSETD:
		if (get_user(&disc, uptr_make(arg)))
			return -EFAULT;
		return disc == N_TTY ? 0 : -EINVAL;
	case TIOCGDEV:
		dev = (u32)makedev(master ? 128 : 136, t->index);
		return put_user(uptr_make(arg), &dev);
	case TIOCSTI:
		return fake_input(t, master, arg);
	default:
		return master ? master_ioctl(t, f, cmd, arg) : -ENOTTY;
	}
}
