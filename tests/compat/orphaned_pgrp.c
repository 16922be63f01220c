/*
 * A process group that becomes orphaned with a stopped member gets SIGHUP and SIGCONT; without one
 * it gets nothing. exit(3), setpgid(2).
 */
#include "compat.h"

static volatile sig_atomic_t hup, cont;

static void on_sig(int sig)
{
	if (sig == SIGHUP)
		hup = 1;
	else
		cont = 1;
}

static void run(bool stop)
{
	int p[2], status;
	char c[2] = "";
	pid_t pid;

	if (pipe(p))
		die("pipe");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork_child();
	if (pid == 0) {
		setsid();
		pid_t child = fork_child();
		if (child == 0) {
			/* A group of its own, whose only tie to the session is the parent. */
			setpgid(0, 0);
			handle(SIGHUP, on_sig, SA_RESTART);
			handle(SIGCONT, on_sig, SA_RESTART);
			if (write(p[1], "r", 1) != 1)
				_exit(1);
			if (stop) {
				raise(SIGSTOP);
				for (int i = 0; i < 500 && !(hup && cont); i++)
					usleep(2000);
			} else {
				msleep(150);
			}
			c[0] = hup ? 'H' : '-';
			c[1] = cont ? 'C' : '-';
			_exit(write(p[1], c, 2) != 2);
		}
		if (read(p[0], c, 1) != 1)
			_exit(1);
		if (stop)
			waitpid(child, &status, WUNTRACED);
		_exit(0);
	}
	reap("leader", pid);
	if (read(p[0], c, 2) != 2)
		die("read");
	printf("%s: %.2s\n", stop ? "stopped member" : "running member", c);
	wait(&status);
	show_status("member", status);
}

int main(void)
{
	run(true);
	run(false);
	/* In an orphaned group the terminal's stop signals are ignored, SIGSTOP is not. */
	pid_t pid = fork_child();
	if (pid == 0) {
		setsid();
		raise(SIGTSTP);
		raise(SIGTTIN);
		raise(SIGTTOU);
		_exit(8);
	}
	reap("orphaned SIGTSTP", pid);
	return 0;
}
