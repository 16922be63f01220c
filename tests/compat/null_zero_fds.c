/*
 * Reads and writes of /dev/null and /dev/zero, often enough that a platform may have found a short
 * way to answer them: the descriptor must be what it is, whoever has closed it, replaced it, or
 * gave it away meanwhile, in this thread, another, another process with the same table, or by exec.
 */
#include "compat.h"
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#define OFTEN 200

static char buf[8192];

/* The result each time; -99: not always the same. */
static long often(int fd, bool writes, size_t n)
{
	long first = writes ? write(fd, buf, n) : read(fd, buf, n);

	for (int i = 0; i < OFTEN; i++)
		if ((writes ? write(fd, buf, n) : read(fd, buf, n)) != first)
			return -99;
	return first;
}

static int open_often(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		die("%s", path);
	often(fd, true, 1);
	often(fd, false, 1);
	return fd;
}

static void what_they_do(void)
{
	int null = open_often("/dev/null"), zero = open_often("/dev/zero"), fd;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NUM(often(null, true, 8192));
	NUM(often(null, false, 8192));
	NUM(often(null, true, 0));
	memset(buf, 'x', sizeof(buf));
	NUM(often(zero, false, 5000));
	YES(buf[0] == 0 && buf[4999] == 0 && buf[5000] == 'x');
	memset(buf, 'x', sizeof(buf));
	NUM(often(zero, false, 3));
	YES(buf[2] == 0 && buf[3] == 'x');
	NUM(often(zero, true, 4097));
	NUM(often(zero, false, 0));
	mprotect(page + 4096, 4096, PROT_NONE);
	RES(read(zero, page + 4096, 10));
	RES(read(zero, page + 4090, 3000));
	RES(read(zero, (void *)-4096L, 10));
	RES(write(null, (void *)-4096L, 10));
	RES(write(null, page + 4096, 10));
	RES(read(null, page + 4096, 10));
	RES(write(null, buf, (size_t)-1));
	RES(read(zero, buf, (size_t)-1));
	fd = open("/dev/null", O_RDONLY);
	NUM(often(fd, false, 1));
	RES(write(fd, buf, 1));
	close(fd);
	fd = open("/dev/zero", O_WRONLY);
	NUM(often(fd, true, 1));
	RES(read(fd, buf, 1));
	close(fd);
	fd = open("/dev/full", O_RDWR);
	NUM(often(fd, false, 1));
	RES(write(fd, buf, 1));
	close(fd);
	fd = open("/dev/null", O_PATH);
	RES(write(fd, buf, 1));
	RES(write(fd + 4096, buf, 1));
	RES(write(-1, buf, 1));
	close(fd);
	close(null);
	close(zero);
	munmap(page, 8192);
}

static void one_thread(void)
{
	int p[2], fd = open_often("/dev/null"), s[2], got;
	char c = 0;

	close(fd);
	RES(write(fd, buf, 1));
	RES(read(fd, buf, 1));
	fd = open_often("/dev/zero");
	if (pipe2(p, O_NONBLOCK) || socketpair(AF_UNIX, SOCK_DGRAM, 0, s))
		die("no pipe");
	RES(read(p[0], &c, 1));
	dup2(p[1], fd);
	RES(write(fd, "a", 1));
	RES(read(p[0], &c, 1));
	NUM(c);
	RES(read(fd, &c, 1));
	close(fd);
	/* A descriptor that comes in a message takes the number of one that was known. */
	fd = open_often("/dev/null");
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.h = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = &control,
	                   .msg_controllen = sizeof(control)};
	memcpy(CMSG_DATA(&control.h), &p[1], sizeof(int));
	RES(sendmsg(s[0], &m, 0));
	close(fd);
	RES(recvmsg(s[1], &m, 0));
	memcpy(&got, CMSG_DATA(&control.h), sizeof(int));
	YES(got == fd);
	RES(write(got, "b", 1));
	RES(read(p[0], &c, 1));
	NUM(c);
	close(got);
	fd = open_often("/dev/null");
	RES(close_range((unsigned)fd, (unsigned)fd, 0));
	RES(write(fd, buf, 1));
	close(p[0]), close(p[1]), close(s[0]), close(s[1]);
}

