/*
 * Hang-up: closing the master sends SIGHUP and SIGCONT to the session, reads end, /dev/tty,
 * TIOCNOTTY, the end of a session leader. ioctl_tty(2), setsid(2).
 */
#include "compat.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>

static volatile sig_atomic_t hups, conts;

static void on_sig(int sig)
{
	if (sig == SIGHUP)
		hups++;
	else
		conts++;
}

/* In the foreground of another's session: says what has come whenever it is asked. */
static void foreground_main(int ask, int answer)
{
	char c, text[64];
	int n;

	handle(SIGHUP, on_sig, SA_RESTART);
	handle(SIGCONT, on_sig, SA_RESTART);
	while (read(ask, &c, 1) == 1) {
		while (c == 'w' && !hups)
			msleep(2);
		msleep(50);
		n = snprintf(text, sizeof(text), "hups %d conts %d", hups, conts);
		if (write(answer, text, (size_t)n) != n)
			break;
	}
	_exit(0);
}

static void ask_foreground(const char *when, char how, int ask, int answer)
{
	char text[64] = "";

	if (write(ask, &how, 1) == 1 && read(answer, text, sizeof(text) - 1) > 0)
		printf("foreground, %s: %s\n", when, text);
}

/* It hears of a hang-up when the leader has ended, and of that alone without SIGCONT. */
static void foreground(bool hang_up)
{
	int m, s, ask[2], answer[2], ready[2], go[2];
	pid_t leader, fg;
	char c;

	hups = conts = 0;
	RES(pipe(ask) | pipe(answer) | pipe(ready) | pipe(go));
	RES(openpty(&m, &s, NULL, NULL, NULL));
	leader = fork_child();
	if (leader == 0) {
		close(m);
		close(ask[1]);
		setsid();
		ioctl(s, TIOCSCTTY, 0);
		signal(SIGTTOU, SIG_IGN);
		fg = fork_child();
		if (fg == 0)
			foreground_main(ask[0], answer[1]);
		setpgid(fg, fg);
		RES(tcsetpgrp(s, fg));
		handle(SIGHUP, on_sig, SA_RESTART);
		handle(SIGCONT, on_sig, SA_RESTART);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		while (hang_up && (!hups || !conts))
			msleep(2);
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		printf("leader: hups %d conts %d\n", hups, conts);
		_exit(0);
	}
	RES(read(ready[0], &c, 1));
	close(s);
	if (hang_up)
		close(m);
	msleep(20);
	ask_foreground("its leader alive", 'a', ask[1], answer[0]);
	if (write(go[1], "g", 1) != 1)
		return;
	reap("leader", leader);
	ask_foreground("its leader gone", 'w', ask[1], answer[0]);
	close(ask[1]);
	if (!hang_up)
		close(m);
}

int main(void)
{
	int m, s, fd, p[2], q[2];
	char c, name[64];
	pid_t pid;

	RES(pipe(p));
	RES(pipe(q));
	RES(openpty(&m, &s, name, NULL, NULL));
	pid = fork_child();
	if (pid == 0) {
		close(m);
		close(p[0]);
		handle(SIGHUP, on_sig, SA_RESTART);
		handle(SIGCONT, on_sig, SA_RESTART);
		setsid();
		RES(open("/dev/tty", O_RDWR));
		RES(ioctl(s, TIOCSCTTY, 0));
		fd = (int)OKAY(open("/dev/tty", O_RDWR));
		RES(write(fd, "via tty\n", 8));
		if (write(p[1], "r", 1) != 1)
			_exit(1);
		while (!hups || !conts)
			msleep(2);
		printf("hups %d conts %d\n", hups, conts);
		RES(read(s, &c, 1));
		RES(write(s, "x", 1));
		RES(open("/dev/tty", O_RDWR));
		struct pollfd pf = {s, POLLIN | POLLOUT, 0};
		RES(poll(&pf, 1, 0));
		HEX(pf.revents & (POLLHUP | POLLERR));
		_exit(3);
	}
	RES(read(p[0], &c, 1));
	close(s);
	close(m);
	reap("hung up", pid);

	/* The leader's end hangs up on the foreground group and frees the terminal for others. */
	RES(openpty(&m, &s, NULL, NULL, NULL));
	pid = fork_child();
	if (pid == 0) {
		setsid();
		ioctl(s, TIOCSCTTY, 0);
		pid_t fg = fork_child();
		if (fg == 0) {
			handle(SIGHUP, on_sig, SA_RESTART);
			if (write(q[1], "r", 1) != 1)
				_exit(1);
			while (!hups)
				msleep(2);
			fd = open("/dev/tty", O_RDWR);
			c = fd < 0 && errno == ENXIO ? 'x' : 'o';
			if (write(q[1], &c, 1) != 1)
				_exit(1);
			_exit(0);
		}
		if (read(q[0], &c, 1) != 1)
			_exit(1);
		_exit(4);
	}
	reap("leader", pid);
	RES(read(q[0], &c, 1));
	printf("%c\n", c);
	pid = fork_child();
	if (pid == 0) {
		setsid();
		RES(ioctl(s, TIOCSCTTY, 0) == 0 || errno == EIO);
		_exit(0);
	}
	reap("next session", pid);

	/* Opening without O_NOCTTY makes it the controlling terminal of a leader without one;
	 * TIOCNOTTY gives it up. */
	RES(openpty(&m, &s, name, NULL, NULL));
	pid = fork_child();
	if (pid == 0) {
		signal(SIGHUP, SIG_IGN);
		setsid();
		fd = open(name, O_RDWR | O_NOCTTY);
		RES(open("/dev/tty", O_RDWR));
		fd = open(name, O_RDWR);
		OKAY(open("/dev/tty", O_RDWR));
		IN_CHILD("another leader cannot have it", setsid(); RES(ioctl(fd, TIOCSCTTY, 0));
		         RES(ioctl(fd, TIOCNOTTY)));
		RES(ioctl(fd, TIOCNOTTY));
		RES(open("/dev/tty", O_RDWR));
		RES(ioctl(fd, TIOCNOTTY));
		_exit(0);
	}
	reap("controlling terminal", pid);
	RES(ioctl(s, TIOCSCTTY, 0) == -1);

	/* By way of its master, too; but not for who may not read it. */
	RES(openpty(&m, &s, name, NULL, NULL));
	IN_CHILD("by its master", setsid(); signal(SIGHUP, SIG_IGN); RES(ioctl(m, TIOCSCTTY, 0));
	         OKAY(open("/dev/tty", O_RDWR)); RES(ioctl(m, TIOCNOTTY));
	         OKAY(open("/dev/tty", O_RDWR)); RES(ioctl(s, TIOCNOTTY)););
	IN_CHILD("opened for writing", setsid(); signal(SIGHUP, SIG_IGN);
	         fd = (int)OKAY(open(name, O_WRONLY)); RES(open("/dev/tty", O_RDWR));
	         become_nobody(); RES(ioctl(fd, TIOCSCTTY, 0)); RES(open("/dev/tty", O_RDWR));
	         RES(ioctl(s, TIOCSCTTY, 0)); RES(ioctl(fd, TIOCNOTTY)););
	foreground(true);
	foreground(false);
	return 0;
}
