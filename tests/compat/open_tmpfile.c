/*
 * O_TMPFILE: an unnamed file, given a name later by linkat(2) through /proc/self/fd; with O_EXCL
 * never.
 */
#include "compat.h"

int main(void)
{
	char path[64], buf[16] = "";
	struct stat st;
	int fd;

	tmp_enter();
	RES(open(".", O_TMPFILE | O_RDONLY, 0600));
	RES(open("none", O_TMPFILE | O_RDWR, 0600));
	put_file("plain", "x");
	RES(open("plain", O_TMPFILE | O_RDWR, 0600));
	fd = (int)OKAY(open(".", O_TMPFILE | O_RDWR, 0666));
	RES(write(fd, "unnamed", 7));
	RES(fstat(fd, &st));
	printf("mode %o nlink %ld size %ld\n", st.st_mode, (long)st.st_nlink, (long)st.st_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	RES(linkat(AT_FDCWD, path, AT_FDCWD, "plain", AT_SYMLINK_FOLLOW));
	RES(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	RES(fstat(fd, &st));
	NUM(st.st_nlink);
	STR(get_file("named"));
	RES(pread(fd, buf, sizeof(buf) - 1, 2));
	STR(buf);
	close(fd);
	fd = (int)OKAY(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	RES(linkat(AT_FDCWD, path, AT_FDCWD, "other", AT_SYMLINK_FOLLOW));
	RES(access("other", F_OK));
	return 0;
}
