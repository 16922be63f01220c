/*
 * /proc/self/fd and fdinfo: the links of each kind of descriptor, the directory's listing,
 * reopening, flags. proc(5).
 */
#include "compat.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static char base[256];

static void show(const char *what, int fd)
{
	char path[64], link[512];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = 0;
	if (!strncmp(link, base, strlen(base)))
		memmove(link, link + strlen(base), strlen(link + strlen(base)) + 1);
	if (strchr(link, '['))
		for (char *c = strchr(link, '[') + 1; *c; c++)
			if (*c >= '0' && *c <= '9')
				*c = 'N';
	for (char *c = link; (c = strstr(c, "NN"));)
		memmove(c, c + 1, strlen(c));
	struct stat st = {0};
	lstat(path, &st);
	printf("%s: %s mode %o\n", what, link, st.st_mode & 07777);
}

static long info(int fd, const char *key, int radix)
{
	char path[64];
	const char *s;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	s = strstr(get_file(path), key);
	return s ? strtol(s + strlen(key), NULL, radix) : -1;
}

int main(void)
{
	int p[2], s[2], fd, dir, count = 0;
	sigset_t set = sigset_of(SIGUSR1, 0);
	char path[64], buf[16] = "";
	struct dirent *e;
	DIR *d;

	snprintf(base, sizeof(base), "%s", tmp_enter());
	put_file("file", "0123456789");
	fd = open("file", O_RDWR | O_APPEND);
	show("file", fd);
	show("read-only", open("file", O_RDONLY));
	show("write-only", open("file", O_WRONLY));
	show("path", open("file", O_PATH));
	dir = open(".", O_RDONLY | O_DIRECTORY);
	show("directory", dir);
	RES(pipe(p));
	show("pipe read", p[0]);
	show("pipe write", p[1]);
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	show("socket", s[0]);
	show("eventfd", eventfd(0, 0));
	show("epoll", epoll_create1(0));
	show("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	show("signalfd", signalfd(-1, &set, 0));
	show("inotify", inotify_init());
	show("memfd", memfd_create("m", 0));
	show("null", open("/dev/null", O_RDONLY));
	show("pidfd", (int)syscall(SYS_pidfd_open, getpid(), 0));
	rename("file", "renamed");
	show("renamed", fd);
	unlink("renamed");
	show("unlinked", fd);

	RES(lseek(fd, 4, SEEK_SET));
	RES(info(fd, "pos:", 10));
	HEX(info(fd, "flags:", 8) & (O_ACCMODE | O_APPEND | O_CLOEXEC));
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	HEX(info(fd, "flags:", 8) & O_CLOEXEC);
	YES(info(fd, "mnt_id:", 10) >= 0);
	/* Reopening makes a new description, even of an unlinked file. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = (int)OKAY(open(path, O_RDONLY));
	RES(read(again, buf, 3));
	STR(buf);
	RES(lseek(fd, 0, SEEK_CUR));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
	int w = (int)OKAY(open(path, O_WRONLY));
	RES(write(w, "pipe", 4));
	RES(read(p[0], buf, 16));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s[0]);
	RES(open(path, O_RDWR));
	RES(readlink("/proc/self/fd/999", buf, sizeof(buf)));
	RES(open("/proc/self/fd/x", O_RDONLY));
	RES(open("/proc/self/fd/-1", O_RDONLY));
	RES(open("/proc/self/fdinfo/999", O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d/.", dir);
	RES(access(path, F_OK));
	RES(close_range(10, ~0U, 0));
	d = opendir("/proc/self/fd");
	while ((e = readdir(d)))
		count += e->d_name[0] != '.' && fd_open(atoi(e->d_name));
	int expect = 0;
	for (int i = 0; i < 64; i++)
		expect += fd_open(i);
	YES(count == expect);
	closedir(d);
	YES(access("/dev/fd/1", F_OK) == 0 && access("/dev/stdout", F_OK) == 0);
	return 0;
}
