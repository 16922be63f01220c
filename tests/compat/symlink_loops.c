/*
 * Symbolic links: loops, chains of 40 and 41, dangling ones, trailing slashes. path_resolution(7),
 * symlink(7).
 */
#include "compat.h"

int main(void)
{
	char from[16], to[16], buf[5000];
	struct stat st;
	int fd;

	tmp_enter();
	RES(symlink("loop", "loop"));
	RES(open("loop", O_RDONLY));
	RES(stat("loop", &st));
	RES(lstat("loop", &st));
	RES(symlink("y", "x"));
	RES(symlink("x", "y"));
	RES(stat("x", &st));
	RES(stat("x/z", &st));
	RES(chdir("x"));

	put_file("l0", "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(from, sizeof(from), "l%d", i - 1);
		snprintf(to, sizeof(to), "l%d", i);
		if (symlink(from, to) < 0)
			die("symlink");
	}
	RES(stat("l40", &st));
	RES(stat("l41", &st));

	RES(symlink("dangling-target", "dangling"));
	RES(stat("dangling", &st));
	RES(open("dangling", O_RDONLY));
	RES(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600));
	fd = (int)OKAY(open("dangling", O_WRONLY | O_CREAT, 0600));
	close(fd);
	RES(access("dangling-target", F_OK));
	RES(mkdir("dangling", 0700));
	RES(symlink("fresh", "tofresh"));
	RES(mkdir("tofresh", 0700));
	RES(mkdir("tofresh/", 0700));

	mkdir("dir", 0755);
	RES(symlink("dir", "todir"));
	RES(lstat("todir", &st));
	YES(S_ISLNK(st.st_mode));
	printf("link mode %o size %ld\n", st.st_mode & 07777, (long)st.st_size);
	RES(lstat("todir/", &st));
	YES(S_ISDIR(st.st_mode));
	RES(rmdir("todir"));
	RES(rmdir("todir/"));
	RES(unlink("todir/"));
	RES(unlink("todir"));
	RES(symlink("target", "dir"));
	RES(symlink(bad_ptr(), "p"));
	memset(buf, 'a', sizeof(buf));
	buf[4096] = 0;
	RES(symlink(buf, "long"));
	buf[4095] = 0;
	RES(open(buf, O_RDONLY));
	RES(readlink("none", buf, 10));
	RES(readlink("dir", buf, 10));
	RES(readlink("loop", bad_ptr(), 10));
	return 0;
}
