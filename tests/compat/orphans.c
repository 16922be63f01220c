/*
 * Orphans: reparenting to a PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, SIGCHLD ignored means no
 * zombies. prctl(2).
 */
#include "compat.h"
#include <poll.h>

int main(void)
{
	int p[2], status, v = 0;
	pid_t me = getpid(), pid, grandchild = 0, got;

	RES(prctl(PR_GET_CHILD_SUBREAPER, &v));
	NUM(v);
	RES(prctl(PR_SET_CHILD_SUBREAPER, 1));
	RES(prctl(PR_GET_CHILD_SUBREAPER, &v));
	NUM(v);
	RES(pipe(p));
	pid = fork_child();
	if (pid == 0) {
		RES(prctl(PR_GET_CHILD_SUBREAPER, &v));
		NUM(v); /* not inherited */
		pid = fork_child();
		if (pid == 0) {
			pid_t before = getppid();

			if (write(p[1], &(pid_t){getpid()}, sizeof(pid)) != sizeof(pid))
				_exit(1);
			while (getppid() == before)
				msleep(2);
			_exit(getppid() == me ? 44 : 45);
		}
		/* Not before it has seen who its parent is. */
		_exit(poll(&(struct pollfd){p[0], POLLIN, 0}, 1, -1) == 1 ? 3 : 1);
	}
	reap("child", pid);
	RES(read(p[0], &grandchild, sizeof(grandchild)));
	got = waitpid(-1, &status, 0);
	YES(got == grandchild);
	show_status("adopted", status);

	/* A death signal of the parent. */
	pid = fork_child();
	if (pid == 0) {
		pid = fork_child();
		if (pid == 0) {
			RES(prctl(PR_SET_PDEATHSIG, SIGUSR1));
			RES(prctl(PR_GET_PDEATHSIG, &v));
			NUM(v);
			IN_CHILD("not inherited", prctl(PR_GET_PDEATHSIG, &v); NUM(v));
			if (write(p[1], "r", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		char c;
		if (read(p[0], &c, 1) != 1)
			_exit(1);
		_exit(4);
	}
	reap("parent with a mourner", pid);
	wait(&status);
	show_status("mourner", status);
	RES(prctl(PR_SET_PDEATHSIG, 65));

	/* SIGCHLD ignored, or SA_NOCLDWAIT: children leave no zombie. */
	signal(SIGCHLD, SIG_IGN);
	pid = fork_child();
	if (pid == 0)
		_exit(1);
	RES(waitpid(pid, &status, 0));
	handle(SIGCHLD, SIG_DFL, SA_NOCLDWAIT);
	pid = fork_child();
	if (pid == 0)
		_exit(1);
	RES(waitpid(-1, &status, 0));
	handle(SIGCHLD, SIG_DFL, 0);

	/* A zombie takes signals and answers to its id till it is waited for. */
	pid = fork_child();
	if (pid == 0)
		_exit(5);
	siginfo_t si;
	RES(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
	RES(kill(pid, 0));
	RES(kill(pid, SIGKILL));
	YES(getpgid(pid) == getpgrp());
	reap("zombie", pid);
	RES(kill(pid, 0));
	return 0;
}
