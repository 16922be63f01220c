/*
 * link(2), linkat(2): counts, identity, directories, missing targets, AT_EMPTY_PATH, EXDEV,
 * deletion order.
 */
#include "compat.h"

int main(void)
{
	struct stat a, b;
	int fd;

	tmp_enter();
	put_file("a", "data");
	RES(link("a", "b"));
	RES(stat("a", &a));
	RES(stat("b", &b));
	printf("same %d count %ld\n", a.st_ino == b.st_ino, (long)a.st_nlink);
	RES(chmod("b", 0600));
	RES(stat("a", &a));
	printf("mode %o\n", a.st_mode);
	fd = open("b", O_WRONLY | O_APPEND);
	RES(write(fd, "+", 1));
	STR(get_file("a"));
	RES(unlink("a"));
	STR(get_file("b"));
	RES(stat("b", &b));
	NUM(b.st_nlink);
	RES(link("b", "b"));
	RES(link("none", "c"));
	RES(link("b", "none/c"));
	mkdir("d", 0755);
	RES(link("d", "e"));
	RES(link("b", "d"));
	RES(link("b", "d/"));
	RES(link("b/", "c"));
	RES(link("b", "c/"));
	RES(link("b", "d/c"));
	RES(link("b", ""));
	RES(link("", "c"));
	RES(link(bad_ptr(), "c"));
	RES(link("/proc/version", "c"));
	RES(linkat(AT_FDCWD, "b", AT_FDCWD, "c", 0x8000));
	RES(symlink("b", "s"));
	RES(link("s", "s2")); /* the link itself */
	RES(lstat("s2", &a));
	YES(S_ISLNK(a.st_mode) && a.st_nlink == 2);
	fd = open("b", O_RDONLY);
	if (geteuid() == 0) /* without privilege it depends on the kernel's age */
		RES(linkat(fd, "", AT_FDCWD, "by-fd", AT_EMPTY_PATH));
	unlink("by-fd");
	RES(unlink("b"));
	RES(stat("d/c", &a));
	NUM(a.st_nlink);
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d/l%d", i);
		if (link("d/c", name))
			die("link");
	}
	RES(stat("d/c", &a));
	NUM(a.st_nlink);
	RES(mkfifo("p", 0600));
	RES(link("p", "p2"));
	RES(stat("p2", &a));
	YES(S_ISFIFO(a.st_mode) && a.st_nlink == 2);
	return 0;
}
