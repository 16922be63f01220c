/*
 * Takes as much as it can get of one thing, then says how it was stopped, keeps what it has for a
 * moment, and sees whether the sandbox is well when it has let go.
 *
 * usage: bombs_guest KIND
 */
#include "stub_call.h"
#include <mqueue.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

/* Attempts end here even where nothing stops them. */
#define MANY 1000000u

static char block[65536];

static void say(const char *what, unsigned n)
{
	printf("%s: %u, then %s\n", what, n, strerrorname_np(errno));
	nap(300);
}

static void *sleep_thread(void *arg)
{
	pause();
	return arg;
}

static noreturn void host_wait(void)
{
	static uint64_t word;

	for (;;)
		stub_call(SYS_futex, (uint64_t)&word, FUTEX_WAIT, 0, 0, 0, 0);
}

/* A host thread that comes out of the stub's clone at host_wait. */
static long host_thread(void)
{
	uint64_t *top,
	    *stack = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(stack != MAP_FAILED);
	top = stack + 1000 - stub_pops;
	top[stub_pops] = (uint64_t)host_wait;
	return stub_call(SYS_clone, STUB_THREAD_FLAGS, (uint64_t)top, 0, 0, 0, 0);
}

/* A GiB of memory that takes one MiB: what is there repeats itself. */
static char *endless(const void *pattern, size_t n)
{
	const size_t piece = 1 << 20, all = 1 << 30;
	int fd = (int)syscall(SYS_memfd_create, "endless", 0);
	char *at = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	NEED(fd >= 0 && at != MAP_FAILED);
	for (size_t done = 0; done < piece; done += n)
		NEED(write(fd, pattern, n) == (ssize_t)n);
	for (size_t done = 0; done < all; done += piece)
		NEED(mmap(at + done, piece, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) !=
		     MAP_FAILED);
	close(fd);
	return at;
}

/* execve(2) with a GiB of arguments, in each way to have that; the last one's errno. */
static void bomb_argv(void)
{
	static char string[100001], *many[12000], *none[] = {NULL};
	char *text = endless("aaaaaaaa", 8), *word = string;
	char **pointers = (char **)endless(&word, sizeof(word));
	char *one[] = {"true", text, NULL};

	memset(string, 'a', sizeof(string) - 1);
	for (unsigned i = 0; i < COUNT(many) - 1; i++)
		many[i] = string;
	NEED(execve("/bin/true", one, none) == -1 && errno == E2BIG);
	NEED(execve("/bin/true", many, none) == -1 && errno == E2BIG);
	NEED(execve("/bin/true", none, many) == -1 && errno == E2BIG);
	NEED(execve("/bin/true", one, many) == -1 && errno == E2BIG);
	/* Without an end: what is behind them cannot be read. */
	NEED(execve("/bin/true", pointers, none) == -1 && (errno == E2BIG || errno == EFAULT));
	NEED(execve("/bin/true", none, pointers) == -1 && (errno == E2BIG || errno == EFAULT));
	NEED(execve(text, none, none) == -1 && errno == ENAMETOOLONG);
	errno = E2BIG;
}

/* Every call that takes a name, with one of a MiB; and the longest that there may be. */
static void bomb_path(void)
{
	static char path[(1 << 20) + 1], longest[4096];
	struct stat st;

	for (unsigned i = 0; i < sizeof(path) - 1; i += 2)
		memcpy(path + i, "a/", 2);
	for (unsigned i = 0; i < sizeof(longest) - 1; i++)
		longest[i] = i % 2 ? '.' : '/';
	NEED(stat(longest, &st) == 0);
#define TOO_LONG(call) NEED((call) == -1 && errno == ENAMETOOLONG)
	for (char *p = path; p < path + 2; p++) {
		if (p > path)
			memset(path, 'b', sizeof(path) - 1);
		TOO_LONG(open(p, O_RDWR | O_CREAT, 0600));
		TOO_LONG(stat(p, &st));
		TOO_LONG(chdir(p));
		TOO_LONG(mkdir(p, 0700));
		TOO_LONG(unlink(p));
		TOO_LONG(rename(p, "/tmp/x"));
		TOO_LONG(rename("/tmp", p));
		TOO_LONG(symlink(p, "/tmp/x"));
		TOO_LONG(symlink("x", p));
		TOO_LONG(link("/etc/passwd", p));
		TOO_LONG(truncate(p, 0));
		TOO_LONG(access(p, R_OK));
		TOO_LONG(syscall(SYS_execve, p, NULL, NULL));
	}
}

