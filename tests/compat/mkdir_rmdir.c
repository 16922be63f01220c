/*
 * mkdir(2), rmdir(2): link counts, umask, non-empty, '.', '..', a directory in use, deleted working
 * directory.
 */
#include "compat.h"

int main(void)
{
	char buf[512], name[300];
	struct stat st;
	int d;

	tmp_enter();
	umask(027);
	RES(mkdir("d", 0777));
	RES(stat("d", &st));
	printf("mode %o nlink %ld\n", st.st_mode, (long)st.st_nlink);
	RES(mkdir("d/e", 01777));
	RES(stat("d/e", &st));
	printf("mode %o\n", st.st_mode);
	RES(stat("d", &st));
	NUM(st.st_nlink);
	RES(mkdir("d", 0777));
	RES(mkdir("a/b/c", 0777));
	RES(mkdir("f1/", 0777));
	RES(mkdir("/", 0777));
	RES(mkdir("d/.", 0777));
	RES(mkdir("d/..", 0777));
	put_file("f", "");
	RES(mkdir("f", 0777));
	RES(mkdir("f/x", 0777));
	memset(name, 'x', sizeof(name));
	name[256] = 0;
	RES(mkdir(name, 0777));

	RES(rmdir("d"));
	RES(rmdir("d/e/."));
	RES(rmdir("d/e/.."));
	RES(rmdir("f"));
	RES(rmdir("none"));
	RES(rmdir("d/e/"));
	RES(stat("d", &st));
	NUM(st.st_nlink);

	d = (int)OKAY(open("d", O_RDONLY | O_DIRECTORY));
	RES(chdir("d"));
	RES(rmdir("../d"));
	YES(getcwd(buf, sizeof(buf)) == NULL && errno == ENOENT);
	RES(open("x", O_WRONLY | O_CREAT, 0600));
	RES(mkdir("x", 0700));
	RES(openat(d, "x", O_WRONLY | O_CREAT, 0600));
	OKAY(open(".", O_RDONLY));
	RES(fstat(d, &st));
	NUM(st.st_nlink);
	RES(getdents64(d, buf, sizeof(buf)));
	RES(chdir(".."));
	RES(access("f", F_OK));
	RES(fchdir(d));
	RES(chdir("."));
	RES(chdir("/"));
	return 0;
}
