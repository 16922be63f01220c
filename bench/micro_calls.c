/* Micro benchmarks of calls that one thread makes: about itself, on files, on pipes. */
#include "micro.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_SIZE (1 << 20)
#define ENTRIES   1000

static int fd = -1, ends[2] = {-1, -1}, poller = -1;
static char buf[65536];
static char path[4096]; /* of what teardown removes */

/* --- about itself
 * ---------------------------------------------------------------------------------- */

static void op_getppid(void)
{
	must(getppid() >= 0, "getppid");
}

static void op_gettid(void)
{
	must(gettid() > 0, "gettid");
}

static void op_getuid(void)
{
	(void)getuid();
}

static void op_clock_gettime(void)
{
	struct timespec ts;

	must(clock_gettime(CLOCK_MONOTONIC, &ts) == 0, "clock_gettime");
}

static void ignore(int sig)
{
	(void)sig;
}

static void setup_signal(void)
{
	must(signal(SIGUSR1, ignore) != SIG_ERR, "signal");
}

static void op_signal(void)
{
	must(raise(SIGUSR1) == 0, "raise");
}

/* --- files
 * ----------------------------------------------------------------------------------------- */

/* Of a layer that is only read; what lies in the work directory others may change at any time. */
static void setup_passwd(void)
{
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "open /etc/passwd");
}

static void setup_zero(void)
{
	fd = open("/dev/zero", O_RDONLY);
	must(fd >= 0, "open /dev/zero");
}

static void setup_null(void)
{
	fd = open("/dev/null", O_WRONLY);
	must(fd >= 0, "open /dev/null");
}

static void op_read_1(void)
{
	must(read(fd, buf, 1) == 1, "read");
}

static void op_write_1(void)
{
	must(write(fd, buf, 1) == 1, "write");
}

static void make_file(const char *dir)
{
	snprintf(path, sizeof(path), "%s/bench-micro.%d", dir, getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	must(fd >= 0, "open a new file");
	for (size_t at = 0; at < FILE_SIZE; at += sizeof(buf))
		must(write(fd, buf, sizeof(buf)) == sizeof(buf), "write");
}

static void setup_tmpfs(void)
{
	make_file(tmpfs_dir);
}

static void setup_host(void)
{
	make_file(host_dir);
}

/* The driver made it before the sandbox started: the host's own file, never written by the guest.
 */
static void setup_host_file(void)
{
	fd = open(path_in(host_dir, "file-1m"), O_RDONLY);
	must(fd >= 0, "open file-1m");
}

static void teardown_file(void)
{
	must(unlink(path) == 0, "unlink");
}

/* Another offset each time, as a program would. */
static off_t next_offset(size_t size)
{
	static size_t at;

	at = (at + size) % FILE_SIZE;
	return (off_t)at;
}

static void op_pread_4k(void)
{
	must(pread(fd, buf, 4096, next_offset(4096)) == 4096, "pread");
}

static void op_pread_64k(void)
{
	must(pread(fd, buf, 65536, next_offset(65536)) == 65536, "pread");
}

static void op_pwrite_4k(void)
{
	must(pwrite(fd, buf, 4096, next_offset(4096)) == 4096, "pwrite");
}

static void op_pwrite_64k(void)
{
	must(pwrite(fd, buf, 65536, next_offset(65536)) == 65536, "pwrite");
}

static void op_fstat(void)
{
	struct stat st;

	must(fstat(fd, &st) == 0, "fstat");
}

static void op_stat(void)
{
	struct stat st;

	must(stat("/etc/passwd", &st) == 0, "stat /etc/passwd");
}

static void op_open_close(void)
{
	int opened = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	must(opened >= 0 && close(opened) == 0, "open /etc/passwd");
}

/* With its open and close: every reading of a directory has them. */
static void op_readdir(void)
{
	DIR *dir = opendir(path_in(host_dir, "entries-1000"));
	int count = 0;

	must(dir != NULL, "opendir entries-1000");
	while (readdir(dir))
		count++;
	must(count >= ENTRIES && closedir(dir) == 0, "readdir");
}

/* --- pipes and readiness
 * --------------------------------------------------------------------------- */

static void setup_pipe(void)
{
	must(pipe(ends) == 0, "pipe");
}

static void op_pipe_1(void)
{
	must(write(ends[1], buf, 1) == 1 && read(ends[0], buf, 1) == 1, "pipe");
}

static void op_pipe_4k(void)
{
	must(write(ends[1], buf, 4096) == 4096 && read(ends[0], buf, 4096) == 4096, "pipe");
}

static void setup_eventfd(void)
{
	fd = eventfd(0, 0);
	must(fd >= 0, "eventfd");
}

static void op_eventfd(void)
{
	u64 value = 1;

	must(write(fd, &value, 8) == 8 && read(fd, &value, 8) == 8, "eventfd");
}

static void setup_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};

	setup_eventfd();
	must(write(fd, &(u64){1}, 8) == 8, "eventfd");
	poller = epoll_create1(0);
	must(poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
}

static void op_epoll(void)
{
	struct epoll_event event;

	must(epoll_wait(poller, &event, 1, -1) == 1, "epoll_wait");
}

const struct micro micro_calls[] = {
    {"getppid", NULL, op_getppid, NULL, NULL},
    {"gettid", NULL, op_gettid, NULL, NULL},
    {"getuid", NULL, op_getuid, NULL, NULL},
    {"clock_gettime", NULL, op_clock_gettime, NULL, NULL},
    {"read-zero-1", setup_zero, op_read_1, NULL, NULL},
    {"write-null-1", setup_null, op_write_1, NULL, NULL},
    {"pread-tmpfs-4k", setup_tmpfs, op_pread_4k, NULL, teardown_file},
    {"pread-tmpfs-64k", setup_tmpfs, op_pread_64k, NULL, teardown_file},
    {"pwrite-tmpfs-4k", setup_tmpfs, op_pwrite_4k, NULL, teardown_file},
    {"pwrite-tmpfs-64k", setup_tmpfs, op_pwrite_64k, NULL, teardown_file},
    {"pread-host-4k", setup_host_file, op_pread_4k, NULL, NULL},
    {"pread-host-64k", setup_host_file, op_pread_64k, NULL, NULL},
    {"pwrite-host-4k", setup_host, op_pwrite_4k, NULL, teardown_file},
    {"pwrite-host-64k", setup_host, op_pwrite_64k, NULL, teardown_file},
    {"fstat", setup_passwd, op_fstat, NULL, NULL},
    {"fstat-host", setup_host_file, op_fstat, NULL, NULL},
    {"stat", NULL, op_stat, NULL, NULL},
    {"open-close", NULL, op_open_close, NULL, NULL},
    {"readdir-1000", NULL, op_readdir, NULL, NULL},
    {"pipe-1", setup_pipe, op_pipe_1, NULL, NULL},
    {"pipe-4k", setup_pipe, op_pipe_4k, NULL, NULL},
    {"eventfd", setup_eventfd, op_eventfd, NULL, NULL},
    {"epoll-wait", setup_epoll, op_epoll, NULL, NULL},
    {"signal-self", setup_signal, op_signal, NULL, NULL},
    {0},
};
