/*
 * The two pumps of the sandbox's terminal. Each is a kernel fiber that copies
 * between the pty's master and a descriptor of the launcher.
 */
#include "sentry/console.h"
#include "base/bug.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "base/host.h"
#include "base/uspace.h"
#include "fs/hostfd/hostfd.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "sentry/session.h"
#include "sentry/task.h"
#include "sentry/tty/tty.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <time.h>

static struct tty *console;
static struct file *master, *host_in, *host_out;
static _Atomic u32 drained;

static struct caller pump_caller;

struct pump {
	struct file *from, *to;
};
static struct pump in_pump, out_pump;

/* All of buf, or an error. */
static ssize_t write_all(struct file *to, u8 *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		struct uio u;
		ssize_t w;

		uio_init_kernel(&u, buf + done, n - done);
		w = file_write(to, &u);
		if (w <= 0)
			return w ? w : -EIO;
		done += (size_t)w;
	}
	return (ssize_t)n;
}

static void pump(struct pump *p)
{
	u8 buf[4096];

	for (;;) {
		struct uio u;
		ssize_t n;

		uio_init_kernel(&u, buf, sizeof(buf));
		n = file_read(p->from, &u);
		if (n <= 0 || write_all(p->to, buf, (size_t)n) < 0)
			return;
	}
}

static void pump_in(void *arg unused_arg)
{
	u8 eof = 4;

	pump(&in_pump);
	/* The end of the launcher's input is the guest's end of file, as a typed ^D. */
	write_all(master, &eof, 1);
}

/* A master whose slaves are all closed says EIO until one is opened again: try on. */
static void pump_out(void *arg unused_arg)
{
	for (;;) {
		pump(&out_pump);
		atomic_store(&drained, 1);
		host_futex_wake(&drained, 1, false);
		if (file_wait(master, EPOLLIN, NO_DEADLINE) == 0 && !(file_ready(master) & EPOLLIN))
			return;
	}
}

static int open_pair(struct fdtable *files)
{
	struct file *slave;
	int err = file_create_anon(NULL, NULL, O_RDWR, S_IFCHR | 0600, &master);

	if (err)
		return err;
	err = tty_open_master(master);
	if (err)
		return err;
	console = tty_of_file(master);
	console->locked = false;
	for (int fd = 0; fd < 3; fd++) {
		err = tty_open_by_index(console->index, O_RDWR | O_NOCTTY, &slave);
		if (!err)
			err = fdtable_install_at(files, slave, fd, 3, false);
		if (err < 0)
			return err;
	}
	return 0;
}

static int start_pump(struct pump *p, struct file *from, struct file *to, fiber_fn *fn)
{
	struct fiber *f;

	*p = (struct pump){from, to};
	return fiber_create(fn, p, "console", &pump_caller, &f);
}

int console_open(struct fdtable *files, u32 rows, u32 columns)
{
	int err;

	pump_caller = *caller();
	err = hostfd_file_create(0, O_RDONLY, &host_in);
	if (!err)
		err = hostfd_file_create(1, O_WRONLY, &host_out);
	if (!err)
		err = open_pair(files);
	if (err)
		return err;
	console->winsize =
	    (struct winsize){.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
	err = start_pump(&in_pump, host_in, master, pump_in);
	return err ? err : start_pump(&out_pump, master, host_out, pump_out);
}

void console_own(struct task *init)
{
	lock_guard(&kernel.tasks_lock);
	lock_guard(&console->lock);
	console->session = init->group->pgrp->session;
	console->session->tty = tty_get(console);
	console->fg = pgrp_get(init->group->pgrp);
}

void console_resize(u32 rows, u32 columns)
{
	struct tty_signals sig = {.set = 1u << SIGWINCH};

	if (!console)
		return;
	lock_acquire(&console->lock);
	console->winsize.ws_row = (unsigned short)rows;
	console->winsize.ws_col = (unsigned short)columns;
	lock_release(&console->lock);
	tty_signal_foreground(console, &sig);
}

bool console_signal(int sig)
{
	struct tty_signals set = {.set = 1u << sig};

	/* Only the keys' signals belong to the foreground; the rest is for the first process. */
	if (!console || (sig != SIGINT && sig != SIGQUIT))
		return false;
	tty_signal_foreground(console, &set);
	return true;
}

/* Output that has not left after this long is lost with a launcher that does not read. */
#define DRAIN_LIMIT_SEC 2

void console_drain(void)
{
	struct timespec limit = {.tv_sec = DRAIN_LIMIT_SEC};

	if (console && !atomic_load(&drained))
		host_futex_wait(&drained, 0, &limit, false);
}
