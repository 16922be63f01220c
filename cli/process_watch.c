/*
 * As a rule the first look is the last: stubs in a user namespace of their own are counted by the
 * host (platform/filter/namespaces.c), at every fork. Where that cannot be had, the sentry's
 * children are counted from time to time; the stubs are that (CLONE_PARENT), whoever has made them.
 */
#include "cli/process_watch.h"
#include "cli/due.h"
#include "sentry/sandbox.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERVAL_MS 50

void process_watch_init(struct process_watch *w, u32 max_tasks)
{
	w->limit = max_tasks ? sandbox_max_processes(max_tasks) : 0;
	w->next_ms = now_ms() + INTERVAL_MS;
}

int process_watch_interval(const struct process_watch *w)
{
	return w->limit ? ms_until(w->next_ms) : -1;
}

static u32 threads(pid_t pid)
{
	char path[64], line[512];
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* The twentieth field; a stub cannot change its name, which has no blanks. */
	if (!fgets(line, sizeof(line), f) ||
	    sscanf(line,
	           "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %u",
	           &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* In a namespace of its own, and not as a user that may be the host's root, who is exempt. */
static bool counted_by_host(pid_t pid)
{
	char path[64], its[64] = "", own[64] = "";
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	if (readlink(path, its, sizeof(its) - 1) < 0 ||
	    readlink("/proc/self/ns/user", own, sizeof(own) - 1) < 0 || !strcmp(its, own))
		return false;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	return stat(path, &st) == 0 && (geteuid() != 0 || st.st_uid != 0);
}

bool process_watch_exceeded(struct process_watch *w, pid_t sentry)
{
	char path[64];
	u32 total = 0;
	FILE *f;
	int pid;

	if (!w->limit || now_ms() < w->next_ms)
		return false;
	w->next_ms = now_ms() + INTERVAL_MS;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", sentry, sentry);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (w->limit && total <= w->limit && fscanf(f, "%d", &pid) == 1) {
		/* The zygote has it, and with it all that come of it. */
		if (!total && counted_by_host(pid))
			w->limit = 0;
		total += threads(pid);
	}
	fclose(f);
	return w->limit && total > w->limit;
}
