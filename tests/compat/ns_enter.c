/*
 * Namespaces as root: what is separate in an IPC, network and mount namespace, entering them by
 * descriptor, by bind mount and by pidfd, ioctl_ns(2), pivot_root(2). setns(2), unshare(2).
 */
#include "compat.h"
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>

static int key; /* of this run: others may go on beside it */

static int ns_open(pid_t pid, const char *kind)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int abstract(bool listen_on)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "compat-ns-%d", key);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	if (listen_on) {
		RES(bind(s, (struct sockaddr *)&a, sizeof(a)));
		RES(listen(s, 1));
	} else {
		RES(connect(s, (struct sockaddr *)&a, sizeof(a)));
		close(s);
	}
	return s;
}

static void ipc_and_net(void)
{
	int mine = ns_open(getpid(), "ipc"), net = ns_open(getpid(), "net");
	int id = shmget(key, 4096, IPC_CREAT | 0600), s = abstract(true);

	YES(id >= 0);
	RES(unshare(CLONE_NEWIPC | CLONE_NEWNET));
	RES(shmget(key, 4096, 0600));
	YES(shmget(key, 8192, IPC_CREAT | 0600) >= 0);
	abstract(false);
	RES(setns(mine, CLONE_NEWNET));
	RES(setns(mine, CLONE_NEWIPC));
	YES(shmget(key, 4096, 0600) == id);
	RES(setns(net, 0));
	abstract(false);
	RES(shmctl(id, IPC_RMID, NULL));
	close(s);
}

static void by_mount_and_pidfd(void)
{
	struct utsname u;
	struct stat a, b;
	int fd, p[2];
	char c;

	RES(unshare(CLONE_NEWNS));
	RES(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	RES(pipe(p));
	pid_t pid = fork_child();
	if (pid == 0) {
		RES(unshare(CLONE_NEWUTS));
		RES(sethostname("kept", 4));
		RES(sethostname("x", 65));
		(void)!write(p[1], "x", 1);
		pause();
	}
	(void)!read(p[0], &c, 1);
	put_file("ns", "");
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/uts", pid);
	RES(mount(path, "ns", NULL, MS_BIND, NULL));
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	RES(setns(fd, 0));
	RES(setns(fd, 0x40000000 | CLONE_VM));
	RES(setns(fd, CLONE_NEWUTS));
	uname(&u);
	STR(u.nodename);
	kill(pid, SIGKILL);
	reap("keeper", pid);
	RES(unshare(CLONE_NEWUTS));
	RES(sethostname("other", 5));
	fd = open("ns", O_RDONLY);
	RES(open("ns", O_RDWR));
	HEX(ioctl(fd, NS_GET_NSTYPE));
	RES(ioctl(fd, NS_GET_PARENT));
	RES(ioctl(fd, NS_GET_OWNER_UID, &c));
	int user = ioctl(fd, NS_GET_USERNS);
	HEX(ioctl(user, NS_GET_NSTYPE));
	RES(ioctl(user, NS_GET_PARENT));
	fstat(user, &a);
	stat("/proc/self/ns/user", &b);
	YES(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	RES(setns(fd, 0));
	uname(&u);
	STR(u.nodename);
	RES(umount2("ns", 0));
	RES(setns(fd, CLONE_NEWUTS));
}

/* A child in a user namespace of its own; the descriptor by which it is entered. */
static int user_keeper(pid_t *pid)
{
	int p[2];
	char c;

	RES(pipe(p));
	*pid = fork_child();
	if (*pid == 0) {
		RES(unshare(CLONE_NEWUSER | CLONE_NEWUTS));
		RES(sethostname("within", 6));
		(void)!write(p[1], "x", 1);
		pause();
	}
	(void)!read(p[0], &c, 1);
	return (int)syscall(SYS_pidfd_open, *pid, 0);
}

/* User namespaces by pidfd: with the rights that one has inside, others can be entered by the same
 * call, so an ordinary user may, too. */
static void users(unsigned uid)
{
	struct utsname u;
	int self, fd;
	pid_t pid;

	if (uid) {
		RES(setresuid(uid, uid, uid));
		RES(prctl(PR_SET_DUMPABLE, 1));
	}
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	RES(setns(self, CLONE_NEWUSER));
	RES(setns(self, CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS));
	RES(setns(self, CLONE_NEWUTS));
	fd = user_keeper(&pid);
	RES(setns(fd, CLONE_NEWUTS));
	RES(setns(fd, CLONE_NEWUSER | CLONE_NEWUTS));
	uname(&u);
	STR(u.nodename);
	RES(setns(fd, CLONE_NEWUSER));
	RES(setns(self, CLONE_NEWUSER));
	kill(pid, SIGKILL);
	reap("keeper", pid);
}

static void pivot(void)
{
	char cwd[256];

	RES(unshare(CLONE_NEWNS));
	RES(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	mkdir("new", 0755);
	RES(mount("t", "new", "tmpfs", 0, NULL));
	mkdir("new/old", 0755);
	mkdir("new/dir", 0755);
	put_file("new/here", "found");
	RES(syscall(SYS_pivot_root, "new/dir", "new/old"));
	RES(syscall(SYS_pivot_root, "new", "nowhere"));
	RES(syscall(SYS_pivot_root, "new/here", "new/old"));
	RES(chdir("/"));
	char new_root[300];
	(void)!getcwd(cwd, sizeof(cwd));
	snprintf(new_root, sizeof(new_root), "%s", getenv("HERE"));
	RES(chdir(new_root));
	/* Asked so often that somebody may remember. */
	for (int i = 0; i < 4; i++)
		RES(access("/here", F_OK));
	RES(syscall(SYS_pivot_root, "new", "new/old"));
	RES(access("/here", F_OK));
	RES(chdir("/"));
	STR(get_file("/here"));
	RES(access("/old/proc/self", F_OK));
	RES(umount2("/old", MNT_DETACH));
	RES(access("/old/proc", F_OK));
	(void)!getcwd(cwd, sizeof(cwd));
	STR(cwd);
}

int main(void)
{
	char here[200];

	need_root_mount();
	RES(setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWIPC));
	RES(setns(open("/proc/self/ns/uts", O_PATH), 0));
	RES(open("/proc/self/ns/nothing", O_RDONLY));
	if (geteuid() != 0)
		return 0;
	key = 0x4d000000 + getpid();
	tmp_enter();
	setenv("HERE", getcwd(here, sizeof(here)), 1);
	IN_CHILD("ipc and net", ipc_and_net());
	IN_CHILD("bind mount and pidfd", by_mount_and_pidfd());
	IN_CHILD("user namespaces of root's", users(0));
	IN_CHILD("user namespaces of another's", users(12345));
	IN_CHILD("pivot_root", pivot());
	return 0;
}
