/*
 * Helpers of the compatibility programs.
 *
 * A program in this folder prints facts about Linux semantics, one a line, and the runner compares
 *what it prints natively with what it prints inside moat. So a fact must be deterministic (no pid,
 *address, time or inode number) and a failure must show its errno by name. The macros print the
 *checked expression itself:
 *
 *	RES(expr)	a system call's result, or the name of errno when it is -1
 *	OKAY(expr)	the same, where a result such as an fd number means nothing: 'ok' or errno
 *	MAP(expr)	the same for a pointer that may be MAP_FAILED
 *	ERR(expr)	a pthread-like result: 0 or an errno value
 *	YES(expr)	a condition
 *	NUM(expr)	a number
 *	HEX(expr)	a number in hexadecimal
 *	STR(expr)	a string
 *
 * Each yields the value of the expression. Standard output is line-buffered, so a fork never
 *repeats a line. Every process that begins in main() or fork_child() has an alarm of COMPAT_ALARM
 *seconds and thus never hangs.
 */
#ifndef COMPAT_H
#define COMPAT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Wrong arguments are what these programs are about. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wunused-result"
#else
#pragma GCC diagnostic ignored "-Wnonnull"
#endif

#ifndef COMPAT_ALARM
#define COMPAT_ALARM 20
#endif

#define COMPAT_INLINE static inline __attribute__((unused))

__attribute__((constructor)) static void compat_begin(void)
{
	struct rlimit rl;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(COMPAT_ALARM);
	if (getrlimit(RLIMIT_CORE, &rl) == 0) {
		rl.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &rl);
	}
	umask(022);
}

__attribute__((noreturn, format(printf, 1, 2))) COMPAT_INLINE void die(const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	printf("DIED: ");
	vprintf(fmt, ap);
	printf(": %s\n", strerrorname_np(e) ? strerrorname_np(e) : "?");
	va_end(ap);
	exit(99);
}

/* A program that cannot run natively in this environment says why; the runner counts it as skipped.
 */
__attribute__((noreturn)) COMPAT_INLINE void skip(const char *why)
{
	printf("skip: %s\n", why);
	exit(77);
}

