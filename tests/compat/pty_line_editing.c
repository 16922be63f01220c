/*
 * Canonical mode: ERASE, WERASE, KILL, EOF, EOL, LNEXT, REPRINT, control characters echoed, reads
 * of part of a line. termios(3).
 */
#include "compat.h"
#include "compat_pty.h"

static int m, s;

static void type(const char *what, const char *keys)
{
	printf("%s:\n", what);
	if (write(m, keys, strlen(keys)) < 0)
		die("write");
	show_read("line", s);
	show_all("echo", m);
}

int main(void)
{
	struct termios t;
	char buf[8] = "";
	int n;

	RES(openpty(&m, &s, NULL, NULL, NULL));
	fcntl(m, F_SETFL, O_NONBLOCK);
	fcntl(s, F_SETFL, O_NONBLOCK);
	type("erase", "abx\177c\n");
	type("erase too much", "a\177\177\177b\n");
	type("kill", "forget\025keep\n");
	type("word erase", "one two three\027\027deux\n");
	type("control characters", "a\001b\033c\n");
	type("literal next", "a\026\003b\026\177c\n");
	type("reprint", "ab\022c\n");
	type("tab", "a\tb\177\177c\n");
	type("end of file after text", "text\004");
	type("end of file alone", "\004");
	type("two ends", "x\004\004");
	show_read("second", s);
	tcgetattr(s, &t);
	t.c_cc[VEOL] = ';';
	tcsetattr(s, TCSANOW, &t);
	type("another end of line", "first;second\n");
	show_read("second", s);
	t.c_lflag &= ~(tcflag_t)(ECHOE | ECHOK | ECHOCTL);
	tcsetattr(s, TCSANOW, &t);
	type("plain echo of editing", "abc\177d\001\n");
	type("plain kill", "abc\025d\n");
	t.c_lflag |= ECHONL;
	t.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(s, TCSANOW, &t);
	type("newline only", "quiet\n");
	t.c_iflag |= IUCLC | ISTRIP;
	t.c_iflag &= ~(tcflag_t)ICRNL;
	t.c_iflag |= IGNCR;
	tcsetattr(s, TCSANOW, &t);
	type("upper case, no CR", "UP\rPER\n");
	/* A short read leaves the rest of the line. */
	RES(write(m, "abcdef\n", 7));
	await_input(s, 7);
	RES(read(s, buf, 3));
	STR(buf);
	RES(ioctl(s, FIONREAD, &n));
	NUM(n);
	show_read("rest", s);
	/* A line has at most 4095 characters; more is dropped until it ends. */
	char big[5000];
	memset(big, 'z', sizeof(big));
	size_t total = 0;
	for (size_t o = 0; o < sizeof(big); o += 500)
		total += (size_t)write(m, big + o, 500);
	NUM(total);
	RES(write(m, "\n", 1));
	char back[6000];

	await_input(s, 4096);
	RES(read(s, back, sizeof(back)));
	NUM(back[4094]);
	return 0;
}
