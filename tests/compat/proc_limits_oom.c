/*
 * /proc/self/limits agrees with getrlimit; oom_score_adj, oom_score, loginuid's absence tolerated,
 * io, cgroup, wchan.
 */
#include "compat.h"

static void limit(const char *name, int resource)
{
	struct rlimit rl;
	char soft[32] = "", hard[32] = "", want_soft[32], want_hard[32];
	const char *p = strstr(get_file("/proc/self/limits"), name);

	getrlimit(resource, &rl);
	if (rl.rlim_cur == RLIM_INFINITY)
		strcpy(want_soft, "unlimited");
	else
		snprintf(want_soft, sizeof(want_soft), "%lu", rl.rlim_cur);
	if (rl.rlim_max == RLIM_INFINITY)
		strcpy(want_hard, "unlimited");
	else
		snprintf(want_hard, sizeof(want_hard), "%lu", rl.rlim_max);
	if (!p || sscanf(p + strlen(name), "%31s %31s", soft, hard) != 2) {
		printf("%s: missing\n", name);
		return;
	}
	printf("%s: %d %d\n", name, !strcmp(soft, want_soft), !strcmp(hard, want_hard));
}

int main(void)
{
	struct rlimit rl = {77, 88};
	int fd;

	YES(!strncmp(get_file("/proc/self/limits"),
	             "Limit                     Soft Limit           Hard Limit           Units",
	             73));
	limit("Max cpu time", RLIMIT_CPU);
	limit("Max file size", RLIMIT_FSIZE);
	limit("Max data size", RLIMIT_DATA);
	limit("Max stack size", RLIMIT_STACK);
	limit("Max core file size", RLIMIT_CORE);
	limit("Max processes", RLIMIT_NPROC);
	limit("Max open files", RLIMIT_NOFILE);
	limit("Max address space", RLIMIT_AS);
	limit("Max pending signals", RLIMIT_SIGPENDING);
	IN_CHILD("changed", setrlimit(RLIMIT_NOFILE, &rl); limit("Max open files", RLIMIT_NOFILE));
	IN_CHILD("oom_score_adj", fd = open("/proc/self/oom_score_adj", O_RDWR);
	         RES(write(fd, "500", 3)); STR(get_file("/proc/self/oom_score_adj"));
	         IN_CHILD("inherited", STR(get_file("/proc/self/oom_score_adj")));
	         RES(write(fd, "2000", 4)); RES(write(fd, "x", 1)); RES(write(fd, "600\n", 4));
	         STR(get_file("/proc/self/oom_score_adj")));
	YES(atoi(get_file("/proc/self/oom_score")) >= 0);
	YES(strstr(get_file("/proc/self/cgroup"), ":/") != NULL);
	YES(strlen(get_file("/proc/self/comm")) > 1);
	return 0;
}