/* What changes the mount of / has none to change where the tests run in a chroot. */
COMPAT_INLINE void need_root_mount(void)
{
	struct statx sx;

	if (statx(AT_FDCWD, "/", 0, 0, &sx) == 0 && !(sx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		skip("/ is no mount point");
}

COMPAT_INLINE const char *err_name(int e)
{
	const char *name = e == 0 ? "0" : strerrorname_np(e);

	return name ? name : "unknown errno";
}

COMPAT_INLINE long compat_res(const char *what, long r, int e)
{
	if (r == -1)
		printf("%s = -1 %s\n", what, err_name(e));
	else
		printf("%s = %ld\n", what, r);
	errno = e;
	return r;
}

COMPAT_INLINE long compat_okay(const char *what, long r, int e)
{
	if (r == -1)
		printf("%s = -1 %s\n", what, err_name(e));
	else
		printf("%s = ok\n", what);
	errno = e;
	return r;
}

COMPAT_INLINE void *compat_map(const char *what, void *p, int e)
{
	if (p == MAP_FAILED)
		printf("%s = MAP_FAILED %s\n", what, err_name(e));
	else
		printf("%s = ok\n", what);
	errno = e;
	return p;
}

COMPAT_INLINE int compat_err(const char *what, int r)
{
	printf("%s = %s\n", what, err_name(r));
	return r;
}

COMPAT_INLINE bool compat_yes(const char *what, bool v)
{
	printf("%s: %s\n", what, v ? "yes" : "no");
	return v;
}

COMPAT_INLINE long compat_num(const char *what, long v)
{
	printf("%s is %ld\n", what, v);
	return v;
}

COMPAT_INLINE unsigned long compat_hex(const char *what, unsigned long v)
{
	printf("%s is %#lx\n", what, v);
	return v;
}

COMPAT_INLINE const char *compat_str(const char *what, const char *v)
{
	printf("%s is \"%s\"\n", what, v ? v : "(null)");
	return v;
}

#define RES(expr)                                                                                  \
	__extension__({                                                                            \
		errno = 0;                                                                         \
		long res_ = (long)(expr);                                                          \
		compat_res(#expr, res_, errno);                                                    \
	})
#define OKAY(expr)                                                                                 \
	__extension__({                                                                            \
		errno = 0;                                                                         \
		long res_ = (long)(expr);                                                          \
		compat_okay(#expr, res_, errno);                                                   \
	})
#define MAP(expr)                                                                                  \
	__extension__({                                                                            \
		errno = 0;                                                                         \
		void *map_ = (expr);                                                               \
		compat_map(#expr, map_, errno);                                                    \
	})
#define ERR(expr) compat_err(#expr, (expr))
#define YES(expr) compat_yes(#expr, (expr))
#define NUM(expr) compat_num(#expr, (long)(expr))
#define HEX(expr) compat_hex(#expr, (unsigned long)(expr))
#define STR(expr) compat_str(#expr, (expr))

/* A pointer that no process can read, hidden from the compiler's checks. */
COMPAT_INLINE void *bad_ptr(void)
{
	static void *volatile p = (void *)16;

	return p;
}

COMPAT_INLINE const char *sig_name(int sig)
{
	static char name[32];

	if (sig >= SIGRTMIN && sig <= SIGRTMAX)
		snprintf(name, sizeof(name), "SIGRTMIN+%d", sig - SIGRTMIN);
	else if (sigabbrev_np(sig))
		snprintf(name, sizeof(name), "SIG%s", sigabbrev_np(sig));
	else
		snprintf(name, sizeof(name), "signal %d", sig);
	return name;
}

COMPAT_INLINE void show_status(const char *what, int status)
{
	if (WIFEXITED(status))
		printf("%s: exited %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: killed by %s\n", what, sig_name(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %s\n", what, sig_name(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
	else
		printf("%s: odd status %#x\n", what, (unsigned int)status);
}

/* Wait for this child's end and print it. */
COMPAT_INLINE int reap(const char *what, pid_t pid)
{
	int status = 0;
	pid_t r;

	do {
		r = waitpid(pid, &status, 0);
	} while (r < 0 && errno == EINTR);
	if (r != pid)
		printf("%s: waitpid failed with %s\n", what, err_name(errno));
	else
		show_status(what, status);
	return status;
}

/* Processes that take turns: one waits at the end of a pipe until another passes at its other end.
 */
COMPAT_INLINE void turn_pass(int fd)
{
	if (write(fd, "x", 1) != 1)
		die("write");
}

COMPAT_INLINE void turn_await(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		die("read");
}

COMPAT_INLINE pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		alarm(COMPAT_ALARM);
	return pid;
}

/* Run a block in a child, wait for it and print how it ended. The block may _exit(n); else it exits
 * 0. */
#define IN_CHILD(what, ...)                                                                        \
	do {                                                                                       \
		pid_t in_child_ = fork_child();                                                    \
		if (in_child_ == 0) {                                                              \
			__VA_ARGS__;                                                               \
			fflush(stdout);                                                            \
			_exit(0);                                                                  \
		}                                                                                  \
		reap(what, in_child_);                                                             \
	} while (0)

COMPAT_INLINE void msleep(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

COMPAT_INLINE long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static char compat_tmp[256];
static pid_t compat_tmp_owner;

COMPAT_INLINE int compat_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	if (type == FTW_D || type == FTW_DP || type == FTW_DNR)
		rmdir(path);
	else
		unlink(path);
	return 0;
}

COMPAT_INLINE void compat_tmp_end(void)
{
	if (getpid() != compat_tmp_owner || chdir("/") != 0)
		return;
	nftw(compat_tmp, compat_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Make a directory of our own, go there, and remove it with all its contents at exit. */
COMPAT_INLINE const char *tmp_enter(void)
{
	const char *base = getenv("COMPAT_TMPDIR");

	snprintf(compat_tmp, sizeof(compat_tmp), "%s/compat-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(compat_tmp) || chdir(compat_tmp) != 0)
		die("mkdtemp");
	compat_tmp_owner = getpid();
	atexit(compat_tmp_end);
	return compat_tmp;
}

/* Create a file with these contents; its mode is 0644. */
/* The name in the folder; the last four results of a thread stay. */
COMPAT_INLINE const char *path_in(const char *folder, const char *name)
{
	static _Thread_local char buf[4][300];
	static _Thread_local unsigned next;
	char *p = buf[next++ % 4];

	snprintf(p, sizeof(buf[0]), "%s/%s", folder, name);
	return p;
}

COMPAT_INLINE void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd) != 0)
		die("put_file %s", path);
}

/* The contents of a small file, in a static buffer; "(errno name)" when it cannot be read. */
COMPAT_INLINE const char *get_file(const char *path)
{
	static char buf[8192];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : 0;
	size_t len = 0;

	while (n >= 0 && len < sizeof(buf) - 1 &&
	       (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		len = (size_t)snprintf(buf, sizeof(buf), "(%s)", err_name(errno));
	buf[len] = 0;
	if (fd >= 0)
		close(fd);
	return buf;
}

/* Is this descriptor open? */
COMPAT_INLINE bool fd_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

COMPAT_INLINE void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sa.sa_flags = flags;
	sigemptyset(&sa.sa_mask);
	if (sigaction(sig, &sa, NULL) < 0)
		die("sigaction");
}

COMPAT_INLINE void handle_info(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = handler;
	sa.sa_flags = flags | SA_SIGINFO;
	sigemptyset(&sa.sa_mask);
	if (sigaction(sig, &sa, NULL) < 0)
		die("sigaction");
}

COMPAT_INLINE sigset_t sigset_of(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

/* Drop to an ordinary user for permission checks; without root it is one already. */
COMPAT_INLINE void become_nobody(void)
{
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		die("setuid");
}

#endif
