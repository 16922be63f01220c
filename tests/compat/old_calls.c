/*
 * Calls that few programs make any more: sysfs(2), ustat(2), syslog(2), select(2) with the
 * personality STICKY_TIMEOUTS; and in which order errors count: pwritev2, openat2.
 */
#include "compat.h"
#include <linux/openat2.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

static void file_system_types(void)
{
	char name[64];
	long n = syscall(SYS_sysfs, 3), tmpfs = syscall(SYS_sysfs, 1, "tmpfs");

	YES(n > 3);
	YES(tmpfs >= 0 && tmpfs < n);
	RES(syscall(SYS_sysfs, 2, tmpfs, name));
	STR(name);
	RES(syscall(SYS_sysfs, 1, "nosuchfs"));
	RES(syscall(SYS_sysfs, 1, NULL));
	RES(syscall(SYS_sysfs, 2, 9999, name));
	RES(syscall(SYS_sysfs, 2, tmpfs, NULL));
	RES(syscall(SYS_sysfs, 4));
}

static void device(void)
{
	char out[64];
	struct stat st;

	stat("/", &st);
	RES(syscall(SYS_ustat, (unsigned int)st.st_dev, out));
	RES(syscall(SYS_ustat, (unsigned int)st.st_dev, NULL));
	RES(syscall(SYS_ustat, 0xfff00, out));
}

static void log_calls(void)
{
	char buf[16];

	RES(klogctl(0, NULL, 0));
	RES(klogctl(1, NULL, 0));
	RES(klogctl(2, NULL, 1));
	RES(klogctl(2, buf, -1));
	RES(klogctl(2, buf, 0));
	RES(klogctl(3, NULL, 5));
	RES(klogctl(3, buf, -1));
	RES(klogctl(3, buf, 0));
	RES(klogctl(8, NULL, 0));
	RES(klogctl(8, NULL, 9));
	YES(klogctl(10, NULL, 0) > 0);
	RES(klogctl(11, NULL, 0));
	RES(klogctl(-1, NULL, 0));
	IN_CHILD("as nobody", become_nobody(); RES(klogctl(5, NULL, 0)); RES(klogctl(1, NULL, 0));
	         RES(klogctl(11, NULL, 0)));
}

static void sticky(void)
{
	struct timeval tv = {0, 1500};

	personality(PER_LINUX | STICKY_TIMEOUTS);
	RES(select(0, NULL, NULL, NULL, &tv));
	NUM(tv.tv_usec);
	personality(PER_LINUX);
	RES(select(0, NULL, NULL, NULL, &tv));
	NUM(tv.tv_usec);
}

static void errors(void)
{
	struct iovec v = {"x", 1};
	struct open_how how = {.flags = O_RDONLY, .resolve = ~0ULL};
	int p[2];

	if (pipe(p))
		die("pipe");
	RES(pwritev2(p[0], &v, 1, 0, 0));
	RES(preadv(p[1], &v, 1, 0));
	RES(pwritev2(p[0], &v, 1, -1, 0));
	RES(preadv2(p[1], &v, 1, -1, 0));
	RES(syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how)));
	how.resolve = RESOLVE_CACHED | 1 << 20;
	RES(syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how)));
}

int main(void)
{
	if (geteuid() != 0)
		skip("needs root");
	file_system_types();
	device();
	log_calls();
	sticky();
	errors();
	return 0;
}
