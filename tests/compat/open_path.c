/*
 * O_PATH descriptors: what they refuse, what they allow; O_NOFOLLOW on symbolic links. open(2).
 */
#include "compat.h"

int main(void)
{
	char buf[64];
	struct stat st;
	int p, l, d;

	tmp_enter();
	put_file("file", "contents");
	RES(symlink("file", "link"));
	RES(mkdir("dir", 0755));
	put_file("dir/inner", "in");

	p = (int)OKAY(open("file", O_PATH));
	RES(read(p, buf, 1));
	RES(write(p, "x", 1));
	RES(lseek(p, 0, SEEK_SET));
	RES(fchmod(p, 0600));
	RES(fchown(p, -1, -1));
	RES(ftruncate(p, 0));
	RES(fsync(p));
	YES(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, p, 0) == MAP_FAILED && errno == EBADF);
	RES(fstat(p, &st));
	NUM(st.st_size);
	HEX(fcntl(p, F_GETFL) & (O_PATH | O_ACCMODE | O_NOFOLLOW));
	OKAY(dup(p));
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", p);
	STR(get_file(buf));
	RES(unlink("file"));
	RES(fstat(p, &st));
	NUM(st.st_nlink);

	RES(open("link", O_RDONLY | O_NOFOLLOW));
	l = (int)OKAY(open("link", O_PATH | O_NOFOLLOW));
	RES(fstat(l, &st));
	YES(S_ISLNK(st.st_mode));
	memset(buf, 0, sizeof(buf));
	RES(readlinkat(l, "", buf, sizeof(buf)));
	STR(buf);
	RES(open("link", O_PATH)); /* dangling now */

	d = (int)OKAY(open("dir", O_PATH | O_DIRECTORY));
	OKAY(openat(d, "inner", O_RDONLY));
	RES(openat(d, "none", O_RDONLY));
	RES(fchdir(d));
	STR(get_file("inner"));
	RES(getdents64(d, buf, sizeof(buf)));
	RES(open("inner", O_PATH | O_DIRECTORY));
	/* With O_PATH every flag but a few is ignored. */
	p = (int)OKAY(open("inner", O_PATH | O_TRUNC | O_WRONLY));
	STR(get_file("inner"));
	RES(chdir(".."));
	return 0;
}
