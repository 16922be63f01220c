/*
 * /proc/sys: kernel identity, limits, random uuids, writing refused to the unprivileged. proc(5).
 */
#include "compat.h"
#include <sys/utsname.h>

static const char *sys(const char *name)
{
	static char out[256];
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	snprintf(out, sizeof(out), "%.200s", get_file(path));
	out[strcspn(out, "\n")] = 0;
	return out;
}

static bool is_uuid(const char *s)
{
	return strlen(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
	       strspn(s, "0123456789abcdef-") == 36;
}

int main(void)
{
	struct utsname u;
	char a[64], b[64];

	uname(&u);
	STR(sys("kernel/ostype"));
	YES(!strcmp(sys("kernel/osrelease"), u.release));
	YES(!strcmp(sys("kernel/version"), u.version));
	YES(!strcmp(sys("kernel/hostname"), u.nodename));
	YES(atoi(sys("kernel/pid_max")) > 300);
	YES(atoi(sys("kernel/threads-max")) > 10);
	STR(sys("kernel/ngroups_max"));
	YES(atoi(sys("kernel/cap_last_cap")) >= 37);
	YES(atol(sys("kernel/shmmax")) > 0);
	YES(atoi(sys("kernel/msgmax")) > 0);
	int sem[4] = {0};
	YES(sscanf(sys("kernel/sem"), "%d %d %d %d", &sem[0], &sem[1], &sem[2], &sem[3]) == 4 &&
	    sem[0] > 0);
	YES(atoi(sys("kernel/randomize_va_space")) >= 0);
	STR(sys("kernel/overflowuid"));
	STR(sys("kernel/overflowgid"));
	YES(is_uuid(sys("kernel/random/boot_id")));
	snprintf(a, sizeof(a), "%.40s", sys("kernel/random/uuid"));
	snprintf(b, sizeof(b), "%.40s", sys("kernel/random/uuid"));
	YES(is_uuid(a) && is_uuid(b) && strcmp(a, b));
	snprintf(a, sizeof(a), "%.40s", sys("kernel/random/boot_id"));
	YES(!strcmp(a, sys("kernel/random/boot_id")));
	YES(atoi(sys("kernel/random/entropy_avail")) > 0);
	YES(atol(sys("fs/file-max")) > 0);
	YES(atol(sys("fs/nr_open")) >= 1024);
	YES(atol(sys("fs/pipe-max-size")) >= 65536);
	YES(atoi(sys("fs/inotify/max_user_watches")) > 0);
	YES(atoi(sys("vm/overcommit_memory")) >= 0);
	YES(atol(sys("vm/max_map_count")) > 1000);
	YES(atol(sys("vm/mmap_min_addr")) >= 0);
	YES(atoi(sys("net/core/somaxconn")) > 0);
	STR(sys("kernel/nonexistent"));
	IN_CHILD("as nobody", become_nobody(); RES(open("/proc/sys/kernel/hostname", O_WRONLY));
	         RES(open("/proc/sys/vm/overcommit_memory", O_WRONLY)));
	RES(mkdir("/proc/sys/new", 0700));
	OKAY(open("/proc/sys/kernel", O_RDONLY | O_DIRECTORY));
	return 0;
}
