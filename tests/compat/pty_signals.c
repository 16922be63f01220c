/*
 * Job control: control characters signal the foreground group, SIGTTIN, SIGTTOU, TOSTOP,
 * tcsetpgrp's rules, orphaned groups get EIO. tcsetpgrp(3), termios(3).
 */
#include "compat.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int m, s;

static void key(const char *k)
{
	if (write(m, k, 1) != 1)
		die("write");
}

static pid_t job(int what)
{
	int p[2];
	char c;

	if (pipe(p))
		die("pipe");
	pid_t pid = fork_child();

	if (pid) {
		close(p[1]);
		setpgid(pid, pid);
		if (read(p[0], &c, 1) < 0) /* till it is ready */
			die("read");
		close(p[0]);
		return pid;
	}
	setpgid(0, 0);
	close(p[0]);
	if (what == 'r' || what == 'w') {
		close(p[1]);
		ssize_t n = what == 'r' ? read(s, &c, 1) : write(s, "bg", 2);
		_exit(n < 0 ? errno : 0);
	}
	if (what == 'i') {
		signal(SIGTTIN, SIG_IGN);
		close(p[1]);
		_exit(read(s, &c, 1) < 0 ? errno : 0);
	}
	if (what == 's') { /* in the background it may not take the terminal */
		close(p[1]);
		_exit(tcsetpgrp(s, getpgrp()) < 0 ? errno : 0);
	}
	if (what == 'S') {
		signal(SIGTTOU, SIG_IGN);
		close(p[1]);
		_exit(tcsetpgrp(s, getpgrp()) < 0 ? errno : 0);
	}
	close(p[1]);
	for (;;)
		pause();
}

static void stopped(const char *what, pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, WUNTRACED) != pid)
		die("waitpid");
	show_status(what, status);
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
}

static void session(void)
{
	struct termios t;
	pid_t pid;

	YES(setsid() == getpid());
	RES(tcgetpgrp(s));
	RES(ioctl(s, TIOCSCTTY, 0));
	YES(tcgetpgrp(s) == getpgrp());
	YES(tcgetsid(s) == getpid());
	signal(SIGTTOU, SIG_IGN); /* as a shell does */
	signal(SIGINT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	tcgetattr(s, &t);
	t.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(s, TCSANOW, &t);

	for (const char *k = "\003\034\032"; *k; k++) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTSTP, SIG_DFL);
		pid = job(0);
		signal(SIGINT, SIG_IGN);
		signal(SIGTSTP, SIG_IGN);
		RES(tcsetpgrp(s, pid));
		key(k);
		stopped("foreground", pid);
		RES(tcsetpgrp(s, getpgrp()));
	}
	stopped("background read", job('r'));
	stopped("background read, SIGTTIN ignored: EIO", job('i'));
	signal(SIGTTOU, SIG_DFL);
	stopped("background write", job('w'));
	t.c_lflag |= TOSTOP;
	tcsetattr(s, TCSANOW, &t);
	stopped("background write, TOSTOP", job('w'));
	stopped("background tcsetpgrp", job('s'));
	stopped("background tcsetpgrp, SIGTTOU ignored", job('S'));
	signal(SIGTTOU, SIG_IGN);
	RES(tcsetpgrp(s, getpgrp()));
	RES(tcsetpgrp(s, 1 << 22));
	RES(tcsetpgrp(s, -1));
	t.c_lflag &= ~(tcflag_t)(ISIG | ICANON);
	tcsetattr(s, TCSANOW, &t);
	key("\003");
	char c = 0;
	RES(read(s, &c, 1)); /* without ISIG it is a character */
	NUM(c);
}

int main(void)
{
	pid_t pid;

	RES(openpty(&m, &s, NULL, NULL, NULL));
	pid = fork_child();
	if (pid == 0) {
		session();
		_exit(0);
	}
	reap("session", pid);
	RES(tcgetpgrp(s));
	RES(tcsetpgrp(s, getpgrp()));
	RES(tcgetsid(s));
	return 0;
}