static void processes(void)
{
	int fd = open_often("/dev/null");

	if (fork_child() == 0) {
		NUM(often(fd, true, 1));
		close(fd);
		RES(write(fd, buf, 1));
		_exit(0);
	}
	wait(NULL);
	NUM(often(fd, true, 1));
	/* The same table in another address space. */
	long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		often(fd, true, 1);
		_exit(close(fd) ? 1 : 0);
	}
	waitpid((pid_t)child, NULL, 0);
	RES(write(fd, buf, 1));
}

static int shared_fd;

static void *closes(void *arg)
{
	often(shared_fd, true, 1);
	close(shared_fd);
	return arg;
}

static void *unshares(void *arg)
{
	often(shared_fd, true, 1);
	if (arg)
		RES(close_range(1000, 1001, CLOSE_RANGE_UNSHARE));
	else
		RES(unshare(CLONE_FILES));
	NUM(often(shared_fd, true, 1));
	close(shared_fd);
	RES(write(shared_fd, buf, 1));
	return NULL;
}

static void in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t th;

	if (pthread_create(&th, NULL, fn, arg))
		die("no thread");
	pthread_join(th, NULL);
}

static void threads(void)
{
	shared_fd = open_often("/dev/null");
	in_thread(closes, NULL);
	RES(write(shared_fd, buf, 1));
	for (long how = 0; how < 2; how++) {
		shared_fd = open_often("/dev/null");
		in_thread(unshares, (void *)how);
		NUM(often(shared_fd, true, 1));
		close(shared_fd);
		RES(write(shared_fd, buf, 1));
	}
}

/* --- a table that changes all the time ---------------------------------------------- */

#define ROUNDS 200

static _Atomic int turn; /* 2k + 1: the pipe is there, write to it; 2k + 2: done */

static void *writer(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		/* Not so often that the pipe could be full. */
		for (int n = 0; atomic_load(&turn) != 2 * i + 1; n++)
			if (n < 10000 && write(shared_fd, "x", 1) != 1)
				return (void *)1;
		if (write(shared_fd, "t", 1) != 1)
			return (void *)1;
		atomic_store(&turn, 2 * i + 2);
	}
	return NULL;
}

/* Both what this thread and what the other write after the change is in the pipe. */
static void races(void)
{
	int p[2], null = open("/dev/null", O_WRONLY), missing = 0;
	pthread_t th;
	void *failed;

	if (null < 0 || pipe2(p, O_NONBLOCK))
		die("no pipe");
	shared_fd = dup(null);
	pthread_create(&th, NULL, writer, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		char all[70000];
		bool mine = false, theirs = false;
		ssize_t n;

		for (int k = 0; k < 20; k++)
			if (write(shared_fd, "m", 1) != 1)
				missing++;
		dup2(p[1], shared_fd);
		if (write(shared_fd, "m", 1) != 1)
			missing++;
		atomic_store(&turn, 2 * i + 1);
		while (atomic_load(&turn) != 2 * i + 2)
			sched_yield();
		while ((n = read(p[0], all, sizeof(all))) > 0) {
			mine = mine || memchr(all, 'm', (size_t)n);
			theirs = theirs || memchr(all, 't', (size_t)n);
		}
		missing += !mine + !theirs;
		dup2(null, shared_fd);
	}
	pthread_join(th, &failed);
	NUM(missing);
	YES(!failed);
	close(null), close(shared_fd), close(p[0]), close(p[1]);
}

/* Who watches a device sees each access, though it has been answered for long. */
static void watched(void)
{
	int fd = open_often("/dev/zero"), in = inotify_init1(IN_NONBLOCK);
	struct pollfd pfd = {in, POLLIN, 0};

	YES(inotify_add_watch(in, "/dev/zero", IN_ACCESS) > 0);
	RES(read(fd, buf, 1));
	RES(poll(&pfd, 1, 5000));
	close(in);
	NUM(often(fd, false, 1));
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		/* After exec: what was to be closed is, the other is not. */
		RES(write(atoi(argv[1]), buf, 1));
		NUM(often(atoi(argv[2]), true, 1));
		return 0;
	}
	what_they_do();
	one_thread();
	processes();
	threads();
	races();
	watched();

	int goes = open_often("/dev/null"), stays = open_often("/dev/null");
	char a[16], b[16];

	fcntl(goes, F_SETFD, FD_CLOEXEC);
	snprintf(a, sizeof(a), "%d", goes);
	snprintf(b, sizeof(b), "%d", stays);
	execl("/proc/self/exe", argv[0], a, b, NULL);
	die("exec");
}
