/*
 * /proc/self/stat and statm: field order, a command name with spaces and parentheses, states of
 * children. proc(5).
 */
#include "compat.h"

static void stat_of(pid_t pid, const char *what)
{
	char path[64], comm[64] = "", state = '?', *end;
	int ppid = 0, pgrp = 0, session = 0, tty = 0, tpgid = 0, p = 0, fields = 0;
	const char *s;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	s = get_file(path);
	end = strrchr(s, ')');
	if (!end || sscanf(s, "%d (%63[^\n]", &p, comm) != 2) {
		printf("%s: %s\n", what, s);
		return;
	}
	comm[strcspn(comm, "\n")] = 0;
	*strrchr(comm, ')') = 0;
	sscanf(end + 1, " %c %d %d %d %d %d", &state, &ppid, &pgrp, &session, &tty, &tpgid);
	for (char *t = end; *t; t++)
		fields += *t == ' ';
	printf("%s: pid %d comm \"%s\" state %c ppid %d pgrp %d session %d fields after comm %d\n",
	       what, p == pid, comm, state, ppid == (pid == getpid() ? getppid() : getpid()),
	       pgrp == getpgid(pid), session == getsid(pid), fields);
}

static void wait_state(pid_t pid, char want)
{
	for (int i = 0; i < 500; i++) {
		char path[64], *end;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		end = strrchr(get_file(path), ')');
		if (end && end[2] == want)
			return;
		usleep(5000);
	}
}

int main(void)
{
	long size = 0, resident = 0, shared = 0;
	unsigned long start = 0, later = 0;
	pid_t pid;
	char *s;
	int status;

	stat_of(getpid(), "self");
	prctl(PR_SET_NAME, "a (b) c)");
	stat_of(getpid(), "renamed");
	YES(sscanf(get_file("/proc/self/statm"), "%ld %ld %ld", &size, &resident, &shared) == 3);
	YES(size >= resident && resident > 0 && shared >= 0);
	s = strrchr(get_file("/proc/self/stat"), ')');
	long num_threads = 0;
	sscanf(s + 2,
	       "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %lu",
	       &num_threads, &start);
	NUM(num_threads);
	YES(start > 0);

	pid = fork_child();
	if (pid == 0)
		for (;;)
			pause();
	wait_state(pid, 'S');
	stat_of(pid, "sleeping");
	s = strrchr(({
		            char path[64];
		            snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		            (char *)get_file(path);
	            }),
	            ')');
	sscanf(s + 2,
	       "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lu",
	       &later);
	YES(later >= start);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	wait_state(pid, 'T');
	stat_of(pid, "stopped");
	kill(pid, SIGCONT);
	wait_state(pid, 'S');
	stat_of(pid, "continued");
	kill(pid, SIGKILL);
	wait_state(pid, 'Z');
	stat_of(pid, "zombie");
	reap("child", pid);
	stat_of(pid, "gone");
	pid = fork_child();
	if (pid == 0)
		for (volatile int i = 0;; i++)
			;
	wait_state(pid, 'R');
	stat_of(pid, "running");
	kill(pid, SIGKILL);
	reap("runner", pid);
	return 0;
}
