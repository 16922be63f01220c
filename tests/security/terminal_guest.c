/*
 * What a guest could do to the terminal of who started it: type for him, take the terminal away,
 * reach the console, leave its modes changed. It has a terminal of its own inside, and of that it
 * may do all this.
 */
#include "attack.h"
#include <sys/ioctl.h>
#include <termios.h>

/* The caller's own terminal, passed on: nothing of it is to be had but reading and writing. */
static void passed_on(void)
{
	pid_t group = getpgrp();
	struct winsize size = {1, 1, 0, 0};

	for (int round = 0; round < 2; round++) {
		NEED(ioctl(0, TIOCSTI, "x") == -1);
		NEED(ioctl(0, TIOCSCTTY, 0) == -1 && ioctl(0, TIOCSCTTY, 1) == -1);
		NEED(ioctl(0, TIOCNOTTY) == -1);
		NEED(ioctl(0, TIOCSPGRP, &group) == -1 && tcgetsid(0) == -1);
		NEED(ioctl(0, TIOCSETD, &(int){1}) == -1 && ioctl(0, TIOCEXCL) == -1);
		NEED(ioctl(0, TIOCCONS) == -1 && ioctl(0, TIOCSWINSZ, &size) == -1);
		NEED(open("/dev/tty", O_RDWR) == -1);
		/* As the leader of a session without a terminal, once more. */
		if (round == 0 && fork() != 0) {
			int status;

			NEED(wait(&status) > 0);
			exit(status != 0);
		}
		if (round == 0)
			NEED(setsid() > 0);
	}
	NEED(write(1, "\033]0;title\007\033[6n\033[2J\033c", 20) == 20);
	NEED(write(1, "nowhere", 7) == 7);
	exit(0);
}

int main(void)
{
	static const char typed[] = "echo PWNED\n";
	char sub[16] = {2};
	struct termios t;
	pid_t pid;

	if (!isatty(0))
		fail("it has no terminal");
	if (getenv("PASSED_ON"))
		passed_on();
	/* Into the queue of the terminal inside, at most, and there for root. */
	for (const char *c = typed; *c; c++)
		NEED(ioctl(0, TIOCSTI, c) == 0 || (geteuid() != 0 && errno == EIO));
	for (sub[0] = 0; sub[0] < 15; sub[0]++)
		NEED(ioctl(0, TIOCLINUX, sub) == -1);
	NEED(ioctl(0, TIOCCONS) == -1 || getuid() == 0);
	pid = fork();
	NEED(pid >= 0);
	if (pid == 0) {
		/* Another session may not have it. */
		NEED(setsid() > 0);
		NEED(ioctl(0, TIOCSCTTY, 0) == -1 && errno == EPERM);
		/* Who is root inside may steal the terminal inside, and no other (ioctl_tty(2)). */
		if (geteuid() != 0)
			NEED(ioctl(0, TIOCSCTTY, 1) == -1 && errno == EPERM);
		NEED(open("/dev/tty", O_RDWR) == -1);
		_exit(0);
	}
	int status;
	NEED(waitpid(pid, &status, 0) == pid && status == 0);
	/* Raw, no echo, and left so. */
	NEED(tcgetattr(0, &t) == 0);
	cfmakeraw(&t);
	NEED(tcsetattr(0, TCSANOW, &t) == 0);
	NEED(write(1, "\033]0;title\007\033[6n\033[2J\033c", 20) == 20);
	NEED(write(1, "nowhere", 7) == 7);
	if (getenv("DIE"))
		raise(SIGKILL);
	return 0;
}
