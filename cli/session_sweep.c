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
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A killed process ends at once unless the host has it wait for a device. */
#define PATIENCE_MS    5000
#define FIRST_NAP_US   100
#define LONGEST_NAP_US 20000

static void end(pid_t pid)
{
	pid_t group = getpgid(pid);

	/* By groups: a kill of one could be outrun by a fork. */
	if (group > 0 && group != getpgrp())
		kill(-group, SIGKILL);
	kill(pid, SIGKILL);
}

/* How many there were that could not be reaped yet. */
static unsigned sweep(pid_t session)
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
		if (waitpid(pid, NULL, WNOHANG | __WALL) != pid)
			left++;
	}
	fclose(f);
	return left;
}

void session_sweep(pid_t session)
{
	long nap = FIRST_NAP_US, waited = 0;
	unsigned left;

	while ((left = sweep(session)) && waited < PATIENCE_MS * 1000L) {
		const struct timespec ts = {.tv_nsec = nap * 1000};

		nanosleep(&ts, NULL);
		waited += nap;
		nap = nap * 2 < LONGEST_NAP_US ? nap * 2 : LONGEST_NAP_US;
	}
	if (left)
		complain("%u processes of the sandbox have been killed but do not end: the host "
		         "holds them",
		         left);
}
