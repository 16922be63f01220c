/*
 * setsid(2), setpgid(2), getsid, getpgid: rules and errors; kill to groups; a child that has
 * exec'ed.
 */
#include "compat.h"

int main(void)
{
	int p[2], q[2], turn[2], status;
	char c;
	pid_t pid, pid2;

	RES(pipe(p));
	RES(pipe(q));
	pid = fork_child();
	if (pid == 0) {
		YES(getpgrp() == getpgid(0));
		YES(setsid() == getpid());
		YES(getsid(0) == getpid() && getpgrp() == getpid());
		RES(setsid());
		RES(setpgid(0, 0));
		/* Closed by an exec, too. */
		if (pipe2(turn, O_CLOEXEC))
			die("pipe2");
		pid2 = fork_child();
		if (pid2 == 0) {
			YES(getsid(0) == getppid() && getpgrp() == getppid());
			YES(setsid() == getpid());
			turn_pass(turn[1]);
			if (read(p[0], &c, 1) < 0)
				_exit(1);
			_exit(0);
		}
		turn_await(turn[0]);
		RES(setpgid(pid2, pid2)); /* a session leader, of another session */
		RES(getsid(pid2) == pid2);
		if (write(p[1], "x", 1) != 1)
			_exit(1);
		reap("grandchild", pid2);
		pid2 = fork_child();
		if (pid2 == 0) {
			execl("/bin/sleep", "sleep", "10", NULL);
			_exit(1);
		}
		close(turn[1]);
		if (read(turn[0], &c, 1) != 0)
			die("read");
		RES(setpgid(pid2, pid2)); /* it has exec'ed */
		kill(pid2, SIGKILL);
		reap("sleeper", pid2);
		/* Two children in one group of the session. */
		pid_t a = fork_child();
		if (a == 0)
			for (;;)
				pause();
		RES(setpgid(a, a));
		pid_t b = fork_child();
		if (b == 0)
			for (;;)
				pause();
		RES(setpgid(b, a));
		YES(getpgid(b) == a);
		RES(setpgid(b, 1 << 22));
		RES(kill(-a, SIGTERM));
		reap("a", a);
		reap("b", b);
		RES(setpgid(a, a));
		RES(kill(-a, SIGTERM));
		_exit(0);
	}
	reap("session", pid);
	RES(setpgid(-1, 0));
	RES(setpgid(0, -1));
	RES(setpgid(1 << 22, 0));
	IN_CHILD("the parent\'s", RES(setpgid(getppid(), 0)));
	RES(getsid(1 << 22));
	RES(getpgid(1 << 22));
	RES(getsid(-1));
	RES(getpgid(-1));
	/* kill(0): the own group. */
	pid = fork_child();
	if (pid == 0) {
		setpgid(0, 0);
		pid2 = fork_child();
		if (pid2 == 0)
			for (;;)
				pause();
		signal(SIGTERM, SIG_IGN);
		RES(kill(0, SIGTERM));
		wait(&status);
		show_status("in the group", status);
		_exit(0);
	}
	reap("group", pid);
	return 0;
}