/* Directories in one another; then all the way up again, by name and by "..". */
static unsigned bomb_deep(void)
{
	static char up[4096], cwd[65536];
	unsigned n = 0;
	struct stat st;

	for (unsigned i = 0; i + 3 < sizeof(up); i += 3)
		memcpy(up + i, "../", 3);
	NEED(mkdir("/tmp/deep", 0700) == 0 && chdir("/tmp/deep") == 0);
	for (; n < 20000 && mkdir("d", 0700) == 0 && chdir("d") == 0; n++)
		;
	NEED(syscall(SYS_getcwd, cwd, sizeof(cwd)) == -1 && errno == ENAMETOOLONG);
	NEED(readlink("/proc/self/cwd", cwd, sizeof(cwd)) == -1 && errno == ENAMETOOLONG);
	for (unsigned left = n; left > 2000; left -= 1365)
		NEED(chdir(up) == 0);
	NEED(stat("d/d/d", &st) == 0 && S_ISDIR(st.st_mode));
	errno = 0;
	return n;
}

/*
 * Symbolic links that lead nowhere: to themselves, to each other, in a chain of twenty thousand;
 * and a pair of each level that doubles the way, 2^64 of them. Each that is followed counts, to
 * forty.
 */
static unsigned bomb_links(void)
{
	static char across[4096];
	char name[64], target[128];
	struct stat st;
	unsigned n = 0;

	NEED(mkdir("/tmp/links", 0700) == 0 && chdir("/tmp/links") == 0);
	NEED(symlink("self", "self") == 0 && symlink("b", "a") == 0 && symlink("a", "b") == 0);
	NEED(symlink(".", "here") == 0);
	for (unsigned level = 0; level < 64; level++) {
		snprintf(name, sizeof(name), "x%u", level);
		snprintf(target, sizeof(target), "x%u/x%u", level + 1, level + 1);
		NEED(symlink(target, name) == 0);
	}
	NEED(symlink(".", "x64") == 0);
	for (; n < 20000; n++) {
		snprintf(name, sizeof(name), "c%u", n);
		snprintf(target, sizeof(target), "c%u", n + 1);
		if (symlink(target, name) < 0)
			break;
	}
	for (unsigned i = 0; i + 5 < sizeof(across); i += 5)
		memcpy(across + i, "here/", 5);
#define LOOPS(call) NEED((call) == -1 && errno == ELOOP)
	for (const char *const *p = (const char *const[]){"self", "a", "x0", "c0", across, NULL};
	     *p; p++) {
		LOOPS(open(*p, O_RDONLY));
		LOOPS(stat(*p, &st));
		LOOPS(chdir(*p));
		LOOPS(access(*p, F_OK));
		LOOPS(truncate(*p, 0));
		LOOPS(syscall(SYS_execve, *p, NULL, NULL));
	}
	across[5 * 40] = 0;
	NEED(stat(across, &st) == 0);
	snprintf(name, sizeof(name), "c%u", n - 40);
	NEED(stat(name, &st) == -1 && errno == ENOENT);
	errno = 0;
	return n;
}

