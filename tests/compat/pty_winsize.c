/*
 * TIOCGWINSZ, TIOCSWINSZ and SIGWINCH to the foreground group. ioctl_tty(2).
 */
#include "compat.h"
#include <pty.h>
#include <sys/ioctl.h>

static volatile sig_atomic_t hits;

static void on_winch(int sig)
{
	(void)sig;
	hits++;
}

int main(void)
{
	struct winsize ws = {24, 80, 1, 2}, got = {0};
	int m, s, p[2], q[2];
	char c;
	pid_t pid;

	RES(openpty(&m, &s, NULL, NULL, NULL));
	RES(ioctl(s, TIOCGWINSZ, &got));
	printf("%d %d\n", got.ws_row, got.ws_col);
	RES(ioctl(s, TIOCSWINSZ, &ws));
	RES(ioctl(m, TIOCGWINSZ, &got));
	printf("%d %d %d %d\n", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
	RES(pipe(p));
	RES(pipe(q));
	pid = fork_child();
	if (pid == 0) {
		handle(SIGWINCH, on_winch, SA_RESTART);
		setsid();
		if (ioctl(s, TIOCSCTTY, 0) || write(p[1], "r", 1) != 1)
			_exit(1);
		while (!hits)
			msleep(5);
		if (read(q[0], &c, 1) != 1) /* the parent has printed */
			_exit(1);
		ioctl(s, TIOCGWINSZ, &got);
		printf("child sees %d %d\n", got.ws_row, got.ws_col);
		if (write(p[1], "r", 1) != 1 || read(q[0], &c, 1) != 1)
			_exit(1);
		msleep(50);
		_exit(hits);
	}
	RES(read(p[0], &c, 1));
	ws.ws_row = 50;
	RES(ioctl(m, TIOCSWINSZ, &ws));
	if (write(q[1], "p", 1) != 1 || read(p[0], &c, 1) != 1)
		die("read");
	RES(ioctl(m, TIOCSWINSZ, &ws)); /* the same size: no signal */
	RES(write(q[1], "g", 1));
	reap("child", pid);
	RES(ioctl(m, TIOCGWINSZ, bad_ptr()));
	RES(ioctl(m, TIOCSWINSZ, bad_ptr()));
	RES(ioctl(p[0], TIOCGWINSZ, &got));
	struct winsize given = {10, 20, 0, 0};
	RES(openpty(&m, &s, NULL, NULL, &given));
	RES(ioctl(s, TIOCGWINSZ, &got));
	printf("%d %d\n", got.ws_row, got.ws_col);
	return 0;
}
