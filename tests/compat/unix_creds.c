/*
 * SCM_CREDENTIALS, SO_PASSCRED, SO_PEERCRED, SO_PEERGROUPS' presence: whose ids are seen. unix(7).
 */
#include "compat.h"
#include <sys/socket.h>

static ssize_t send_cred(int s, pid_t pid, uid_t uid, gid_t gid)
{
	char control[CMSG_SPACE(sizeof(struct ucred))] __attribute__((aligned(8))) = "";
	struct iovec iov = {"C", 1};
	struct msghdr m = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = control,
	                   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct ucred u = {pid, uid, gid};

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(u));
	memcpy(CMSG_DATA(c), &u, sizeof(u));
	return sendmsg(s, &m, 0);
}

static void receive(int s, const char *what, pid_t child)
{
	char control[128] __attribute__((aligned(8))), data[8];
	struct iovec iov = {data, 8};
	struct msghdr m = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = control,
	                   .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	struct ucred u;

	if (recvmsg(s, &m, 0) < 0)
		die("recvmsg");
	c = CMSG_FIRSTHDR(&m);
	if (!c) {
		printf("%s: no credentials\n", what);
		return;
	}
	memcpy(&u, CMSG_DATA(c), sizeof(u));
	printf("%s: type %d pid %s uid %s gid %s\n", what, c->cmsg_type,
	       u.pid == getpid() ? "mine"
	       : u.pid == child  ? "child"
	                         : "other",
	       u.uid == getuid() ? "mine"
	       : u.uid == 65534  ? "nobody"
	                         : "other",
	       u.gid == getgid() ? "mine"
	       : u.gid == 65534  ? "nobody"
	                         : "other");
}

int main(void)
{
	int s[2], on = 1, v;
	struct ucred u;
	socklen_t len = sizeof(u);
	pid_t pid;

	RES(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	RES(write(s[0], "x", 1));
	receive(s[1], "without SO_PASSCRED", 0);
	RES(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	len = sizeof(v);
	RES(getsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &v, &len));
	NUM(v);
	RES(write(s[0], "x", 1));
	receive(s[1], "implicit", 0);
	RES(send_cred(s[0], getpid(), getuid(), getgid()));
	receive(s[1], "explicit", 0);
	pid = fork_child();
	if (pid == 0)
		_exit(write(s[0], "x", 1) != 1);
	receive(s[1], "from a child", pid);
	reap("child", pid);
	pid = fork_child();
	if (pid == 0) {
		become_nobody();
		_exit(write(s[0], "x", 1) != 1);
	}
	receive(s[1], "from nobody", pid);
	reap("child", pid);
	IN_CHILD("lies without privilege", become_nobody();
	         RES(send_cred(s[0], getppid(), getuid(), getgid()));
	         RES(send_cred(s[0], getpid(), getuid() + 1, getgid()));
	         RES(send_cred(s[0], getpid(), getuid(), getgid() + 1)));
	if (geteuid() == 0) {
		RES(send_cred(s[0], getpid(), 65534, 65534));
		receive(s[1], "root may claim another", 0);
		RES(send_cred(s[0], 1 << 22, 0, 0)); /* but no process that is not there */
	}
	len = sizeof(u);
	RES(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &len));
	printf("peer pid %s uid %s\n", u.pid == getpid() ? "mine" : "other",
	       u.uid == getuid() ? "mine" : "other");
	IN_CHILD("peer seen by a child", struct ucred c; len = sizeof(c);
	         getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &c, &len);
	         printf("%s\n", c.pid == getppid() ? "the creator" : "other"));
	int lone = socket(AF_UNIX, SOCK_STREAM, 0);
	len = sizeof(u);
	RES(getsockopt(lone, SOL_SOCKET, SO_PEERCRED, &u, &len));
	printf("unconnected: %d %d %d\n", u.pid, (int)u.uid, (int)u.gid);
	RES(setsockopt(lone, SOL_SOCKET, SO_PEERCRED, &u, sizeof(u)));
	return 0;
}
