/*
 * Small calls: ioprio_get and ioprio_set, kcmp, getpid family's agreement, sched_getattr, swapoff,
 * sysfs, lookup_dcookie refused, getcpu; times of ids over fork.
 */
#include "compat.h"
#include <linux/kcmp.h>

#define IOPRIO(class, data) (((class) << 13) | (data))

int main(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr;
	int fd, fd2, fd3;

	RES(syscall(SYS_ioprio_set, 1, 0, IOPRIO(2, 5)));
	RES(syscall(SYS_ioprio_get, 1, 0));
	IN_CHILD("inherited", RES(syscall(SYS_ioprio_get, 1, 0)));
	RES(syscall(SYS_ioprio_set, 1, 0, IOPRIO(7, 0)));
	RES(syscall(SYS_ioprio_set, 9, 0, IOPRIO(2, 5)));
	RES(syscall(SYS_ioprio_get, 1, 1 << 22));
	setpriority(PRIO_PROCESS, 0, 15);
	memset(&attr, 0, sizeof(attr));
	RES(syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0));
	printf("size %u policy %u nice %d\n", attr.size, attr.policy, attr.nice);
	RES(syscall(SYS_sched_getattr, 0, &attr, 10, 0));
	RES(syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 1));
	attr.nice = 17;
	RES(syscall(SYS_sched_setattr, 0, &attr, 0));
	RES(getpriority(PRIO_PROCESS, 0));
	fd = open("/dev/null", O_RDONLY);
	fd2 = dup(fd);
	fd3 = open("/dev/null", O_RDONLY);
	long r = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, fd2);
	printf("kcmp %s\n", r < 0 ? err_name(errno) : r == 0 ? "same" : "different");
	r = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, fd3);
	printf("kcmp %s\n", r < 0 ? err_name(errno) : r == 0 ? "same" : "different");
	YES(syscall(SYS_getpid) == getpid() && syscall(SYS_gettid) == getpid() &&
	    syscall(SYS_getppid) == getppid());
	YES(syscall(SYS_getuid) == (long)getuid() && syscall(SYS_getegid) == (long)getegid());
	RES(syscall(SYS_sysfs, 99) == -1);
	RES(syscall(SYS__sysctl) == -1 && errno == ENOSYS);
	RES(syscall(SYS_uselib, "x") == -1 && errno == ENOSYS);
	RES(syscall(SYS_alarm, 20) >= 0);
	RES(syscall(SYS_pause + 1000) == -1 && errno == ENOSYS);
	RES(syscall(SYS_time, NULL) > 1600000000);
	return 0;
}
