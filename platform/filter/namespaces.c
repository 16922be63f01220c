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
 * no such ids. Such a map must be written from outside by one who may change identities; a process
 * that does nothing but to be in the namespace meanwhile stands in for the zygote. The launcher
 * does this while the sentry is busy with the rest of its start.
 *
 * With the user namespace come those that cost no more than they give; the figures are in
 * SECURITY.md.
 *
 * Host calls: geteuid, getpid, clone, open, write, sendmsg, close, kill, wait4 in the launcher;
 * prctl, getppid and pause in what stands in; geteuid, recvmsg and close in the sentry; setns,
 * unshare, setgroups, setresgid, setresuid, prlimit64, prctl and capset in the stub. All before
 * lock-down.
 */
#include "platform/filter/namespaces.h"
#include "base/host.h"
#include "base/sanitizer.h"
#include "platform/filter/privileges.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What comes with the user namespace: no System V IPC and no POSIX queues of the host's. */
#define OTHERS CLONE_NEWIPC

#define FIRST_ID    0xe0000000U /* above what anyone gives names or containers to */
#define OVERFLOW_ID 65534U

enum { USER_NS, IPC_NS, ROOT_NS };

static int root_ns[ROOT_NS] = {-1, -1}; /* of root's stubs */

/* Ends with its maker, also if that is killed in the middle of this, or has been already. */
static int stand_in(void *maker)
{
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (syscall(SYS_getppid) == *(pid_t *)maker)
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

static int ns_open(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void ns_close(int fd[ROOT_NS])
{
	for (int i = 0; i < ROOT_NS; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

/* A packet of one byte, with as many of the files as there are. */
struct packet {
	char byte;
	struct iovec iov;
	struct msghdr msg;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(root_ns))];
	} control;
};

static void packet_init(struct packet *p)
{
	*p = (struct packet){.iov = {&p->byte, 1}};
	p->msg = (struct msghdr){.msg_iov = &p->iov,
	                         .msg_iovlen = 1,
	                         .msg_control = &p->control,
	                         .msg_controllen = sizeof(p->control)};
}

static void ns_send(int socket, const int fd[ROOT_NS])
{
	size_t n = fd[USER_NS] < 0 ? 0 : fd[IPC_NS] < 0 ? 1 : 2;
	struct packet p;

	packet_init(&p);
	p.control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(n * sizeof(int)),
	                                    .cmsg_level = SOL_SOCKET,
	                                    .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&p.control.header), fd, n * sizeof(int));
	p.msg.msg_controllen = n ? CMSG_SPACE(n * sizeof(int)) : 0;
	/* If the sentry is gone, that will be seen soon enough. */
	if (sendmsg(socket, &p.msg, MSG_NOSIGNAL) < 0)
		return;
}

static pid_t stand_in_start(pid_t *self, int flags)
{
	static _Alignas(16) char stack[4096];

	/*
	 * It shares the memory: nothing is copied for it. But ThreadSanitizer's clone() keeps on
	 * its caller's stack what the new process begins with, and does not wait until that has
	 * read it.
	 */
	if (!MOAT_SANITIZED)
		flags |= CLONE_VM;
	return clone(stand_in, stack + sizeof(stack), SIGCHLD | flags, self);
}

void namespaces_send(int socket, pid_t sentry)
{
	int fd[ROOT_NS] = {-1, -1};
	pid_t pid, self = getpid();
	bool others = true;

	if (geteuid() != 0)
		return;
	/* It is not to wait until this is done. */
	host_cpu_part(sentry);
	pid = stand_in_start(&self, CLONE_NEWUSER | OTHERS);
	if (pid < 0) {
		others = false;
		pid = stand_in_start(&self, CLONE_NEWUSER);
	}
	if (pid >= 0 && (map_to(pid, FIRST_ID + (u32)sentry) || map_to(pid, OVERFLOW_ID))) {
		fd[USER_NS] = ns_open(pid, "user");
		if (others)
			fd[IPC_NS] = ns_open(pid, "ipc");
	}
	ns_send(socket, fd);
	ns_close(fd);
	if (pid < 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

void namespaces_receive(int socket)
{
	struct packet p;
	size_t len;
	ssize_t n;

	if (geteuid() != 0)
		return;
	packet_init(&p);
	do
		n = recvmsg(socket, &p.msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != 1 || p.msg.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    p.control.header.cmsg_type != SCM_RIGHTS)
		return;
	len = p.control.header.cmsg_len - CMSG_LEN(0);
	memcpy(root_ns, CMSG_DATA(&p.control.header), min_of(len, sizeof(root_ns)));
}

static bool enter_namespaces(void)
{
	if (root_ns[USER_NS] < 0) {
		if (syscall(SYS_unshare, CLONE_NEWUSER) != 0)
			return false;
		syscall(SYS_unshare, OTHERS);
		return true;
	}
	if (syscall(SYS_setns, root_ns[USER_NS], CLONE_NEWUSER) != 0 ||
	    syscall(SYS_setgroups, 0, NULL) != 0 || syscall(SYS_setresgid, 0, 0, 0) != 0 ||
	    syscall(SYS_setresuid, 0, 0, 0) != 0)
		return false;
	if (root_ns[IPC_NS] >= 0)
		syscall(SYS_setns, root_ns[IPC_NS], CLONE_NEWIPC);
	return true;
}

void namespaces_enter(u32 max_processes)
{
	const struct rlimit limit = {max_processes, max_processes};

	if (enter_namespaces()) {
		syscall(SYS_prlimit64, 0, RLIMIT_NPROC, &limit, NULL);
		/* A new namespace gives its first process everything in it. */
		for (int cap = 0; syscall(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
			;
	}
	privileges_drop_all();
}

void namespaces_release(void)
{
	ns_close(root_ns);
}
