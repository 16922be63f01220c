/*
 * Host calls: landlock_create_ruleset, landlock_add_rule, landlock_restrict_self,
 * prctl, open, close, before lock-down (landlock(7)).
 */
#include "platform/filter/landlock.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the headers of an older system lack. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#define VERSION_REFER    2
#define VERSION_TRUNCATE 3

/*
 * To whom signals may go, and to whose abstract sockets: nobody outside of the domain. The filter
 * cannot say which process a number names, and the host lets a process signal all of its user's.
 */
#define SCOPED        3 /* LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL */
#define VERSION_SCOPE 6

/* struct landlock_ruleset_attr, as of that version; an older one has its beginning. */
struct ruleset_attr {
	u64 handled_access_fs, handled_access_net, scoped;
};

#define READ_FILE  LANDLOCK_ACCESS_FS_READ_FILE
#define READ       (READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FILE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define CHANGE                                                                                     \
	(LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                              \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                              \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                            \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

unsigned landlock_host_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return v > 0 ? (unsigned)v : 0;
}

static int allow(int ruleset, int fd, u64 access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
	           ? -errno
	           : 0;
}

/* /proc: the sentry looks at itself and at the host's load when it starts. */
static int allow_proc(int ruleset)
{
	int err, fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	err = allow(ruleset, fd, READ);
	close(fd);
	return err;
}

static int fill(int ruleset, u64 handled, const struct landlock_grant *grant, unsigned n)
{
	int err = allow_proc(ruleset);

	for (unsigned i = 0; i < n && !err; i++) {
		u64 access = grant[i].is_dir ? READ : READ_FILE;

		if (grant[i].writable)
			access |= grant[i].is_dir ? WRITE_FILE | CHANGE : WRITE_FILE;
		err = allow(ruleset, grant[i].fd, access & handled);
	}
	return err;
}

int landlock_confine(const struct landlock_grant *grant, unsigned n)
{
	/* Programs are never executed: EXECUTE is handled, and granted to nobody. */
	struct ruleset_attr attr = {.handled_access_fs =
	                                READ | WRITE_FILE | CHANGE | LANDLOCK_ACCESS_FS_EXECUTE,
	                            .scoped = SCOPED};
	size_t size = sizeof(attr);
	unsigned version = landlock_host_version();
	int err, ruleset;

	/* The first version forbids every rename into another directory. */
	if (version < VERSION_REFER)
		return 0;
	if (version < VERSION_TRUNCATE)
		attr.handled_access_fs &= ~(u64)LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version < VERSION_SCOPE)
		size = sizeof(attr.handled_access_fs);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -errno;
	err = fill(ruleset, attr.handled_access_fs, grant, n);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	close(ruleset);
	return err ? err : 1;
}
