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
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

/* True: one of the session that could not be reaped yet. */
static bool sweep_one(pid_t pid, pid_t session)
{
	if (pid == session || getsid(pid) != session)
		return false;
	end(pid);
	/* __WALL: stubs are made without an exit signal. */
	return waitpid(pid, NULL, WNOHANG | __WALL) != pid;
}

/* How many there were that could not be reaped yet; one of them. */
static unsigned sweep(pid_t session, pid_t *one)
{
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	unsigned left = 0;
	char text[1024];
	pid_t pid = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	/* Numbers, each with a blank behind it; not by stdio, as the caller waits for this. */
	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (pid && sweep_one(pid, session)) {
				*one = pid;
				left++;
			}
			pid = 0;
		}
	}
	close(fd);
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
