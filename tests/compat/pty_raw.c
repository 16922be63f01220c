/*
 * Non-canonical mode: VMIN and VTIME, cfmakeraw, output processing, TCSAFLUSH, tcflush, TIOCOUTQ.
 * termios(3).
 */
#include "compat.h"
#include "compat_pty.h"

static int m, s;

static void put(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

int main(void)
{
	struct termios t, old;
	struct pollfd p;
	int n;
	long t0;

	RES(openpty(&m, &s, NULL, NULL, NULL));
	RES(tcgetattr(s, &old));
	t = old;
	cfmakeraw(&t);
	RES(tcsetattr(s, TCSANOW, &t));
	put(m, "a\003\004\r\177b");
	await_input(s, 6);
	show_read("raw", s);
	put(s, "x\ny\tz");
	show_all("raw output", m);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	tcsetattr(s, TCSANOW, &t);
	show_read("min 0 time 0", s);
	t.c_cc[VTIME] = 1;
	tcsetattr(s, TCSANOW, &t);
	t0 = now_ms();
	show_read("min 0 time 1", s);
	YES(now_ms() - t0 >= 80);
	t.c_cc[VMIN] = 3;
	t.c_cc[VTIME] = 0;
	tcsetattr(s, TCSANOW, &t);
	put(m, "12");
	p = (struct pollfd){s, POLLIN, 0};
	RES(poll(&p, 1, 50)); /* not yet three */
	put(m, "345");
	RES(poll(&p, 1, 1000));
	await_input(s, 5);
	show_read("min 3", s);
	t.c_cc[VTIME] = 1;
	tcsetattr(s, TCSANOW, &t);
	put(m, "6");
	show_read("min 3, the time between bytes is up", s);

	t = old;
	t.c_oflag &= ~(tcflag_t)OPOST;
	RES(tcsetattr(s, TCSADRAIN, &t));
	put(s, "no post\n");
	show_all("no output processing", m);
	t.c_oflag |= OPOST | OCRNL | ONLRET;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	tcsetattr(s, TCSANOW, &t);
	put(s, "cr\rnl\n");
	show_all("OCRNL", m);
	t = old;
	t.c_oflag |= XTABS;
	t.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(s, TCSANOW, &t);
	put(s, "a\tb\n");
	show_all("tabs", m);
	put(m, "lost\n");
	await_input(s, 5);
	RES(tcsetattr(s, TCSAFLUSH, &t)); /* discards input */
	RES(ioctl(s, FIONREAD, &n));
	NUM(n);
	put(m, "lost too\n");
	await_input(s, 9);
	RES(tcflush(s, TCIFLUSH));
	RES(ioctl(s, FIONREAD, &n));
	NUM(n);
	RES(tcflush(s, 99));
	RES(ioctl(s, TIOCOUTQ, &n));
	RES(tcdrain(s));
	RES(tcsendbreak(s, 0));
	RES(tcflow(s, TCOOFF));
	RES(tcflow(s, TCOON));
	RES(tcflow(s, 99));
	RES(tcsetattr(s, 99, &t));
	RES(ioctl(s, TCGETS, bad_ptr()));
	int pipefd[2];
	RES(pipe(pipefd));
	RES(tcgetattr(pipefd[0], &t));
	RES(isatty(pipefd[0]));
	RES(isatty(999));
	return 0;
}
