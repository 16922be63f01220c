/*
 * Pseudo-terminals: posix_openpt, grantpt, ptsname, echo, canonical reading, ONLCR, isatty, termios
 * defaults. pty(7).
 */
#include "compat.h"
#include "compat_pty.h"

int main(void)
{
	struct termios t;
	struct stat st;
	char name[64];
	int m, s, n, zero = 0;

	m = (int)OKAY(posix_openpt(O_RDWR | O_NOCTTY));
	RES(grantpt(m));
	RES(open("/dev/pts/ptmx", O_RDWR) >= 0 || errno == EACCES || errno == ENOENT);
	s = open(ptsname(m), O_RDWR | O_NOCTTY);
	printf("before unlockpt: %s\n", s < 0 ? err_name(errno) : "opened");
	RES(unlockpt(m));
	ERR(ptsname_r(m, name, sizeof(name)));
	YES(!strncmp(name, "/dev/pts/", 9));
	s = (int)OKAY(open(name, O_RDWR | O_NOCTTY));
	YES(isatty(m) && isatty(s));
	YES(!strcmp(ttyname(s), name));
	RES(fstat(s, &st));
	YES(S_ISCHR(st.st_mode) && st.st_uid == getuid());
	RES(tcgetattr(s, &t));
	printf("iflag %#x oflag %#x cflag %#x lflag %#x\n", t.c_iflag, t.c_oflag,
	       t.c_cflag & ~(tcflag_t)CBAUD, t.c_lflag);
	printf("speed %d intr %d quit %d erase %d kill %d eof %d susp %d min %d time %d\n",
	       cfgetospeed(&t) == B38400, t.c_cc[VINTR], t.c_cc[VQUIT], t.c_cc[VERASE],
	       t.c_cc[VKILL], t.c_cc[VEOF], t.c_cc[VSUSP], t.c_cc[VMIN], t.c_cc[VTIME]);
	RES(write(m, "hello\n", 6));
	show_all("echo", m); /* ONLCR */
	NUM(await_input(s, 6));
	show_read("line", s);
	RES(write(m, "two\nlines\n", 10));
	show_read("first", s);
	show_read("second", s);
	show_all("echo of both", m);
	RES(write(m, "cr\r", 3)); /* ICRNL */
	show_read("carriage return", s);
	show_all("its echo", m);
	RES(write(s, "output\n", 7));
	show_all("output", m);
	t.c_lflag &= ~(tcflag_t)ECHO;
	RES(tcsetattr(s, TCSANOW, &t));
	RES(write(m, "secret\n", 7));
	show_read("no echo, line", s);
	fcntl(m, F_SETFL, O_NONBLOCK);
	show_all("nothing echoed", m);
	RES(write(m, "partial", 7));
	fcntl(s, F_SETFL, O_NONBLOCK);
	show_read("no full line", s);
	RES(write(m, "\n", 1));
	show_read("now", s);
	RES(ioctl(m, TIOCPKT, &zero));
	RES(ioctl(m, TIOCGPTN, &n));
	YES(n == atoi(name + 9));
	close(s);
	show_all("slave closed", m);
	s = (int)OKAY(open(name, O_RDWR | O_NOCTTY)); /* may be opened again */
	close(m);
	show_read("master closed", s);
	RES(write(s, "x", 1));
	RES(open(name, O_RDWR | O_NOCTTY));
	RES(openpty(&m, &s, NULL, NULL, NULL));
	close(m);
	close(s);
	return 0;
}
