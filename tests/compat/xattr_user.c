/*
 * Extended attributes: user.* set, get, list, remove, XATTR_CREATE/REPLACE, sizes, namespaces and
 * errors. xattr(7).
 */
#include "compat.h"
#include <sys/xattr.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	char buf[512], *names[16];
	ssize_t n = listxattr(path, buf, sizeof(buf));
	int count = 0;

	for (char *p = buf; n > 0 && p < buf + n; p += strlen(p) + 1)
		if (!strncmp(p, "user.", 5))
			names[count++] = p;
	qsort(names, (size_t)count, sizeof(*names), by_name);
	printf("list:");
	for (int i = 0; i < count; i++)
		printf(" %s", names[i]);
	printf("\n");
}

int main(void)
{
	char buf[64] = "", name[300];
	int fd;

	tmp_enter();
	put_file("f", "");
	if (setxattr("f", "user.probe", "x", 1, 0) < 0 && errno == EOPNOTSUPP)
		skip("no user attributes on this file system");
	RES(removexattr("f", "user.probe"));
	RES(setxattr("f", "user.a", "value", 5, XATTR_CREATE));
	RES(setxattr("f", "user.a", "value", 5, XATTR_CREATE));
	RES(setxattr("f", "user.b", "v", 1, XATTR_REPLACE));
	RES(setxattr("f", "user.b", "", 0, 0));
	RES(setxattr("f", "user.a", "new value", 9, XATTR_REPLACE));
	RES(getxattr("f", "user.a", buf, sizeof(buf)));
	STR(buf);
	RES(getxattr("f", "user.a", NULL, 0));
	RES(getxattr("f", "user.a", buf, 3));
	RES(getxattr("f", "user.b", buf, 3));
	RES(getxattr("f", "user.none", buf, 3));
	list("f");
	RES(listxattr("f", buf, 2));
	fd = open("f", O_RDONLY);
	RES(fgetxattr(fd, "user.a", buf, sizeof(buf)));
	RES(fsetxattr(fd, "user.c", "3", 1, 0));
	list("f");
	RES(fremovexattr(fd, "user.b"));
	RES(removexattr("f", "user.b"));
	list("f");
	RES(link("f", "g"));
	RES(getxattr("g", "user.c", buf, sizeof(buf)));
	RES(symlink("f", "l"));
	RES(getxattr("l", "user.c", buf, sizeof(buf)));
	RES(lgetxattr("l", "user.c", buf, sizeof(buf)));
	RES(lsetxattr("l", "user.c", "x", 1, 0));
	RES(setxattr("f", "nonsense", "x", 1, 0));
	RES(setxattr("f", "bogus.name", "x", 1, 0));
	RES(setxattr("f", "user.", "x", 1, 0));
	RES(setxattr("f", "", "x", 1, 0));
	RES(setxattr("f", "user.d", "x", 1, 8));
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = 0;
	RES(setxattr("f", name, "x", 1, 0));
	name[255] = 0;
	RES(getxattr("f", name, buf, 1));
	RES(setxattr("f", "user.big", buf, 65537, 0));
	RES(setxattr("none", "user.a", "x", 1, 0));
	RES(setxattr("f", bad_ptr(), "x", 1, 0));
	RES(setxattr("f", "user.a", bad_ptr(), 1, 0));
	RES(fgetxattr(999, "user.a", buf, 1));
	RES(mkfifo("fifo", 0600));
	RES(setxattr("fifo", "user.a", "x", 1, 0));
	RES(mkdir("d", 0700));
	RES(setxattr("d", "user.dir", "x", 1, 0));
	list("d");
	return 0;
}
