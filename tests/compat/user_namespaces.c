/*
 * User namespaces: ids before and after uid_map and gid_map are written, setgroups, who may write
 * which map, what the capabilities in it reach, files and credentials of ids outside.
 * user_namespaces(7).
 */
#include "compat.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

static int to[2], from[2];

static const char *store(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), e = 0;

	if (fd < 0)
		return err_name(errno);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		e = errno;
	close(fd);
	return err_name(e);
}

static const char *store_of(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return store(path, text);
}

static void show_ids(void)
{
	uid_t r, e, s;
	gid_t groups[8];

	printf("%d %d %d %d\n", (int)getuid(), (int)geteuid(), (int)getgid(), (int)getegid());
	getresuid(&r, &e, &s);
	printf("%d %d %d\n", (int)r, (int)e, (int)s);
	int n = getgroups(8, groups);
	printf("%d groups, first %d\n", n, n > 0 ? (int)groups[0] : -1);
}

static unsigned long long caps(const char *which)
{
	char line[256];
	unsigned long long v = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, which, strlen(which)))
			sscanf(line + strlen(which), ": %llx", &v);
	if (f)
		fclose(f);
	return v;
}

static void peer(int fd)
{
	struct ucred c = {0};
	socklen_t n = sizeof(c);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n);
	printf("peer %d %d\n", (int)c.uid, (int)c.gid);
}

/* Its ids as the aux vector has them, for a program that has just been executed. */
static int auxv_report(void)
{
	NUM(getauxval(AT_UID));
	NUM(getauxval(AT_EUID));
	NUM(getauxval(AT_GID));
	NUM(getauxval(AT_EGID));
	return 0;
}

/* Maps itself, as anybody may. */
static void self_mapped(void)
{
	struct stat st;
	int sv[2];

	RES(unshare(CLONE_NEWUSER));
	show_ids();
	YES(caps("CapEff") == caps("CapBnd") && caps("CapEff"));
	STR(get_file("/proc/self/uid_map"));
	STR(store("/proc/self/uid_map", "0 1000 2\n"));
	STR(store("/proc/self/uid_map", "0 1000\n"));
	STR(store("/proc/self/uid_map", "0 1001 1\n"));
	STR(store("/proc/self/gid_map", "0 1000 1\n"));
	RES(setgroups(0, NULL));
	STR(store("/proc/self/setgroups", "perhaps\n"));
	STR(store("/proc/self/setgroups", "deny\n"));
	STR(store("/proc/self/setgroups", "allow"));
	STR(get_file("/proc/self/setgroups"));
	STR(store("/proc/self/uid_map", "0 1000 1\n"));
	STR(store("/proc/self/uid_map", "0 1000 1\n"));
	STR(store("/proc/self/gid_map", "5 1000 1"));
	STR(get_file("/proc/self/uid_map"));
	STR(get_file("/proc/self/gid_map"));
	show_ids();
	RES(setgroups(0, NULL));
	RES(setuid(1000));
	RES(setresuid(0, -1, 0));
	RES(setgid(5));
	RES(setgid(6));
	stat("/etc", &st);
	printf("/etc is of %d %d\n", (int)st.st_uid, (int)st.st_gid);
	put_file("mine", "x");
	stat("mine", &st);
	printf("mine is of %d %d\n", (int)st.st_uid, (int)st.st_gid);
	RES(chown("mine", 0, 5));
	RES(chown("mine", 1, -1));
	RES(chown("/etc", 0, 0));
	RES(open("/etc/shadow", O_RDONLY));
	RES(mknod("dev", S_IFCHR | 0600, 0x103));
	RES(sethostname("x", 1));
	RES(unshare(CLONE_NEWUTS));
	RES(sethostname("x", 1));
	RES(mount("t", ".", "tmpfs", 0, NULL));
	RES(unshare(CLONE_NEWNS));
	RES(mount("t", ".", "tmpfs", 0, NULL));
	RES(mount("t", ".", "devtmpfs", 0, NULL));
	RES(umount2("/proc", 0));
	RES(chroot("/"));
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	peer(sv[0]);
	RES(unshare(CLONE_NEWUSER));
	show_ids();
	YES(prctl(PR_GET_DUMPABLE) == 1);
	fflush(stdout);
	execl("/proc/self/exe", "user_namespaces", "auxv", NULL);
	die("exec");
}

static void mapped_by_parent(void)
{
	char line[64] = {0};
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		RES(unshare(CLONE_NEWUSER));
		turn_pass(from[1]);
		turn_await(to[0]);
		show_ids();
		RES(setgroups(2, (gid_t[]){3, 1}));
		RES(setgroups(1, (gid_t[]){300}));
		show_ids();
		RES(setresuid(7, 8, 9));
		YES(caps("CapEff") == 0);
		show_ids();
		RES(setuid(0));
		RES(setuid(8));
		RES(kill(getppid(), 0));
		_exit(0);
	}
	turn_await(from[0]);
	STR(store_of(pid, "uid_map", "0 10 10\n5 2000 10\n"));
	STR(store_of(pid, "uid_map", "0 10 10\n10 10 10\n"));
	STR(store_of(pid, "uid_map", ""));
	STR(store_of(pid, "uid_map", "0 x 1\n"));
	STR(store_of(pid, "uid_map", "0 0 5\n5 2000 10\n"));
	STR(store_of(pid, "gid_map", "0 0 5\n5 2000 10"));
	snprintf(line, sizeof(line), "/proc/%d/uid_map", pid);
	printf("%s", get_file(line));
	snprintf(line, sizeof(line), "/proc/%d/ns/user", pid);
	fd = open(line, O_RDONLY);
	turn_pass(to[1]);
	reap("child", pid);
	RES(setns(fd, CLONE_NEWNET));
	RES(setns(fd, CLONE_NEWUSER));
	show_ids();
	RES(setns(fd, CLONE_NEWUSER));
	YES(caps("CapEff") != 0);
}

static void as_1000(void)
{
	if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		die("1000");
	prctl(PR_SET_DUMPABLE, 1);
}

static int child(void *arg)
{
	(void)arg;
	printf("%d %d\n", getuid() == 65534, caps("CapEff") != 0);
	_exit(0);
}

int main(int argc, char **argv)
{
	static char stack[65536] __attribute__((aligned(16)));
	char here[64];

	if (argc > 1 && !strcmp(argv[1], "auxv"))
		return auxv_report();
	if (geteuid() != 0)
		skip("needs root");
	need_root_mount();
	tmp_enter();
	chmod(".", 0777);
	if (pipe(to) || pipe(from) || !getcwd(here, sizeof(here)))
		die("pipe");
	IN_CHILD("self", as_1000(); self_mapped());
	IN_CHILD("parent", mapped_by_parent());
	pid_t pid =
	    clone(child, stack + sizeof(stack), CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, NULL);
	reap("clone", pid);
	RES(clone(child, stack + sizeof(stack), CLONE_NEWUSER | CLONE_FS | SIGCHLD, NULL));
	IN_CHILD("chroot", RES(chroot(here)); RES(unshare(CLONE_NEWUSER)));
	return 0;
}
