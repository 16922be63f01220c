/*
 * unshare(2), setns(2), /proc/self/ns: UTS, user, pid and mount namespaces where the kernel grants
 * them; errors. namespaces(7).
 */
#include "compat.h"
#include <sys/mount.h>
#include <sys/utsname.h>

static bool same_ns(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino;
}

int main(void)
{
	const char *names[] = {"uts", "ipc", "mnt", "pid", "user", "net", "cgroup"};
	char path[64], link[64];
	struct utsname u;
	int fd;

	need_root_mount();

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		link[strcspn(link, "0123456789")] = 0;
		printf("%s %s\n", path, link);
	}
	RES(unshare(0));
	RES(unshare(0x1));
	IN_CHILD("CLONE_FILES", int keep = open("/dev/null", O_RDONLY);
	         RES(unshare(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM)); YES(fd_open(keep)));
	RES(setns(999, 0));
	fd = open("/dev/null", O_RDONLY);
	RES(setns(fd, 0));
	IN_CHILD("as nobody", become_nobody(); RES(unshare(CLONE_NEWUTS));
	         RES(unshare(CLONE_NEWNS)); RES(unshare(CLONE_NEWPID)));
	IN_CHILD(
	    "user namespace", if (unshare(CLONE_NEWUSER) == 0) {
		    YES(getuid() == 65534 || getuid() == 0);
		    RES(unshare(CLONE_NEWUTS));
		    RES(sethostname("inner", 5));
		    uname(&u);
		    STR(u.nodename);
	    } else printf("%s\n", err_name(errno)));
	if (geteuid() != 0)
		return 0;
	IN_CHILD("UTS", RES(unshare(CLONE_NEWUTS)); RES(sethostname("changed", 7)); uname(&u);
	         STR(u.nodename); RES(setdomainname("dom", 3)); uname(&u); STR(u.domainname);
	         snprintf(path, sizeof(path), "/proc/%d/ns/uts", getppid());
	         YES(!same_ns(path, "/proc/self/ns/uts")); fd = open(path, O_RDONLY);
	         RES(setns(fd, CLONE_NEWPID)); RES(setns(fd, CLONE_NEWUTS));
	         YES(same_ns(path, "/proc/self/ns/uts")));
	IN_CHILD(
	    "PID", RES(unshare(CLONE_NEWPID)); pid_t pid = fork(); if (pid == 0) {
		    NUM(getpid());
		    NUM(getppid());
		    pid_t in = fork();
		    if (in == 0) {
			    NUM(getpid());
			    _exit(5);
		    }
		    int st;
		    NUM(waitpid(in, &st, 0));
		    _exit(6);
	    } reap("first in it", pid);
	    RES(fork() == -1));
	tmp_enter();
	IN_CHILD("mount", RES(unshare(CLONE_NEWNS));
	         RES(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)); mkdir("m", 0755);
	         RES(mount("t", "m", "tmpfs", 0, "size=1m")); put_file("m/inside", "in");
	         STR(get_file("m/inside")); RES(rmdir("m")); RES(umount2("m", 0));
	         STR(get_file("m/inside")); RES(umount2("m", 0)); RES(rmdir("m"));
	         RES(mount("t", "none", "tmpfs", 0, NULL));
	         RES(mount("t", ".", "nosuchfs", 0, NULL)));
	return 0;
}
