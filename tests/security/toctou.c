/*
 * Memory that changes while it is read: for every call of sentry/syscalls.def, each argument that
 * is a buffer, a path, a vector or a structure lies in memory that a second thread keeps
 * overwriting, with pointers into itself, lengths, descriptors and garbage. A call may return what
 * it likes, but what one process does so no other may notice, and nothing may be written behind the
 * end of what was given.
 */
#include "attack.h"
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum kind { END_OF_ARGS, NUMBER, DESCRIPTOR, DIRECTORY, LENGTH, MEMORY, STRING, PROCESS };

#define FD(n)                                         DESCRIPTOR
#define DIRFD(n)                                      DIRECTORY
#define OUT(n, ...)                                   MEMORY
#define IN(n, ...)                                    MEMORY
#define SIN(n, ...)                                   MEMORY
#define SOUT(n, ...)                                  MEMORY
#define SINOUT(n, ...)                                MEMORY
#define IOVIN(n, ...)                                 MEMORY
#define IOVOUT(n, ...)                                MEMORY
#define PTR(n)                                        MEMORY
#define ARGV(n)                                       MEMORY
#define PATH(n)                                       STRING
#define STR(n)                                        STRING
#define SIZE(n)                                       LENGTH
#define UINT(n)                                       LENGTH
#define INT(n)                                        NUMBER
#define HEX(n)                                        NUMBER
#define LONG(n)                                       NUMBER
#define OFF(n)                                        NUMBER
#define MODE(n)                                       NUMBER
#define PID(n)                                        PROCESS
#define UID(n)                                        NUMBER
#define GID(n)                                        NUMBER
#define DEV(n)                                        NUMBER
#define CLOCK(n)                                      NUMBER
#define SIGNAL(n)                                     NUMBER
#define FLAGS(n, ...)                                 NUMBER
#define NOARGS                                        END_OF_ARGS
#define SYSCALL(nr, name, fn, status, err, note, ...) {nr, #name, {__VA_ARGS__}},

static const struct call {
	int nr;
	const char *name;
	enum kind arg[7];
} calls[] = {
#include "sentry/syscalls.def"
};

/* What would only end the attempt, or do harm to nobody but itself for long. */
static bool left_out(const char *name)
{
	static const char *const names[] = {"exit",
	                                    "exit_group",
	                                    "rt_sigreturn",
	                                    "pause",
	                                    "kill",
	                                    "tkill",
	                                    "tgkill",
	                                    "reboot",
	                                    "fork",
	                                    "vfork",
	                                    "clone",
	                                    "clone3",
	                                    "ptrace",
	                                    "munmap",
	                                    "mremap",
	                                    "mmap",
	                                    "brk",
	                                    "shmat",
	                                    "restart_syscall",
	                                    "rt_sigqueueinfo",
	                                    "rt_tgsigqueueinfo",
	                                    "remap_file_pages",
	                                    "mprotect",
	                                    "pkey_mprotect",
	                                    "shmdt",
	                                    "madvise"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

enum { AREA = 1 << 14, GUARD = 4096, FILE_MAX = 1 << 20, BLOCKED_MS = 150, PATIENCE_MS = 20000 };
static unsigned char *area;     /* AREA bytes that change, then a page that must not */
static _Atomic unsigned *tried; /* how often each call was made */

static int change(void *arg)
{
	uint64_t r = seed((unsigned)(uintptr_t)arg);
	static const char *const paths[] = {"/tmp/x", "/proc/self/exe", "/tmp/../tmp/y",
	                                    "/dev/null", "a/b/c/../../d"};

	for (;;) {
		uint64_t *at = (uint64_t *)area + next_random(&r) % (AREA / 8);

		switch (next_random(&r) % 6) {
		case 0:
			*at = (uint64_t)area + next_random(&r) % AREA;
			break;
		case 1:
			*at = next_random(&r) % 64;
			break;
		case 2:
			*at = nasty(&r);
			break;
		case 3: /* vectors: pointers with lengths */
			for (unsigned i = 0; i < 8 && (unsigned char *)(at + 2) < area + AREA;
			     i++, at += 2) {
				at[0] = (uint64_t)area + next_random(&r) % AREA;
				at[1] = next_random(&r) % 512;
			}
			break;
		case 4: {
			const char *p = paths[next_random(&r) % COUNT(paths)];
			if ((unsigned char *)at + 20 < area + AREA)
				memcpy(at, p, strlen(p) + (next_random(&r) & 1));
			break;
		}
		case 5: /* the first words, where structures begin */
			((uint64_t *)area)[next_random(&r) % 16] = nasty(&r);
			break;
		}
	}
	return 0;
}

static uint64_t argument(enum kind kind, uint64_t *r)
{
	switch (kind) {
	case DESCRIPTOR:
		return next_random(r) % 24;
	case DIRECTORY:
		return next_random(r) % 2 ? (uint64_t)AT_FDCWD : next_random(r) % 24;
	case LENGTH:
		return next_random(r) % 4 ? next_random(r) % 64 : nasty(r);
	case MEMORY:
		if (next_random(r) % 8 == 0)
			return nasty(r);
		return (uint64_t)area + next_random(r) % 64 * 8;
	case PROCESS: /* others may be changed by right: their limits, say */
		return next_random(r) % 2 ? (uint64_t)getpid() : 0;
	case STRING:
		return (uint64_t)area + next_random(r) % AREA;
	default:
		return next_random(r) % 2 ? next_random(r) % 40 : nasty(r);
	}
}

/* One descriptor of each kind. */
static void open_some(void)
{
	int pair[2];

	chdir("/tmp");
	/* Files that grow are memory that is theirs by right; they are to stay small. */
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){FILE_MAX, FILE_MAX});
	for (int i = 0; i < 3; i++)
		open("/tmp/toctou", O_RDWR | O_CREAT, 0666);
	open("/tmp", O_RDONLY | O_DIRECTORY);
	pipe2(pair, O_NONBLOCK);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
	syscall(SYS_epoll_create1, 0);
	syscall(SYS_eventfd2, 0, O_NONBLOCK);
	syscall(SYS_timerfd_create, 1, O_NONBLOCK);
	syscall(SYS_inotify_init1, O_NONBLOCK);
	syscall(SYS_memfd_create, "m", 2);
	open("/proc/self/maps", O_RDONLY);
	open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
}

