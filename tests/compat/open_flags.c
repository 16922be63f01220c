/*
 * open(2): creation, O_EXCL, O_TRUNC, O_APPEND, access modes and the errors of bad paths.
 */
#include "compat.h"

int main(void)
{
	char buf[16], longname[300];
	int fd;

	tmp_enter();
	RES(open("none", O_RDONLY));
	fd = (int)OKAY(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
	RES(write(fd, "hello", 5));
	RES(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
	struct stat st;
	RES(fstat(fd, &st));
	printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	close(fd);

	fd = (int)OKAY(open("a", O_RDONLY));
	RES(write(fd, "x", 1));
	RES(ftruncate(fd, 0));
	HEX(fcntl(fd, F_GETFL) & O_ACCMODE);
	close(fd);
	fd = (int)OKAY(open("a", O_WRONLY));
	RES(read(fd, buf, 1));
	RES(lseek(fd, 0, SEEK_CUR));
	close(fd);

	fd = (int)OKAY(open("a", O_WRONLY | O_APPEND));
	RES(lseek(fd, 0, SEEK_SET));
	RES(write(fd, "+app", 4));
	RES(lseek(fd, 0, SEEK_CUR));
	RES(pwrite(fd, "P", 1, 0)); /* appends on Linux, see pwrite(2), BUGS */
	close(fd);
	STR(get_file("a"));

	fd = (int)OKAY(open("a", O_WRONLY | O_TRUNC));
	RES(lseek(fd, 0, SEEK_END));
	close(fd);

	memset(longname, 'n', sizeof(longname));
	longname[256] = 0;
	RES(open(longname, O_RDONLY));
	longname[255] = 0;
	RES(open(longname, O_RDONLY));
	OKAY(open(longname, O_RDWR | O_CREAT, 0600));
	RES(unlink(longname));
	RES(open("", O_RDONLY));
	RES(open("a/b", O_RDONLY));
	RES(open("a/", O_RDONLY));
	RES(open("new/", O_WRONLY | O_CREAT, 0600));
	RES(open(".", O_WRONLY));
	RES(open(".", O_RDWR | O_CREAT, 0600));
	OKAY(open(".", O_RDONLY));
	RES(open("a", O_RDONLY | O_DIRECTORY));
	RES(open(bad_ptr(), O_RDONLY));
	RES(open("none/x", O_WRONLY | O_CREAT, 0600));
	RES(openat(-100 - 1, "a", O_RDONLY));
	RES(openat(9999, "a", O_RDONLY));
	return 0;
}
