/*
 * The *at calls: relative to a directory fd, AT_FDCWD, absolute paths that ignore the fd, and their
 * errors. openat(2).
 */
#include "compat.h"

int main(void)
{
	char buf[32];
	struct stat st;
	int d, f;

	tmp_enter();
	RES(mkdirat(AT_FDCWD, "d", 0755));
	d = (int)OKAY(open("d", O_RDONLY | O_DIRECTORY));
	f = (int)OKAY(openat(d, "f", O_RDWR | O_CREAT, 0644));
	RES(mkdirat(d, "sub", 0700));
	RES(mkdirat(d, "sub", 0700));
	RES(mkdirat(f, "x", 0700));
	RES(mkdirat(d, "", 0700));
	RES(mkdirat(d, ".", 0700));
	RES(symlinkat("f", d, "l"));
	RES(symlinkat("", d, "l2"));
	memset(buf, 0, sizeof(buf));
	RES(readlinkat(d, "l", buf, 1));
	STR(buf);
	RES(readlinkat(d, "f", buf, sizeof(buf)));
	RES(readlinkat(d, "l", buf, 0));
	RES(fstatat(d, "l", &st, 0));
	YES(S_ISREG(st.st_mode));
	RES(fstatat(d, "l", &st, AT_SYMLINK_NOFOLLOW));
	YES(S_ISLNK(st.st_mode));
	NUM(st.st_size);
	RES(fstatat(f, "", &st, AT_EMPTY_PATH));
	YES(S_ISREG(st.st_mode));
	RES(fstatat(f, "", &st, 0));
	RES(fstatat(f, "x", &st, 0));
	RES(fstatat(d, "f", &st, 0x40000000));
	RES(fstatat(12345, "/", &st, 0));
	YES(S_ISDIR(st.st_mode));
	RES(linkat(d, "f", d, "f2", 0));
	RES(linkat(d, "f", d, "f2", 0));
	RES(linkat(d, "sub", d, "sub2", 0));
	RES(linkat(d, "l", d, "l3", 0));
	RES(fstatat(d, "l3", &st, AT_SYMLINK_NOFOLLOW));
	YES(S_ISLNK(st.st_mode));
	RES(linkat(d, "l", d, "f3", AT_SYMLINK_FOLLOW));
	RES(fstat(f, &st));
	NUM(st.st_nlink);
	RES(renameat(d, "f3", AT_FDCWD, "moved"));
	RES(access("moved", F_OK));
	RES(unlinkat(d, "sub", 0));
	RES(unlinkat(d, "sub", AT_REMOVEDIR));
	RES(unlinkat(d, "f", AT_REMOVEDIR));
	RES(unlinkat(d, "f", 0x1000));
	RES(unlinkat(d, "f", 0));
	RES(unlinkat(d, "f", 0));
	RES(unlinkat(9999, "f", 0));
	RES(fchmodat(d, "f2", 0604, 0));
	RES(fstatat(d, "f2", &st, 0));
	printf("mode %o\n", st.st_mode & 07777);
	RES(mknodat(d, "fifo", S_IFIFO | 0600, 0));
	RES(faccessat(d, "fifo", R_OK, 0));
	RES(faccessat(d, "nothing", R_OK, 0));
	RES(faccessat(d, "fifo", 8, 0));
	return 0;
}