static void one(void *arg)
{
	const struct call *c = arg;
	uint64_t r = seed((unsigned)c->nr), a[6];
	char *stack = malloc(1 << 16);

	open_some();
	/* A thread without libc, whose data the calls may overwrite. */
	if (clone(change, stack + (1 << 16),
	          CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD,
	          (void *)(uintptr_t)c->nr) < 0)
		_exit(2);
	for (unsigned i = 0; i < 1000 * rounds(); i++) {
		for (unsigned k = 0; k < 6; k++)
			a[k] = c->arg[k] == END_OF_ARGS ? 0 : argument(c->arg[k], &r);
		tried[c - calls]++;
		syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	_exit(0);
}

/*
 * A call may wait for ever, so the time is short, but a machine that is busy with other things may
 * not have come to it at all in that time.
 */
static void try(const struct call *c)
{
	for (unsigned ms = BLOCKED_MS * rounds(); !tried[c - calls] && ms < PATIENCE_MS * rounds();
	     ms *= 5)
		contain(one, (void *)c, ms);
}

int main(void)
{
	enum { AT_ONCE = 6 };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC); /* somebody may remove the name */
	unsigned n = 0;

	NEED(null >= 0);
	area = mmap(NULL, AREA + GUARD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(area != MAP_FAILED);
	tried = mmap(NULL, sizeof(*tried) * COUNT(calls), PROT_READ | PROT_WRITE,
	             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(tried != MAP_FAILED);
	for (size_t i = 0; i < COUNT(calls);) {
		unsigned k = 0;
		for (; k < AT_ONCE && i < COUNT(calls); i++) {
			if (left_out(calls[i].name))
				continue;
			pid_t pid = fork();
			NEED(pid >= 0);
			if (pid == 0) {
				/* What it may do to process groups, sessions and our output stays
				 * with it. */
				setsid();
				dup2(null, STDOUT_FILENO);
				try(&calls[i]);
				_exit(0);
			}
			k++;
			n++;
		}
		while (k--)
			NEED(wait(NULL) > 0);
	}
	for (size_t i = 0; i < COUNT(calls); i++)
		if (!left_out(calls[i].name) && !tried[i])
			fail("%s was never called", calls[i].name);
	printf("%u calls\n", n);
	NEED(n > 250);
	/* A superuser's mount_setattr may have made /tmp read-only, by right. */
	if (geteuid() == 0)
		NEED(mount("well", "/tmp", "tmpfs", 0, NULL) == 0);
	well();
	puts("nowhere");
	return 0;
}
