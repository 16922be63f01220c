/*
 * Capabilities and limits of the sentry and its stubs (capabilities(7)).
 *
 * An ordinary caller has no capabilities, and loses nothing here. Of root's the sentry keeps those
 * by which root may read what the mode bits deny, as the guest is to see what its caller sees; and
 * with a writable grant those by which root creates and changes files for others. Nothing
 * else: no ptrace, no mounts, no network, no modules, no raw devices, no change of identity. Stubs
 * keep none. All this comes before the zygote is forked, for the host lets a process reach
 * into another's memory only if it has all of the other's capabilities.
 *
 * Host calls: capget, capset, prctl, setrlimit, before lock-down.
 */
#include "platform/filter/privileges.h"
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(cap) (1ULL << (cap))
/* O_NOATIME on others' files takes FOWNER. */
#define READING  (BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER))
#define CHANGING (BIT(CAP_CHOWN) | BIT(CAP_FSETID) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP))

static long set(u64 caps)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
	    {.effective = (u32)caps, .permitted = (u32)caps},
	    {.effective = (u32)(caps >> 32), .permitted = (u32)(caps >> 32)}};

	return syscall(SYS_capset, &head, data);
}

static u64 permitted(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &head, data) != 0)
		return 0;
	return data[0].permitted | (u64)data[1].permitted << 32;
}

int privileges_drop(bool writable)
{
	const struct rlimit no_core = {0, 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	/* Up to the last that the host knows. It takes CAP_SETPCAP; who lacks that executes nothing
	 * all the same. */
	for (int cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		return -errno;
	if (set(permitted() & (READING | (writable ? CHANGING : 0))) != 0)
		return -errno;
	return setrlimit(RLIMIT_CORE, &no_core) != 0 ? -errno : 0;
}

void privileges_drop_all(void)
{
	set(0);
}

int privileges_hide(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ? -errno : 0;
}
