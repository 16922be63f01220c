/*
 * Sums the proportional set sizes of a sandbox's host processes: memory that
 * forks share counts once. The stubs are the sentry's children (they are made
 * with CLONE_PARENT).
 */
#include "cli/memory_watch.h"
#include "cli/due.h"
#include "cli/small_file.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Between looks: memory can grow by some tens of MB in that time. */
#define INTERVAL_MS 25

void memory_watch_init(struct memory_watch *w, u64 limit)
{
	w->limit = limit;
	w->next_ms = now_ms() + INTERVAL_MS;
}

int memory_watch_interval(const struct memory_watch *w)
{
	return w->limit ? ms_until(w->next_ms) : -1;
}

/* Resident bytes from statm: cheap, but shared pages count for each process. */
static u64 resident(pid_t pid)
{
	char path[64], buf[128];
	unsigned long size, rss;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (!small_file_read(AT_FDCWD, path, buf, sizeof(buf)) ||
	    sscanf(buf, "%lu %lu", &size, &rss) != 2)
		return 0;
	return (u64)rss * (u64)sysconf(_SC_PAGESIZE);
}

static u64 proportional(pid_t pid)
{
	char path[64], buf[2048], *p;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	/* Of the sentry, which is not to be looked into, an ordinary caller learns the rough size
	 * only. */
	if (!small_file_read(AT_FDCWD, path, buf, sizeof(buf)) || !(p = strstr(buf, "\nPss:")))
		return resident(pid);
	return strtoull(p + 5, NULL, 10) * 1024;
}

/* Adds up size(pid) of the sentry and of its children. */
static u64 sum(pid_t sentry, u64 (*size)(pid_t pid))
{
	char path[64];
	u64 total = size(sentry);
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", sentry, sentry);
	f = fopen(path, "re");
	if (!f)
		return total;
	while (fscanf(f, "%d", &pid) == 1)
		total += size(pid);
	fclose(f);
	return total;
}

bool memory_watch_exceeded(struct memory_watch *w, pid_t sentry)
{
	if (!w->limit || now_ms() < w->next_ms)
		return false;
	w->next_ms = now_ms() + INTERVAL_MS;
	/* The exact sum is dear: asked for only when the rough one, which is never lower, is over.
	 */
	return sum(sentry, resident) > w->limit && sum(sentry, proportional) > w->limit;
}
