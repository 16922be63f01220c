/*
 * readdir, telldir, seekdir, rewinddir, scandir, fdopendir: positions stay valid, rewinding sees
 * changes. readdir(3).
 */
#include "compat.h"

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int main(void)
{
	char name[16], third[256] = "";
	struct dirent *e, **list;
	int n = 0, fd;
	long pos = -1;
	DIR *d;

	tmp_enter();
	mkdir("d", 0755);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "d/f%02d", i);
		put_file(name, "");
	}
	d = opendir("d");
	while ((e = readdir(d))) {
		if (++n == 7)
			pos = telldir(d);
		if (n == 8)
			strcpy(third, e->d_name);
	}
	NUM(n);
	seekdir(d, pos);
	e = readdir(d);
	YES(e && !strcmp(e->d_name, third));
	put_file("d/new", "");
	unlink("d/f03");
	rewinddir(d);
	n = 0;
	int new = 0, old = 0;
	while ((e = readdir(d))) {
		n++;
		new += !strcmp(e->d_name, "new");
		old += !strcmp(e->d_name, "f03");
	}
	printf("entries %d new %d old %d\n", n, new, old);
	closedir(d);
	n = scandir("d", &list, NULL, by_name);
	for (int i = 0; i < n; i++)
		printf("%s ", list[i]->d_name);
	printf("\n");
	struct stat st;
	int same = 0;
	for (int i = 0; i < n; i++)
		same += fstatat(AT_FDCWD, ({
			                static char p[300];
			                snprintf(p, sizeof(p), "d/%s", list[i]->d_name);
			                p;
		                }),
		                &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		        (st.st_ino == list[i]->d_ino || !strcmp(list[i]->d_name, ".."));
	NUM(same);
	/* Two descriptors of one directory are independent; a duplicate is not. */
	fd = open("d", O_RDONLY | O_DIRECTORY);
	char buf[4096];
	int other = open("d", O_RDONLY | O_DIRECTORY), dup_fd = dup(fd);
	YES(getdents64(fd, buf, sizeof(buf)) > 0);
	RES(getdents64(dup_fd, buf, sizeof(buf)));
	YES(getdents64(other, buf, sizeof(buf)) > 0);
	IN_CHILD("child shares it", RES(getdents64(fd, buf, sizeof(buf))); lseek(fd, 0, SEEK_SET));
	YES(getdents64(fd, buf, sizeof(buf)) > 0);
	YES(opendir("d/f00") == NULL && errno == ENOTDIR);
	YES(opendir("none") == NULL && errno == ENOENT);
	YES(fdopendir(999) == NULL && errno == EBADF);
	YES(fdopendir(open("d/f00", O_RDONLY)) == NULL && errno == ENOTDIR);
	RES(write(fd, buf, 10));
	return 0;
}
