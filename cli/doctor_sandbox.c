/*
 * A running sandbox, looked at from outside. Nothing here is asked of the
 * sandbox: all is read from the host's /proc, about each process of the sentry's session.
 *
 * A sandbox is named by the process id of its sentry, or of the launcher that is its
 * parent. A sentry is a session leader called moat-sentry; a process of the caller's that
 * only calls itself so would be listed as well, and shown to be held by nothing.
 */
#include "cli/doctor_sandbox.h"
#include "cli/cgroup.h"
#include "cli/cli.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process {
	pid_t pid, parent, session;
	char name[32];
};

__attribute__((format(printf, 2, 3))) static FILE *open_proc(pid_t pid, const char *fmt, ...)
{
	char path[96];
	va_list ap;
	int n = snprintf(path, sizeof(path), "/proc/%d/", pid);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	return fopen(path, "re");
}

/* False if there is no such process (any more). */
static bool look(pid_t pid, struct process *p)
{
	char line[512], *name, *end;
	FILE *f = open_proc(pid, "stat");
	bool there = f && fgets(line, sizeof(line), f);
	int parent, group, session;

	if (f)
		fclose(f);
	if (!there || !(name = strchr(line, '(')) || !(end = strrchr(line, ')')))
		return false;
	*end = 0;
	if (sscanf(end + 1, " %*c %d %d %d", &parent, &group, &session) != 3)
		return false;
	*p = (struct process){.pid = pid, .parent = parent, .session = session};
	snprintf(p->name, sizeof(p->name), "%s", name + 1);
	return true;
}

static bool is_sentry(const struct process *p)
{
	return p->pid == p->session && !strcmp(p->name, "moat-sentry");
}

/* Calls fn for each process, in the order of /proc, until it says to stop. */
static void each_process(bool (*fn)(const struct process *p, void *arg), void *arg)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	struct process p;

	if (!dir)
		die("cannot read /proc: %s", strerror(errno));
	while ((e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    look((pid_t)strtol(e->d_name, NULL, 10), &p) && !fn(&p, arg))
			break;
	closedir(dir);
}

/* ---- one process ------------------------------------------------------ */

static void print_status(pid_t pid)
{
	static const char *const fields[] = {
	    "Uid:",        "Threads:", "CapEff:", "CapPrm:", "CapBnd:",
	    "NoNewPrivs:", "Seccomp",  "NSpid:",  NULL};
	char line[512];
	FILE *f = open_proc(pid, "status");

	while (f && fgets(line, sizeof(line), f))
		for (const char *const *name = fields; *name; name++)
			if (!strncmp(line, *name, strlen(*name))) {
				char *value = strchr(line, ':');

				*value++ = 0;
				value += strspn(value, " \t");
				printf("    %-18s %s", line, value);
			}
	if (f)
		fclose(f);
}

static long filters_of(pid_t pid)
{
	char line[256];
	long n = 0;
	FILE *f = open_proc(pid, "status");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Seccomp_filters:", 16))
			n = strtol(line + 16, NULL, 10);
	if (f)
		fclose(f);
	return n;
}

/* Beyond those that the launcher was under already, as in a container. A stub's third is the one
 * that asks the sentry. */
static void print_filters(const struct process *p, pid_t sentry)
{
	struct process s;
	long own;

	if (!look(sentry, &s))
		return;
	own = filters_of(p->pid) - filters_of(s.parent);
	printf("    %-18s %ld%s\n", "filters of its own", own,
	       p->pid != sentry && own == 3 ? ": gate, calls, and --mm=checked" : "");
}

/* Threads that no filter holds: one would be enough. */
static void print_threads(pid_t pid)
{
	unsigned held = 0, free_ones = 0;
	char path[64], line[256];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		FILE *f = isdigit((unsigned char)e->d_name[0])
		              ? open_proc(pid, "task/%s/status", e->d_name)
		              : NULL;

		while (f && fgets(line, sizeof(line), f))
			if (!strncmp(line, "Seccomp:", 8)) {
				held += strtol(line + 8, NULL, 10) == 2;
				free_ones += strtol(line + 8, NULL, 10) != 2;
			}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	printf("    %-18s %u, without: %u\n", "threads filtered", held, free_ones);
}

