/*
 * As a rule there is nothing to kill: the warden has done so, and what is found here are
 * processes on their way out that must be reaped. The kill is for the day when
 * somebody has ended the warden, too.
 *
 * The launcher may have children that it knows nothing of, left by whatever it was exec'd
 * from; hence the session, which no process of a sandbox can leave. The process ids
 * come from the list of one's own children, and only the caller reaps those, so
 * that none can be another's by now.
 */
#include "cli/session_sweep.h"
#include "cli/cli.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A killed process ends at once unless the host has it wait for a device. */
#define PATIENCE_MS    5000
#define LONGEST_NAP_MS 20

static void end(pid_t pid)
{
	pid_t group = getpgid(pid);

	/* By groups: a kill of one could be outrun by a fork. */
	if (group > 0 && group != getpgrp())
		kill(-group, SIGKILL);
	kill(pid, SIGKILL);
}

/* How many there were that could not be reaped yet; one of them. */
static unsigned sweep(pid_t session, pid_t *one)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	unsigned left = 0;
	int pid;

	if (!f)
		return 0;
	while (fscanf(f, "%d", &pid) == 1) {
		if (pid == session || getsid(pid) != session)
			continue;
		end(pid);
		/* __WALL: stubs are made without an exit signal. */
		if (waitpid(pid, NULL, WNOHANG | __WALL) != pid) {
			*one = pid;
			left++;
		}
	}
	fclose(f);
	return left;
}

/* Until the process has ended, or so long. */
static void wait_for(pid_t pid, int ms)
{
	struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	(void)poll(&end, 1, ms);
	if (end.fd >= 0)
		close(end.fd);
}

void session_sweep(pid_t session)
{
	int nap = 1, waited = 0;
	pid_t one = 0;
	unsigned left;

	while ((left = sweep(session, &one)) && waited < PATIENCE_MS) {
		wait_for(one, nap);
		waited += nap;
		nap = nap * 2 < LONGEST_NAP_MS ? nap * 2 : LONGEST_NAP_MS;
	}
	if (left)
		complain("%u processes of the sandbox have been killed but do not end: the host "
		         "holds them",
		         left);
}
