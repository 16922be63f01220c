/*
 * /proc/self/cmdline, environ, auxv, exe, cwd, root: contents and links, after exec and after
 * changes. proc(5).
 */
#include "compat.h"
#include <link.h>
#include <limits.h>
#include <sys/auxv.h>

static void show_nul(const char *path)
{
	char buf[512];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf));

	printf("%s %zd: ", path, n);
	for (ssize_t i = 0; i < n; i++)
		putchar(buf[i] ? buf[i] : '|');
	printf("\n");
	close(fd);
}

int main(int argc, char **argv)
{
	char link[PATH_MAX] = "", self[PATH_MAX] = "";
	ElfW(auxv_t) av[64];
	ssize_t n;
	int fd;
	bool found = false;

	if (argc == 1) {
		IN_CHILD("exec", execle("/proc/self/exe", "zero", "one", "", "three 3", NULL,
		                        (char *[]){"K=V", "EMPTY=", NULL}));
		IN_CHILD("no arguments",
		         execve("/proc/self/exe", (char *[]){"zero", "x", NULL}, (char *[]){NULL}));
		return 0;
	}
	show_nul("/proc/self/cmdline");
	show_nul("/proc/self/environ");
	setenv("LATER", "1", 1);
	show_nul("/proc/self/environ"); /* what was given at the start */
	argv[0][0] = 'Z';
	show_nul("/proc/self/cmdline"); /* but the memory itself is read */
	if (argc == 4) {
		n = readlink("/proc/self/exe", self, sizeof(self) - 1);
		YES(n > 0 && !strcmp(strrchr(self, '/'), "/proc_cmdline_environ"));
		STR(get_file("/proc/self/comm"));
		RES(readlink("/proc/self/exe", link, 3));
		RES(chdir("/usr/bin"));
		n = readlink("/proc/self/cwd", link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		STR(link);
		RES(chdir("/proc/self/cwd/.."));
		n = readlink("/proc/self/cwd", link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		STR(link);
		n = readlink("/proc/self/root", link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		STR(link);
		struct stat a, b;
		RES(stat("/proc/self/root/usr", &a));
		RES(stat("/usr", &b));
		YES(a.st_ino == b.st_ino);
		RES(stat("/proc/self/exe", &a));
		RES(stat(self, &b));
		YES(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
		RES(lstat("/proc/self/exe", &a));
		YES(S_ISLNK(a.st_mode));
		fd = open("/proc/self/auxv", O_RDONLY);
		n = read(fd, av, sizeof(av));
		YES(n > 0 && n % (ssize_t)sizeof(*av) == 0);
		for (size_t i = 0; i < (size_t)n / sizeof(*av); i++)
			if (av[i].a_type == AT_ENTRY)
				found = av[i].a_un.a_val == getauxval(AT_ENTRY);
		YES(found);
		YES(av[(size_t)n / sizeof(*av) - 1].a_type == AT_NULL ||
		    av[(size_t)n / sizeof(*av) - 2].a_type == AT_NULL);
		char mine[32];
		n = readlink("/proc/self", link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		snprintf(mine, sizeof(mine), "%d", getpid());
		YES(!strcmp(link, mine));
		n = readlink("/proc/thread-self", link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		snprintf(mine, sizeof(mine), "%d/task/%d", getpid(), gettid());
		YES(!strcmp(link, mine));
	}
	return argc;
}
