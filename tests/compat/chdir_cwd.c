/*
 * chdir, fchdir, getcwd, chroot (as root), and paths of deleted or unreachable working directories.
 * getcwd(2).
 */
#include "compat.h"

static char tmp[256];

/* The working directory relative to our own temporary one. */
static void cwd(const char *what)
{
	char buf[600];
	long n = syscall(SYS_getcwd, buf, sizeof(buf));

	if (n < 0) {
		printf("%s: %s\n", what, err_name(errno));
		return;
	}
	char *ours = strstr(buf, tmp);
	/* What precedes is the tests' own root, where they run in a chroot themselves. */
	if (ours && strncmp(buf, "(unreachable)", 13) == 0)
		ours = memmove(buf + 13, ours, strlen(ours) + 1);
	if (ours)
		printf("%s: %.*sT%s terminated %d\n", what, (int)(ours - buf), buf,
		       ours + strlen(tmp), buf[n - 1] == 0);
	else
		printf("%s: %s terminated %d\n", what, buf, buf[n - 1] == 0);
}

int main(void)
{
	char small[2], buf[64];
	int d;
	ssize_t n;

	snprintf(tmp, sizeof(tmp), "%s", tmp_enter());
	mkdir("a", 0755);
	mkdir("a/b", 0755);
	RES(symlink("a/b", "link"));
	put_file("f", "");
	cwd("start");
	RES(chdir("a/b"));
	cwd("a/b");
	RES(chdir("../../link"));
	cwd("link");
	RES(chdir("../.."));
	RES(chdir("f"));
	RES(chdir("none"));
	RES(chdir(""));
	RES(chdir(bad_ptr()));
	RES(chdir("f/.."));
	d = open("a", O_RDONLY | O_DIRECTORY);
	RES(fchdir(d));
	cwd("a");
	RES(fchdir(999));
	int f = open("../f", O_RDONLY);
	RES(fchdir(f));
	RES(syscall(SYS_getcwd, small, sizeof(small)));
	RES(syscall(SYS_getcwd, bad_ptr(), 100));
	RES(rename("../a", "../moved"));
	cwd("renamed");
	IN_CHILD("child", if (chdir("b")) _exit(1); cwd("child"));
	cwd("parent");
	RES(chdir("b"));
	RES(rmdir("../b"));
	cwd("deleted");
	n = readlink("/proc/self/cwd", buf, sizeof(buf));
	YES(n > 10);
	RES(chdir("/"));
	cwd("root");
	RES(chdir(".."));
	cwd("above root");
	RES(chdir(tmp));
	if (geteuid() == 0) {
		IN_CHILD("chroot", RES(chroot("moved")); RES(access("/f", F_OK)); RES(chdir("/"));
		         cwd("new root"); RES(chdir("../../..")); cwd("still");
		         RES(mkdir("/x", 0700)));
		RES(access("moved/x", F_OK));
		IN_CHILD("outside", if (mkdir("jail", 0755) || chroot("jail")) _exit(1);
		         cwd("outside the root"); RES(access("../f", F_OK)));
		RES(chroot("f"));
		RES(chroot("none"));
	} else {
		RES(chroot("moved"));
		RES(chroot("none"));
	}
	return 0;
}
