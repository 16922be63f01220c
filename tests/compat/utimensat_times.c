/*
 * utimensat(2): explicit times, UTIME_NOW, UTIME_OMIT, links, permissions; which calls change which
 * timestamps.
 */
#include "compat.h"
#include <sys/time.h>
#include <utime.h>

static void show(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		die("lstat");
	/* A present time is only told to be one. */
	printf("%s: atime ", path);
	if (st.st_atim.tv_sec > 1600000000)
		printf("now mtime ");
	else
		printf("%ld.%09ld mtime ", st.st_atim.tv_sec, st.st_atim.tv_nsec);
	if (st.st_mtim.tv_sec > 1600000000)
		printf("now\n");
	else
		printf("%ld.%09ld\n", st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static bool newer(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

int main(void)
{
	struct timespec ts[2] = {{1000000, 123456789}, {2000000, 987654321}};
	struct stat a, b;
	int fd;

	tmp_enter();
	put_file("f", "x");
	RES(symlink("f", "l"));
	RES(utimensat(AT_FDCWD, "f", ts, 0));
	show("f");
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1] = (struct timespec){5, 5};
	RES(utimensat(AT_FDCWD, "l", ts, 0));
	show("f");
	ts[0] = (struct timespec){7, 0};
	RES(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
	show("l");
	show("f");
	ts[1].tv_nsec = UTIME_NOW;
	RES(utimensat(AT_FDCWD, "f", ts, 0));
	show("f");
	fd = open("f", O_RDWR);
	RES(futimens(fd, (struct timespec[]){{11, 1}, {12, 2}}));
	show("f");
	RES(futimens(fd, NULL));
	show("f");
	ts[1].tv_nsec = 1000000000;
	RES(utimensat(AT_FDCWD, "f", ts, 0));
	RES(utimensat(AT_FDCWD, "none", NULL, 0));
	RES(utimensat(AT_FDCWD, "none", (struct timespec[]){{0, UTIME_OMIT}, {0, UTIME_OMIT}}, 0));
	RES(utimensat(AT_FDCWD, "f", bad_ptr(), 0));
	RES(utimensat(AT_FDCWD, "f", NULL, 0x4000));
	RES(utimes("f", (struct timeval[]){{3, 999999}, {4, 0}}));
	show("f");
	RES(utimes("f", (struct timeval[]){{3, 1000000}, {4, 0}}));
	RES(utime("f", &(struct utimbuf){8, 9}));
	show("f");

	/* write moves mtime and ctime, chmod only ctime, rename of a neighbour the directory's
	 * mtime */
	stat("f", &a);
	msleep(15);
	RES(write(fd, "y", 1));
	stat("f", &b);
	printf("write: mtime %d ctime %d\n", newer(b.st_mtim, a.st_mtim),
	       newer(b.st_ctim, a.st_ctim));
	msleep(15);
	RES(chmod("f", 0600));
	stat("f", &a);
	printf("chmod: mtime %d ctime %d\n", newer(a.st_mtim, b.st_mtim),
	       newer(a.st_ctim, b.st_ctim));
	stat(".", &a);
	msleep(15);
	RES(link("f", "g"));
	stat(".", &b);
	printf("link: directory mtime %d ctime %d\n", newer(b.st_mtim, a.st_mtim),
	       newer(b.st_ctim, a.st_ctim));
	stat("f", &a);
	msleep(15);
	RES(unlink("g"));
	stat("f", &b);
	printf("unlink: mtime %d ctime %d\n", newer(b.st_mtim, a.st_mtim),
	       newer(b.st_ctim, a.st_ctim));
	IN_CHILD(
	    "as nobody", chmod(".", 0755); chmod("f", 0666); become_nobody();
	    if (getuid() == 65534) {
		    RES(utimensat(AT_FDCWD, "f", NULL, 0));
		    RES(utimes("f", (struct timeval[]){{1, 0}, {1, 0}}));
	    });
	return 0;
}
