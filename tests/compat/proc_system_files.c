/*
 * /proc/meminfo, cpuinfo, stat, uptime, loadavg, version, filesystems, vmstat: the structure
 * programs parse. proc(5).
 */
#include "compat.h"

static long mem(const char *key)
{
	const char *p = strstr(get_file("/proc/meminfo"), key);

	return p ? atol(p + strlen(key)) : -1;
}

static int count(const char *path, const char *prefix)
{
	FILE *f = fopen(path, "r");
	char line[8192];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += !strncmp(line, prefix, strlen(prefix));
	if (f)
		fclose(f);
	return n;
}

int main(void)
{
	double up = 0, idle = 0, l1, l5, l15;
	int running = 0, total = 0, last = 0;
	long ncpu = sysconf(_SC_NPROCESSORS_ONLN), btime = 0;
	char line[256];
	FILE *f;

	YES(mem("MemTotal:") > 0 && mem("MemFree:") > 0 && mem("MemAvailable:") > 0);
	YES(mem("MemTotal:") >= mem("MemFree:") && mem("MemTotal:") >= mem("MemAvailable:"));
	for (const char **k = (const char *[]){"Buffers:", "Cached:", "SwapTotal:", "SwapFree:",
	                                       "Active:", "Inactive:", "Shmem:", "Slab:", NULL};
	     *k; k++)
		printf("%s %s\n", *k, mem(*k) >= 0 ? "there" : "missing");
	YES(count("/proc/cpuinfo", "processor\t:") == ncpu);
	for (const char **k =
	         (const char *[]){"vendor_id\t:", "model name\t:", "cpu MHz\t", "flags\t\t:",
	                          "cpu family\t:", "bogomips\t:", "cache size\t:", NULL};
	     *k; k++)
		YES(count("/proc/cpuinfo", *k) == ncpu);
	YES(count("/proc/stat", "cpu ") == 1);
	YES(count("/proc/stat", "cpu") == ncpu + 1);
	YES(count("/proc/stat", "ctxt ") == 1 && count("/proc/stat", "processes ") == 1 &&
	    count("/proc/stat", "procs_running ") == 1);
	f = fopen("/proc/stat", "r");
	unsigned long u, n, s, i, w;
	YES(f && fscanf(f, "cpu %lu %lu %lu %lu %lu", &u, &n, &s, &i, &w) == 5);
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "btime %ld", &btime);
	if (f)
		fclose(f);
	YES(btime > 1000000000 && btime <= time(NULL));
	YES(sscanf(get_file("/proc/uptime"), "%lf %lf", &up, &idle) == 2 && up > 0 && idle >= 0);
	struct timespec ts;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	YES((double)ts.tv_sec - up < 5 && up - (double)ts.tv_sec < 5);
	YES(sscanf(get_file("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &l1, &l5, &l15, &running,
	           &total, &last) == 6 &&
	    total >= running && running >= 0);
	YES(!strncmp(get_file("/proc/version"), "Linux version ", 14));
	YES(count("/proc/filesystems", "nodev\tproc") == 1 &&
	    count("/proc/filesystems", "nodev\ttmpfs") == 1);
	YES(count("/proc/self/mounts", "") >= 1);
	YES(count("/proc/self/mountinfo", "") >= 1);
	YES(count("/proc/mounts", "proc /proc proc ") >= 1);
	YES(count("/proc/vmstat", "pgfault ") == 1);
	YES(count("/proc/swaps", "Filename") == 1);
	YES(count("/proc/devices", "Character devices:") == 1);
	YES(access("/proc/net/unix", F_OK) == 0 || errno == ENOENT);
	YES(count("/proc/sys/fs/file-nr", "") == 1);
	STR(count("/proc/cmdline", "") == 1 ? "a command line" : "none");
	return 0;
}
