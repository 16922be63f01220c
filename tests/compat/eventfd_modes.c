/*
 * eventfd(2): counter, semaphore mode, overflow, blocking, poll, errors.
 */
#include "compat.h"
#include <poll.h>
#include <sys/eventfd.h>

static uint64_t v;

static long get(int fd)
{
	long r = read(fd, &v, 8);

	return r == 8 ? (long)v : r;
}

static long put(int fd, uint64_t n)
{
	return write(fd, &n, 8);
}

static int events(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};

	poll(&p, 1, 0);
	return p.revents;
}

int main(void)
{
	int fd = (int)OKAY(eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
	pid_t pid;

	HEX(events(fd));
	RES(get(fd));
	RES(get(fd));
	HEX(events(fd));
	RES(put(fd, 5));
	RES(put(fd, 6));
	RES(get(fd));
	RES(put(fd, ~0ULL));
	RES(put(fd, ~0ULL - 1));
	HEX(events(fd));
	RES(put(fd, 1));
	RES(put(fd, 0));
	YES(read(fd, &v, 8) == 8 && v == ~0ULL - 1);
	RES(read(fd, &v, 4));
	RES(write(fd, &v, 4));
	RES(put(fd, 7));
	char big[16];
	RES(read(fd, big, 16));
	RES(read(fd, bad_ptr(), 8));
	RES(write(fd, bad_ptr(), 8));
	RES(lseek(fd, 0, SEEK_SET));
	RES(pread(fd, big, 8, 0));

	fd = (int)OKAY(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
	RES(get(fd));
	RES(get(fd));
	RES(get(fd));
	RES(eventfd(0, 0x10));
	RES(fcntl(fd, F_SETFL, 0));
	pid = fork_child();
	if (pid == 0) {
		msleep(40);
		_exit(put(fd, 2) == 8 ? 0 : 1);
	}
	RES(get(fd));
	RES(get(fd));
	reap("writer", pid);
	YES(strstr(get_file("/proc/self/fdinfo/0"), "flags:") != NULL);
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	put(fd, 42);
	STR(strstr(get_file(path), "eventfd-count:") ? "eventfd-count shown" : "not shown");
	return 0;
}