static void bomb(void *arg)
{
	const char *kind = arg;
	struct rlimit all;
	unsigned n = 0;
	int fd, p[2];

	/* As many descriptors as it may have. */
	if (getrlimit(RLIMIT_NOFILE, &all) == 0) {
		all.rlim_cur = all.rlim_max;
		setrlimit(RLIMIT_NOFILE, &all);
	}
	errno = 0;
	if (!strcmp(kind, "fork")) {
		for (pid_t pid; n < MANY && (pid = fork()) >= 0; n++)
			if (pid == 0)
				for (;;)
					pause();
		say(kind, n);
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
	} else if (!strcmp(kind, "thread")) {
		pthread_attr_t attr;
		pthread_t t;
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 16384);
		for (; n < MANY && (errno = pthread_create(&t, &attr, sleep_thread, NULL)) == 0;
		     n++)
			;
		say(kind, n);
	} else if (!strcmp(kind, "fd")) {
		for (; n < MANY && open("/dev/null", O_RDONLY) >= 0; n++)
			;
		say(kind, n);
	} else if (!strcmp(kind, "eventfd")) {
		for (; n < MANY && eventfd(0, 0) >= 0; n++)
			;
		say(kind, n);
	} else if (!strcmp(kind, "host")) {
		/* Host processes and threads that the sentry is not asked for: by the stub's own
		 * clone. */
		long pid = 1;
		stub_find();
		for (; n < MANY / 100 && pid > 0; n++) {
			pid = n % 2 ? stub_call(SYS_clone, STUB_FORK_FLAGS, 0, 0, 0, 0, 0)
			            : host_thread();
			if (pid == 0)
				host_wait();
		}
		errno = (int)-pid;
		say(kind, n - 1);
	} else if (!strcmp(kind, "argv")) {
		bomb_argv();
		say(kind, 1 << 30);
	} else if (!strcmp(kind, "path")) {
		bomb_path();
		say(kind, 1 << 20);
	} else if (!strcmp(kind, "deep")) {
		n = bomb_deep();
		say(kind, n);
	} else if (!strcmp(kind, "links")) {
		n = bomb_links();
		say(kind, n);
	} else if (!strcmp(kind, "files")) {
		/* By several processes, none of which gets all of them. */
		struct {
			unsigned n;
			int error;
		} got;
		NEED(pipe(p) == 0);
		for (int i = 0; i < 8; i++)
			if (fork() == 0) {
				for (got.n = 0; got.n < MANY && eventfd(0, 0) >= 0; got.n++)
					;
				got.error = errno;
				_exit(write(p[1], &got, sizeof(got)) < 0 || pause());
			}
		for (int i = 0; i < 8 && read(p[0], &got, sizeof(got)) == sizeof(got); i++) {
			n += got.n;
			NEED(got.error == ENFILE);
		}
		errno = ENFILE;
		say(kind, n);
	} else if (!strcmp(kind, "pipe")) {
		for (; n < MANY && pipe2(p, O_NONBLOCK) == 0; n++) {
			fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
			while (write(p[1], block, sizeof(block)) > 0)
				;
		}
		say(kind, n);
	} else if (!strcmp(kind, "socket")) {
		int size = 1 << 30;
		for (; n < MANY && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) == 0;
		     n++) {
			setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
			for (unsigned i = 0; i < 1000 && write(p[0], block, sizeof(block)) > 0; i++)
				;
		}
		say(kind, n);
	} else if (!strcmp(kind, "dgram")) {
		for (; n < MANY && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p) == 0; n++)
			for (unsigned i = 0; i < 100000 && write(p[0], "x", 1) > 0; i++)
				;
		say(kind, n);
	} else if (!strcmp(kind, "epoll")) {
		struct epoll_event ev = {.events = EPOLLIN};
		int event = eventfd(0, 0);
		for (unsigned set = 0; set < 1000; set++) {
			fd = epoll_create1(0);
			if (fd < 0)
				break;
			for (unsigned i = 0; i < 2000 && n < MANY; i++) {
				int d = dup(event);
				if (d < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, d, &ev) != 0)
					break;
				n++;
			}
		}
		say(kind, n);
	} else if (!strcmp(kind, "timer")) {
		struct sigevent se = {.sigev_notify = SIGEV_NONE};
		timer_t t;
		for (; n < MANY && timer_create(CLOCK_MONOTONIC, &se, &t) == 0; n++)
			;
		say(kind, n);
	} else if (!strcmp(kind, "signal")) {
		union sigval v = {0};
		sigset_t set;
		sigfillset(&set);
		sigprocmask(SIG_BLOCK, &set, NULL);
		for (; n < MANY && sigqueue(getpid(), SIGRTMIN + 1, v) == 0; n++)
			;
		say(kind, n);
	} else if (!strcmp(kind, "inotify")) {
		fd = inotify_init1(IN_NONBLOCK);
		for (; n < 200000; n++) {
			char name[40];
			snprintf(name, sizeof(name), "/tmp/i%u", n);
			if (mkdir(name, 0777) != 0 ||
			    inotify_add_watch(fd, name, IN_ALL_EVENTS) < 0)
				break;
		}
		/* And events that nobody reads. */
		for (unsigned i = 0; i < 100000; i++)
			utimensat(AT_FDCWD, "/tmp/i0", NULL, 0);
		say(kind, n);
	} else if (!strcmp(kind, "lock")) {
		fd = open("/tmp/locked", O_RDWR | O_CREAT, 0666);
		for (; n < MANY; n++) {
			struct flock fl = {.l_type = F_WRLCK,
			                   .l_whence = SEEK_SET,
			                   .l_start = 2 * (off_t)n,
			                   .l_len = 1};
			if (fcntl(fd, F_SETLK, &fl) != 0)
				break;
		}
		say(kind, n);
	} else if (!strcmp(kind, "shm")) {
		for (; n < MANY; n++) {
			int id = shmget(IPC_PRIVATE, 1 << 20, 0600 | IPC_CREAT);
			void *at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
			if (at == (void *)-1)
				break;
			memset(at, 1, 1 << 20);
		}
		say(kind, n);
	} else if (!strcmp(kind, "msg")) {
		struct {
			long type;
			char text[8000];
		} m = {.type = 1};
		for (; n < MANY; n++) {
			int id = msgget(IPC_PRIVATE, 0600);
			if (id < 0)
				break;
			while (msgsnd(id, &m, sizeof(m.text), IPC_NOWAIT) == 0)
				;
		}
		say(kind, n);
	} else if (!strcmp(kind, "sem")) {
		for (; n < MANY && semget(IPC_PRIVATE, 32000, 0600) >= 0; n++)
			;
		say(kind, n);
	} else if (!strcmp(kind, "mqueue")) {
		struct mq_attr a = {.mq_maxmsg = 10, .mq_msgsize = 8192};
		for (; n < MANY; n++) {
			char name[40];
			snprintf(name, sizeof(name), "/q%u", n);
			mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a);
			if (q < 0)
				break;
			while (mq_send(q, block, 8192, 0) == 0)
				;
		}
		say(kind, n);
	} else if (!strcmp(kind, "anonymous")) {
		for (; n < 4096; n++) {
			char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (at == MAP_FAILED)
				break;
			memset(at, 1, 1 << 20);
		}
		say(kind, n);
	} else if (!strcmp(kind, "memfd") || !strcmp(kind, "tmpfs")) {
		fd = kind[0] == 'm' ? (int)syscall(SYS_memfd_create, "m", 0)
		                    : open("/tmp/big", O_RDWR | O_CREAT, 0666);
		for (; n < 65536 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block); n++)
			;
		say(kind, n);
	} else if (!strcmp(kind, "inode")) {
		for (; n < MANY; n++) {
			char name[40];
			snprintf(name, sizeof(name), "/tmp/n%u", n);
			fd = open(name, O_WRONLY | O_CREAT, 0666);
			if (fd < 0)
				break;
			close(fd);
		}
		say(kind, n);
	} else if (!strcmp(kind, "map")) {
		for (; n < MANY; n++)
			if (mmap(NULL, 4096, n % 2 ? PROT_READ : PROT_NONE,
			         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
				break;
		say(kind, n);
	} else if (!strcmp(kind, "xattr")) {
		for (unsigned f = 0; f < 1000; f++) {
			char name[60];
			snprintf(name, sizeof(name), "/tmp/x%u", f);
			close(open(name, O_WRONLY | O_CREAT, 0666));
			for (unsigned i = 0; i < 200; i++, n++) {
				char attr[60];
				snprintf(attr, sizeof(attr), "user.a%u", i);
				if (syscall(SYS_setxattr, name, attr, block, 60000UL, 0) != 0)
					break;
			}
		}
		say(kind, n);
	} else if (!strcmp(kind, "rights")) {
		/* Descriptors sent, not received, closed: only the message holds them. */
		for (; n < MANY && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p) == 0;
		     n++) {
			char control[CMSG_SPACE(sizeof(int))] = "";
			struct iovec iov = {"x", 1};
			struct msghdr m = {.msg_iov = &iov,
			                   .msg_iovlen = 1,
			                   .msg_control = control,
			                   .msg_controllen = sizeof(control)};
			struct cmsghdr *c = CMSG_FIRSTHDR(&m);
			*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			                      .cmsg_type = SCM_RIGHTS,
			                      .cmsg_len = CMSG_LEN(sizeof(int))};
			*(int *)CMSG_DATA(c) = p[1];
			if (sendmsg(p[0], &m, 0) < 0)
				break;
			close(p[0]);
			close(p[1]);
		}
		say(kind, n);
	} else {
		fail("no such kind");
	}
}

int main(int argc, char **argv)
{
	NEED(argc == 2);
	/* In a group of its own, so that it can end all that it made. */
	pid_t pid = fork();
	int status;

	NEED(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		bomb(argv[1]);
		fflush(stdout);
		kill(0, SIGKILL);
		pause();
	}
	for (uint64_t end = now_ms() + 20000; now_ms() < end && waitpid(pid, &status, WNOHANG) == 0;
	     nap(10))
		;
	kill(-pid, SIGKILL);
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
	/* What the host counts is used up to the end: this sandbox has done for itself. */
	if (!strcmp(argv[1], "host")) {
		puts("nowhere");
		return 0;
	}
	if (system("rm -rf /tmp/* 2>/dev/null"))
		puts("not all is removed");
	well();
	puts("nowhere");
	return 0;
}
