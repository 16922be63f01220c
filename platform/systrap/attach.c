/*
 * How the sentry comes to know a forked stub.
 *
 * Before the fork the parent is sent what the child needs: the memfd of its context and its end
 * of a new socket. The child, a child of the sentry (CLONE_PARENT), maps them by itself and waits
 * for its first reply; nobody waits for the child. What is left to find out is which host
 * process it is. The parent says so, but the parent may lie: whoever is named
 * must have in its memory the token that this one fork was given, and be none that is known
 * already. A guest can put that token into no process but its own.
 *
 * The parent could keep what it was sent for the child, and speak for it. Between a process and
 * its own copy that is nothing that it could not have had the copy do; but a program
 * that gains rights by being executed gets a stub from the zygote instead (exec_swap_image).
 *
 * Host calls: pidfd_open, waitid, process_vm_readv, close.
 */
#include "base/lock.h"
#include "platform/systrap/systrap.h"
#include <errno.h>
#include <sys/pidfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define BUCKETS 256

static struct lock known_lock = LOCK_INIT(RANK_PLATFORM);
static LIST_HEAD(, platform_space) known[BUCKETS]; /* by pid; guarded by known_lock */

static bool is_known_locked(u32 pid)
{
	struct platform_space *s;

	LIST_FOREACH (s, &known[pid % BUCKETS], known_link)
		if (s->pid == pid)
			return true;
	return pid == systrap.warden;
}

static bool enter(struct platform_space *s, u32 pid)
{
	lock_guard(&known_lock);
	if (is_known_locked(pid))
		return false;
	s->pid = pid;
	LIST_INSERT_HEAD(&known[pid % BUCKETS], s, known_link);
	return true;
}

void attach_forget(struct platform_space *s)
{
	lock_guard(&known_lock);
	if (s->pid)
		LIST_REMOVE(s, known_link);
	s->pid = 0;
}

/* A process that is not a child of ours cannot be waited for. */
static bool is_child(int pidfd)
{
	siginfo_t info;

	return waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/*
 * Where nobody may look at another process (Yama 3), that pid is a child must be enough: nobody can
 * make us look at the wrong one there.
 */
static bool has_token(u32 pid, int pidfd, u64 token)
{
	u64 value = 0;
	struct iovec local = {&value, sizeof(value)};
	struct iovec remote = {(void *)(STUB_PARAMS + offsetof(struct stub_params, token)),
	                       sizeof(value)};
	ssize_t n = process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0);

	if (n < 0 && errno == EPERM)
		return is_child(pidfd);
	return n == (ssize_t)sizeof(value) && value == token;
}

int attach(struct platform_space *s, u32 pid, u64 token)
{
	int fd = pidfd_open((pid_t)pid, 0);

	if (fd < 0)
		return -errno;
	if ((token && !has_token(pid, fd, token)) || !enter(s, pid)) {
		close(fd);
		return -ESRCH;
	}
	s->pidfd = fd;
	return 0;
}
