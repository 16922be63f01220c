/*
 * vhangup(2) on a pseudo-terminal: who has it open has it no longer, who waits there is woken, and
 * opened again it is as new (login(1) does that). The end of a session's leader, on the other hand,
 * leaves a pseudo-terminal to whoever has it open (drivers/tty/tty_jobctrl.c, disassociate_ctty).
 */
#include "compat.h"
#include "compat_pty.h"

static volatile sig_atomic_t hups, conts;

static void on_sig(int sig)
{
	if (sig == SIGHUP)
		hups++;
	else
		conts++;
}

static void events(const char *who, int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI, 0};

	poll(&p, 1, 0);
	printf("%s: events %#x\n", who, (unsigned)p.revents);
}

/* Everything that a slave can be asked. Nothing waits. */
static void ask_slave(const char *who, int s, int m)
{
	struct winsize ws = {0};
	struct termios t = {0};
	int n = 0;
	char c;

	printf("-- %s\n", who);
	fcntl(s, F_SETFL, O_RDWR | O_NONBLOCK);
	RES(read(s, &c, 1));
	RES(read(s, &c, 0));
	RES(write(s, "x", 1));
	RES(write(s, "x", 0));
	RES(ioctl(s, TIOCGWINSZ, &ws));
	NUM(ws.ws_row);
	RES(tcgetattr(s, &t));
	HEX(t.c_lflag);
	RES(ioctl(s, FIONREAD, &n));
	RES(ioctl(s, TIOCGPGRP, &n));
	RES(ioctl(s, TIOCGSID, &n));
	n = getpgrp();
	RES(ioctl(s, TIOCSPGRP, &n));
	RES(ioctl(s, TIOCEXCL));
	RES(ioctl(s, TIOCNXCL));
	RES(ioctl(s, FIONBIO, &n));
	RES(ioctl(s, TIOCGPTN, &n));
	events("slave", s);
	events("master", m);
	show_all("master", m);
}

static pid_t reader(const char *who, int s, int ready)
{
	pid_t pid = fork_child();
	ssize_t n;
	char c;

	if (pid == 0) {
		if (write(ready, "r", 1) != 1)
			_exit(1);
		n = read(s, &c, 1);
		show_bytes(who, &c, n, errno);
		_exit(0);
	}
	return pid;
}

/* A leader hangs up its own terminal, and opens it again. */
static void hang_up(const char *name, int m, int s, int ready[2])
{
	struct termios t;
	int s2, s3, n;
	pid_t waits;
	char c;

	handle(SIGHUP, on_sig, SA_RESTART);
	handle(SIGCONT, on_sig, SA_RESTART);
	setsid();
	RES(ioctl(s, TIOCSCTTY, 0));
	RES(tcgetattr(s, &t));
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	RES(tcsetattr(s, TCSANOW, &t));
	RES(fcntl(s, F_SETFL, O_RDWR));
	waits = reader("who waits reads", s, ready[1]);
	RES(read(ready[0], &c, 1));
	msleep(50);
	if (vhangup() && errno == EPERM)
		skip("vhangup needs CAP_SYS_TTY_CONFIG");
	reap("who waits", waits);
	printf("hups %d conts %d\n", hups, conts);
	ask_slave("hung up", s, m);
	RES(ioctl(s, TIOCSCTTY, 0));
	RES(ioctl(s, TIOCNOTTY));
	RES(open("/dev/tty", O_RDWR));
	RES(vhangup());

	s2 = (int)OKAY(open(name, O_RDWR));
	RES(ioctl(s2, TIOCGPGRP, &n));
	YES(n == getpgrp());
	ask_slave("opened again", s2, m);
	ask_slave("the old one", s, m);
	RES(write(m, "line\n", 5));
	await_input(s2, 5);
	show_read("opened again", s2);
	show_all("master", m);
	RES(read(s, &c, 1));

	/* And once more: each hang-up is of those that are open. */
	RES(write(m, "typed ahead\n", 12));
	await_input(s2, 12);
	RES(vhangup());
	printf("hups %d conts %d\n", hups, conts);
	s3 = (int)OKAY(open(name, O_RDWR | O_NOCTTY));
	show_all("master", m);
	ask_slave("opened a third time", s3, m);
	ask_slave("the second one", s2, m);
	close(s3);
	events("master", m);
	close(s2);
	_exit(0);
}

/* What other processes have of a terminal whose session's leader ends. */
static void leader_ends(const char *name, int m, int s)
{
	int s2;
	pid_t pid = fork_child();

	if (pid == 0) {
		setsid();
		RES(ioctl(s, TIOCSCTTY, 0));
		_exit(0);
	}
	reap("leader", pid);
	ask_slave("its leader has ended", s, m);
	RES(write(m, "line\n", 5));
	await_input(s, 5);
	show_read("slave", s);
	show_all("master", m);
	s2 = (int)OKAY(open(name, O_RDWR | O_NOCTTY));
	ask_slave("opened again", s2, m);
	close(s2);
}

int main(void)
{
	struct winsize ws = {.ws_row = 10, .ws_col = 20};
	int m, s, ready[2];
	char name[64];
	pid_t pid;

	RES(pipe(ready));
	RES(openpty(&m, &s, name, NULL, &ws));
	RES(fcntl(m, F_SETFL, O_RDWR | O_NONBLOCK));
	leader_ends(name, m, s);
	pid = fork_child();
	if (pid == 0)
		hang_up(name, m, s, ready);
	reap("who hangs up", pid);
	ask_slave("who hung up has ended", s, m);
	RES(close(s));
	events("master", m);
	show_read("master", m);
	OKAY(s = open(name, O_RDWR | O_NOCTTY));
	events("master", m);
	RES(close(m));
	ask_slave("its master closed", s, s);
	RES(access(name, F_OK));
	return 0;
}