static void print_namespaces(pid_t pid)
{
	static const char *const names[] = {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"};

	printf("    %-18s", "namespaces");
	for (size_t i = 0; i < array_size(names); i++) {
		char path[64], its[64] = "", own[64] = "";

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		if (readlink(path, its, sizeof(its) - 1) < 0)
			its[0] = 0;
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		if (readlink(path, own, sizeof(own) - 1) < 0)
			own[0] = 0;
		printf(" %s:%s", names[i],
		       !its[0]            ? "hidden"
		       : strcmp(its, own) ? "private"
		                          : "yours");
	}
	putchar('\n');
}

static void print_limits(pid_t pid)
{
	static const char *const names[] = {"Max core file size", "Max file size", "Max open files",
	                                    "Max processes"};
	char line[256];
	FILE *f = open_proc(pid, "limits");

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < array_size(names); i++)
			if (!strncmp(line, names[i], strlen(names[i]))) {
				char soft[32] = "?", hard[32] = "?";

				if (sscanf(line + strlen(names[i]), "%31s %31s", soft, hard) == 2)
					printf("    %-18s %s (can be raised to %s)\n", names[i],
					       soft, hard);
			}
	if (f)
		fclose(f);
}

static void print_files(pid_t pid)
{
	char path[64], kinds[512] = "";
	unsigned count = 0;
	size_t len = 0;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		printf("    %-18s hidden from you (%s)\n", "open files", strerror(errno));
		return;
	}
	while ((e = readdir(dir))) {
		char target[128] = "";

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		if (readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1) < 0)
			continue;
		if (count++ < 6 && len < sizeof(kinds))
			len += (size_t)snprintf(kinds + len, sizeof(kinds) - len, " %s", target);
	}
	closedir(dir);
	printf("    %-18s %u:%s%s\n", "open files", count, kinds, count > 6 ? " ..." : "");
}

static void print_cgroup(pid_t pid)
{
	char line[512], limits[128];
	FILE *f = open_proc(pid, "cgroup");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::/", 4)) {
			line[strcspn(line, "\n")] = 0;
			cgroup_describe(line + 3, limits, sizeof(limits));
			printf("    %-18s %s%s\n", "cgroup v2", line + 3, limits);
		}
	if (f)
		fclose(f);
}

static void print_mappings(pid_t pid)
{
	unsigned count = 0, both = 0;
	char line[512];
	FILE *f = open_proc(pid, "maps");

	while (f && fgets(line, sizeof(line), f)) {
		char *mode = strchr(line, ' ');

		count++;
		both += mode && mode[2] == 'w' && mode[3] == 'x';
	}
	if (f)
		fclose(f);
	if (count)
		printf("    %-18s %u, of them writable and executable: %u\n", "mappings", count,
		       both);
	else
		printf("    %-18s hidden from you\n", "mappings");
}

static bool print_member(const struct process *p, void *arg)
{
	if (p->session != *(pid_t *)arg)
		return true;
	printf("\n  %s (process %d)\n", p->name, p->pid);
	print_status(p->pid);
	print_filters(p, *(pid_t *)arg);
	print_threads(p->pid);
	print_namespaces(p->pid);
	print_limits(p->pid);
	print_files(p->pid);
	print_mappings(p->pid);
	print_cgroup(p->pid);
	return true;
}

/* ---- all of them ------------------------------------------------------- */

static bool print_running(const struct process *p, void *arg)
{
	unsigned *count = arg;

	if (!is_sentry(p))
		return true;
	if (!(*count)++)
		printf("%10s %10s\n", "SANDBOX", "LAUNCHER");
	printf("%10d %10d\n", p->pid, p->parent);
	return true;
}

struct search {
	pid_t id, found;
};

static bool find(const struct process *p, void *arg)
{
	struct search *s = arg;

	if (is_sentry(p) && (p->pid == s->id || p->parent == s->id))
		s->found = p->pid;
	return !s->found;
}

int doctor_sandbox(pid_t id)
{
	struct search s = {.id = id};
	unsigned count = 0;

	if (id == 0) {
		each_process(print_running, &count);
		if (!count)
			printf("No sandbox is running that you can see.\n");
		return 0;
	}
	each_process(find, &s);
	if (!s.found) {
		complain("no sandbox has %d as its sentry or launcher; 'moat doctor --sandbox' "
		         "lists those that run",
		         id);
		return 1;
	}
	printf("Sandbox %d, as the host's /proc shows it (Landlock is not shown there; no process "
	       "may\nleave a domain once in it)\n",
	       s.found);
	each_process(print_member, &s.found);
	return 0;
}
