/*
 * What systrap needs of the host, asked before anything is built on it. Each
 * answer is a line for people; `moat doctor` prints it.
 *
 * Host calls: seccomp, memfd_create, uname, close.
 */
#include "platform/systrap/systrap.h"
#include <asm/hwcap2.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <stdlib.h>
#include <unistd.h>

static bool action_available(u32 action)
{
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* By the newest that stubs may ask for, MADV_POPULATE_READ. */
static bool kernel_at_least(int major, int minor)
{
	struct utsname u;
	long a, b;
	char *end;
	if (uname(&u) != 0)
		return false;
	a = strtol(u.release, &end, 10);
	b = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	return a > major || (a == major && b >= minor);
}

const char *systrap_unsupported(void)
{
	int fd;
	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		return "the processor or kernel lacks FSGSBASE instructions (Linux 5.9, Ivy Bridge "
		       "or Zen)";
	if (!action_available(SECCOMP_RET_TRAP))
		return "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)";
	if (!kernel_at_least(5, 14))
		return "the kernel is older than Linux 5.14 (MADV_POPULATE_READ)";
	if (getauxval(AT_MINSIGSTKSZ) * 4 > STUB_SIGNAL_STACK)
		return "the processor's register state is larger than the stub's stacks allow for";
	fd = memfd_create("moat-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return "the kernel has no memfd_create, or forbids it";
	close(fd);
	return NULL;
}
