/*
 * unlink(2) of an open file: the file lives on through its descriptor, its link count is 0, its
 * space is freed at close.
 */
#include "compat.h"

int main(void)
{
	char buf[16] = "", path[64], target[300];
	struct stat st;
	ssize_t n;
	int fd, fd2;

	tmp_enter();
	put_file("f", "living");
	fd = (int)OKAY(open("f", O_RDWR));
	RES(link("f", "g"));
	RES(fstat(fd, &st));
	NUM(st.st_nlink);
	RES(unlink("f"));
	RES(fstat(fd, &st));
	NUM(st.st_nlink);
	RES(unlink("g"));
	RES(fstat(fd, &st));
	NUM(st.st_nlink);
	RES(read(fd, buf, 15));
	STR(buf);
	RES(write(fd, " on", 3));
	RES(fstat(fd, &st));
	NUM(st.st_size);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	STR(strrchr(target, '/'));
	fd2 = (int)OKAY(open(path, O_RDONLY));
	memset(buf, 0, sizeof(buf));
	RES(read(fd2, buf, 15));
	STR(buf);
	RES(linkat(AT_FDCWD, path, AT_FDCWD, "h", AT_SYMLINK_FOLLOW));

	/* A new file of the old name is another file. */
	put_file("f", "new");
	struct stat st2;
	RES(stat("f", &st2));
	YES(st.st_ino != st2.st_ino);
	RES(unlink("f"));
	RES(unlink("f"));
	RES(unlink("."));
	RES(unlink(".."));
	RES(unlink("/"));
	RES(unlink(""));
	return 0;
}
