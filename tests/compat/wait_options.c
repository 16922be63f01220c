/*
 * wait4(2) and waitid(2): WNOHANG, WNOWAIT, WSTOPPED, WCONTINUED, groups, ECHILD, EINVAL, and
 * siginfo's contents.
 */
#include "compat.h"

static const char *code_name(int code)
{
	static const char *const names[] = {"?",       "EXITED",  "KILLED",   "DUMPED",
	                                    "TRAPPED", "STOPPED", "CONTINUED"};

	return code >= 1 && code <= 6 ? names[code] : "none";
}

static void show(const char *what, pid_t child, siginfo_t *si)
{
	printf("%s: pid %s signo %d code CLD_%s status %d uid %s\n", what,
	       si->si_pid == child ? "child"
	       : si->si_pid        ? "other"
	                           : "0",
	       si->si_signo, code_name(si->si_code), si->si_status,
	       si->si_uid == getuid() ? "mine" : "other");
}

int main(void)
{
	siginfo_t si;
	pid_t pid, pgid;
	int status, p[2];
	char c;

	RES(waitpid(-1, &status, WNOHANG));
	RES(waitpid(1 << 22, &status, 0));
	RES(waitid(P_ALL, 0, &si, WEXITED | WNOHANG));
	RES(waitid(P_ALL, 0, &si, 0));
	RES(waitid(P_ALL, 0, &si, 0x40));
	RES(waitid((idtype_t)77, 0, &si, WEXITED));
	RES(waitpid(-1, &status, 0x100000));

	RES(pipe(p));
	pid = fork_child();
	if (pid == 0) {
		setpgid(0, 0); /* not an orphaned group, else SIGTSTP does nothing */
		close(p[1]);
		if (read(p[0], &c, 1) < 0)
			_exit(1);
		_exit(42);
	}
	close(p[0]);
	setpgid(pid, pid);
	RES(waitpid(pid, &status, WNOHANG));
	memset(&si, 0xff, sizeof(si));
	RES(waitid(P_PID, pid, &si, WEXITED | WNOHANG));
	show("nothing yet", pid, &si);
	RES(kill(pid, SIGSTOP));
	RES(waitid(P_PID, pid, &si, WSTOPPED | WNOWAIT));
	show("stopped, left", pid, &si);
	YES(waitpid(pid, &status, WUNTRACED) == pid);
	show_status("stopped", status);
	RES(waitpid(pid, &status, WUNTRACED | WNOHANG));
	RES(kill(pid, SIGCONT));
	YES(waitpid(pid, &status, WCONTINUED) == pid);
	show_status("continued", status);
	RES(kill(pid, SIGTSTP));
	RES(waitid(P_PID, pid, &si, WSTOPPED));
	show("stopped", pid, &si);
	RES(kill(pid, SIGCONT));
	RES(waitid(P_PID, pid, &si, WCONTINUED));
	show("continued", pid, &si);
	close(p[1]);
	RES(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	show("exited, left", pid, &si);
	RES(waitid(P_ALL, 0, &si, WEXITED));
	show("exited", pid, &si);
	RES(waitid(P_PID, pid, &si, WEXITED));

	pid = fork_child();
	if (pid == 0)
		pause();
	kill(pid, SIGTERM);
	RES(waitid(P_PID, pid, &si, WEXITED));
	show("killed", pid, &si);

	/* By process group. */
	pid = fork_child();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(7);
	}
	setpgid(pid, pid);
	pgid = pid;
	RES(waitpid(0, &status, WNOHANG));
	RES(waitid(P_PGID, 1 << 22, &si, WEXITED));
	YES(waitpid(-pgid, &status, 0) == pid);
	show_status("by group", status);
	RES(waitpid(-pgid, &status, 0));
	struct rusage ru;
	pid = fork_child();
	if (pid == 0)
		_exit(3);
	memset(&ru, 0xff, sizeof(ru));
	YES(wait4(pid, &status, 0, &ru) == pid);
	YES(ru.ru_maxrss > 0 && ru.ru_utime.tv_sec < 5);
	pid = fork_child();
	if (pid == 0)
		_exit(3);
	msleep(20);
	RES(wait4(pid, bad_ptr(), 0, NULL));
	return 0;
}
