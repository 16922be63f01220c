/*
 * TIOCSTI: characters typed for whoever reads a terminal. Who may, by capability, by
 * dev.tty.legacy_tiocsti and by whose terminal it is, and what they do there (ioctl_tty(2);
 * drivers/tty/tty_io.c, tiocsti).
 */
#include "compat.h"
#include "compat_pty.h"
#include <linux/capability.h>

/* As before there was a choice (Linux 6.2). */
static bool everyone_may(void)
{
	int fd = open("/proc/sys/dev/tty/legacy_tiocsti", O_RDONLY);
	char c = '1';

	if (fd >= 0) {
		YES(read(fd, &c, 1) == 1);
		close(fd);
	}
	return c == '1';
}

static bool is_admin(void)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &hdr, d))
		die("capget");
	return d[0].effective & (1u << CAP_SYS_ADMIN);
}

/* err: what everyone gets who may do it at all. */
static void unprivileged(const char *what, int fd, const char *c, bool legacy, int err)
{
	int want = legacy ? err : EIO;
	int got = ioctl(fd, TIOCSTI, c) ? errno : 0;

	printf("%s: %s\n", what, got == want ? "as it should" : err_name(got));
}

static void type(int fd, const char *text)
{
	for (; *text; text++)
		if (ioctl(fd, TIOCSTI, text))
			die("TIOCSTI %c", *text);
}

static volatile sig_atomic_t ints;

static void on_int(int sig)
{
	(void)sig;
	ints++;
}

int main(void)
{
	bool legacy = everyone_may();
	struct termios t;
	int m, s, n = 0;
	char c;

	if (!is_admin())
		skip("needs CAP_SYS_ADMIN");
	RES(openpty(&m, &s, NULL, NULL, NULL));
	RES(fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK));

	/* A terminal that is not one's own, for an administrator. */
	type(s, "half a li");
	RES(read(s, &c, 1));
	type(s, "ne\n");
	show_read("slave", s);
	show_all("master", m);
	RES(ioctl(s, TIOCSTI, NULL));
	/* By way of the master it is the master that reads it, as it is. */
	type(m, "up\n");
	show_all("master", m);
	RES(read(s, &c, 1));
	/* Edited as if typed. */
	type(s, "axx\177\177b\n");
	show_read("slave", s);
	show_all("master", m);
	RES(tcgetattr(s, &t));
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	RES(tcsetattr(s, TCSANOW, &t));
	type(s, "r");
	RES(ioctl(s, FIONREAD, &n));
	NUM(n);
	show_read("slave", s);
	show_all("master", m);

	IN_CHILD("not the leader's", become_nobody(); setsid();
	         unprivileged("not one's own", s, "x", legacy, EPERM);
	         unprivileged("not one's own, a bad address", s, NULL, legacy, EPERM));
	IN_CHILD("the leader's", setsid(); RES(ioctl(s, TIOCSCTTY, 0)); become_nobody();
	         unprivileged("one's own", s, "x", legacy, 0);
	         unprivileged("one's own, a bad address", s, NULL, legacy, EFAULT);
	         unprivileged("its master", m, "x", legacy, EPERM));
	/* Root of a user namespace of its own administers no terminal. */
	IN_CHILD("in a namespace", become_nobody(); if (unshare(CLONE_NEWUSER) == 0)
	             unprivileged("not one's own", s, "x", legacy, EPERM));
	RES(tcflush(s, TCIFLUSH));

	/* The signals of its keys. */
	IN_CHILD("foreground", setsid(); signal(SIGINT, on_int); RES(ioctl(s, TIOCSCTTY, 0));
	         type(s, "lost\003"); while (!ints) msleep(2); NUM(ints); RES(read(s, &c, 1)));
	return 0;
}
