/*
 * Stubs have a user namespace of their own. The host counts processes per user and user
 * namespace, and holds the count against the limit of whoever forks (RLIMIT_NPROC,
 * user_namespaces(7)): so it bounds the stubs of one sandbox together, those included that a guest
 * has made behind the sentry's back. The sentry stays outside: it is to see who owns a file, and in
 * a user namespace all owners but the caller look like nobody. As the maker of the namespace, and
 * above it, it may look into its stubs' memory and signal them, whatever rights it has otherwise.
 *
 * The host exempts its own root from that limit. So root's stubs are another user, one that nobody
 * else is: an id without a name, made from the process id, or the overflow id where a container has
 * no such ids. Such a map must be written from outside by one who may change identities, before
 * privileges are dropped; a process that does nothing but to be in the namespace meanwhile stands
 * in for the zygote.
 *
 * With the user namespace come those that cost no more than they give; the figures are in
 * SECURITY.md.
 *
 * Host calls: geteuid, getpid, clone, open, write, close, kill, wait4 in the sentry; prctl, getppid
 * and pause in what stands in; setns, unshare, setgroups, setresgid, setresuid, prlimit64, prctl
 * and capset in the stub. All before lock-down.
 */
#include "platform/filter/namespaces.h"
#include "platform/filter/privileges.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What comes with the user namespace: no System V IPC and no POSIX queues of the host's. */
#define OTHERS CLONE_NEWIPC

#define FIRST_ID    0xe0000000U /* above what anyone gives names or containers to */
#define OVERFLOW_ID 65534U

static int root_ns = -1; /* of root's stubs */

/* Ends with the sentry, also if that is killed in the middle of this, or has been already. */
static int stand_in(void *sentry)
{
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (syscall(SYS_getppid) == *(pid_t *)sentry)
		syscall(SYS_pause);
	return 0;
}

/* The one id in the namespace, 0, is that one outside. */
static bool map_write(pid_t pid, const char *file, u32 id)
{
	char path[64], line[32];
	int n = snprintf(line, sizeof(line), "0 %u 1\n", id), fd;
	bool done;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, line, (size_t)n) == n;
	close(fd);
	return done;
}

static bool map_to(pid_t pid, u32 id)
{
	return map_write(pid, "uid_map", id) && map_write(pid, "gid_map", id);
}

void namespaces_prepare(void)
{
	static _Alignas(16) char stack[4096];
	pid_t pid, self = getpid();
	char path[64];

	if (geteuid() != 0)
		return;
	/* It shares the memory: nothing is copied for it. */
	pid = clone(stand_in, stack + sizeof(stack), CLONE_VM | CLONE_NEWUSER | SIGCHLD, &self);
	if (pid < 0)
		return;
	if (map_to(pid, FIRST_ID + (u32)self) || map_to(pid, OVERFLOW_ID)) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		root_ns = open(path, O_RDONLY | O_CLOEXEC);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool enter_user_namespace(void)
{
	if (root_ns < 0)
		return syscall(SYS_unshare, CLONE_NEWUSER) == 0;
	return syscall(SYS_setns, root_ns, CLONE_NEWUSER) == 0 &&
	       syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, 0, 0, 0) == 0 &&
	       syscall(SYS_setresuid, 0, 0, 0) == 0;
}

void namespaces_enter(u32 max_processes)
{
	const struct rlimit limit = {max_processes, max_processes};

	if (enter_user_namespace()) {
		syscall(SYS_unshare, OTHERS);
		syscall(SYS_prlimit64, 0, RLIMIT_NPROC, &limit, NULL);
		/* A new namespace gives its first process everything in it. */
		for (int cap = 0; syscall(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
			;
	}
	privileges_drop_all();
}

void namespaces_release(void)
{
	if (root_ns >= 0)
		close(root_ns);
	root_ns = -1;
}
