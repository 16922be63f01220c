/*
 * A system call fuzzer that runs inside a sandbox: `make fuzz-guest`. Calls and the kinds of their
 * arguments come from sentry/syscalls.def, the arguments from what a program could have: files of
 * all kinds, names, structures of plausible and of boundary values.
 *
 * The driver makes rounds. In each, a pid namespace of its own holds an init and the workers, which
 * are processes of two threads that make calls at random until they die of them or their time is
 * over. What they do to each other does not matter; that the sandbox is well afterwards, and empty,
 * does. Nothing that a worker can name is the driver.
 *
 * usage: guest SECONDS SEED [ROUND]      with ROUND: that one only
 */
#include "tests/security/attack.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#define ROUND_MS     1500
#define WORKER_MS    300
#define WORKERS      3
#define WORKER_CALLS 400
#define ARENA        65536UL /* bytes that arguments point to, with nothing behind */
#define FIRST_FD     3
#define FD_GUESS     48

/* ---- the table ------------------------------------------------------------ */

enum kind {
	NONE,
	NUMBER,
	LENGTH,
	FILE_NO,
	PROCESS,
	ID,
	SIGNAL_NO,
	CLOCK_NO,
	POINTER,
	NAME,
	STRUCT,
	IOVEC,
	STRINGS,
	BITS
};

struct argument {
	unsigned char kind;
	unsigned short size;
};

struct call {
	short nr; /* -1: not to be made */
	const char *name;
	struct argument arg[6];
};

#define NOARGS                                                                                     \
	{                                                                                          \
		NONE, 0                                                                            \
	}
#define FD(n)                                                                                      \
	{                                                                                          \
		FILE_NO, 0                                                                         \
	}
#define DIRFD(n)                                                                                   \
	{                                                                                          \
		FILE_NO, 0                                                                         \
	}
#define INT(n)                                                                                     \
	{                                                                                          \
		NUMBER, 0                                                                          \
	}
#define UINT(n)                                                                                    \
	{                                                                                          \
		NUMBER, 0                                                                          \
	}
#define LONG(n)                                                                                    \
	{                                                                                          \
		NUMBER, 0                                                                          \
	}
#define HEX(n)                                                                                     \
	{                                                                                          \
		BITS, 0                                                                            \
	}
#define SIZE(n)                                                                                    \
	{                                                                                          \
		LENGTH, 0                                                                          \
	}
#define OFF(n)                                                                                     \
	{                                                                                          \
		LENGTH, 0                                                                          \
	}
#define MODE(n)                                                                                    \
	{                                                                                          \
		BITS, 0                                                                            \
	}
#define DEV(n)                                                                                     \
	{                                                                                          \
		NUMBER, 0                                                                          \
	}
#define PID(n)                                                                                     \
	{                                                                                          \
		PROCESS, 0                                                                         \
	}
#define UID(n)                                                                                     \
	{                                                                                          \
		ID, 0                                                                              \
	}
#define GID(n)                                                                                     \
	{                                                                                          \
		ID, 0                                                                              \
	}
#define SIGNAL(n)                                                                                  \
	{                                                                                          \
		SIGNAL_NO, 0                                                                       \
	}
#define CLOCK(n)                                                                                   \
	{                                                                                          \
		CLOCK_NO, 0                                                                        \
	}
#define PTR(n)                                                                                     \
	{                                                                                          \
		POINTER, 0                                                                         \
	}
#define PATH(n)                                                                                    \
	{                                                                                          \
		NAME, 0                                                                            \
	}
#define STR(n)                                                                                     \
	{                                                                                          \
		NAME, 0                                                                            \
	}
#define ARGV(n)                                                                                    \
	{                                                                                          \
		STRINGS, 0                                                                         \
	}
#define IN(n, len)                                                                                 \
	{                                                                                          \
		POINTER, 0                                                                         \
	}
#define OUT(n, len)                                                                                \
	{                                                                                          \
		POINTER, 0                                                                         \
	}
#define SIN(n, size)                                                                               \
	{                                                                                          \
		STRUCT, size                                                                       \
	}
#define SOUT(n, size)                                                                              \
	{                                                                                          \
		STRUCT, size                                                                       \
	}
#define SINOUT(n, size)                                                                            \
	{                                                                                          \
		STRUCT, size                                                                       \
	}
#define IOVIN(n, cnt)                                                                              \
	{                                                                                          \
		IOVEC, 0                                                                           \
	}
#define IOVOUT(n, cnt)                                                                             \
	{                                                                                          \
		IOVEC, 0                                                                           \
	}
#define FLAGS(n, set)                                                                              \
	{                                                                                          \
		BITS, 0                                                                            \
	}

#define SYSCALL(number, name_, body, status, refusal, note, ...)                                   \
	{.nr = number, .name = #name_, .arg = {__VA_ARGS__}},
static const struct call calls[] = {
#include "sentry/syscalls.def"
};

/* A worker that has ended makes no more calls. */
static bool is_made(const struct call *c)
{
	return c->nr != SYS_exit && c->nr != SYS_exit_group && c->nr != SYS_rt_sigreturn;
}

/* ---- arguments ------------------------------------------------------------- */

static unsigned char *arena;
static pid_t init_pid; /* of the round's namespace */

struct worker {
	uint64_t random;
};

static uint64_t below(struct worker *w, uint64_t n)
{
	return next_random(&w->random) % n;
}

static const char *const names[] = {
    "a",
    "b",
    "d",
    "d/a",
    "d/../a",
    "./d/./b",
    "link",
    "loop",
    "dirlink/a",
    "fifo",
    "socket",
    "",
    ".",
    "..",
    "/",
    "/tmp",
    "a/",
    "none/such",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/urandom",
    "/dev/ptmx",
    "/dev/tty",
    "/dev/shm/x",
    "/proc",
    "/proc/self",
    "/proc/self/exe",
    "/proc/self/root",
    "/proc/self/cwd",
    "/proc/self/fd",
    "/proc/self/fd/4",
    "/proc/self/fdinfo/5",
    "/proc/self/maps",
    "/proc/self/mem",
    "/proc/self/status",
    "/proc/self/stat",
    "/proc/self/environ",
    "/proc/self/uid_map",
    "/proc/self/gid_map",
    "/proc/self/setgroups",
    "/proc/self/oom_score_adj",
    "/proc/self/comm",
    "/proc/self/mounts",
    "/proc/self/mountinfo",
    "/proc/self/smaps",
    "/proc/self/pagemap",
    "/proc/self/ns/pid",
    "/proc/self/ns/mnt",
    "/proc/self/ns/user",
    "/proc/self/task",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/fs/pipe-max-size",
    "/proc/meminfo",
    "/proc/locks",
    "/sys",
    "/sys/kernel",
    "tmpfs",
    "proc",
    "overlay",
    "size=1m,mode=755",
    "lowerdir=d,upperdir=a,workdir=b",
    "user.x",
    "security.capability",
    "trusted.overlay.opaque",
    "system.posix_acl_access",
};

static uint64_t number(struct worker *w)
{
	switch (below(w, 5)) {
	case 0:
		return nasty(&w->random);
	case 1:
		return below(w, 4096);
	default:
		return below(w, 12);
	}
}

static uint64_t bits(struct worker *w)
{
	/* Requests of ioctl: terminals, FIONREAD and its like, namespaces, inotify. */
	static const unsigned char kinds[] = {0x54, 0x54, 0x89, 0xb7, 0x66};

	switch (below(w, 8)) {
	case 0:
		return nasty(&w->random);
	case 1:
		return kinds[below(w, COUNT(kinds))] << 8 | below(w, 0x70);
	case 2:
		return below(w, 128);
	case 3:
		return 1ULL << below(w, 34);
	case 4:
		return 1ULL << below(w, 34) | 1ULL << below(w, 34) | 1ULL << below(w, 34);
	case 5:
		return 0644 | below(w, 4096);
	default:
		return below(w, 8);
	}
}

static uint64_t file_number(struct worker *w)
{
	switch (below(w, 12)) {
	case 0:
		return nasty(&w->random);
	case 1:
		return (uint64_t)AT_FDCWD;
	default:
		return FIRST_FD + below(w, FD_GUESS);
	}
}

static uint64_t process(struct worker *w)
{
	switch (below(w, 8)) {
	case 0:
		return nasty(&w->random);
	case 1:
		return 0;
	case 2:
		return (uint64_t)syscall(SYS_getpid);
	case 3:
		return (uint64_t)syscall(SYS_gettid);
	case 4:
		return (uint64_t)-syscall(SYS_getpid);
	default:
		return 1 + below(w, 64);
	}
}

static uint64_t length(struct worker *w)
{
	switch (below(w, 8)) {
	case 0:
		return nasty(&w->random);
	case 1:
		return below(w, 32) * 4096;
	case 2:
		return 1ULL << below(w, 22);
	default:
		return below(w, 300);
	}
}

/* Where something of n bytes may be. */
static unsigned char *place(struct worker *w, size_t n)
{
	if (below(w, 16) == 0)
		return arena + ARENA - below(w, n + 1);
	return arena + (below(w, ARENA - 4096) & ~7ULL);
}

static uint64_t pointer(struct worker *w)
{
	switch (below(w, 16)) {
	case 0:
		return nasty(&w->random);
	case 1:
		return 0;
	case 2:
		return (uint64_t)arena + ARENA; /* nothing there */
	case 3:
		return (uint64_t)arena + below(w, 16) * 4096;
	default:
		return (uint64_t)place(w, 64);
	}
}

/* A word of a structure: what it is for is not known. */
static uint64_t word(struct worker *w)
{
	switch (below(w, 10)) {
	case 0:
		return nasty(&w->random);
	case 1:
		return (uint64_t)place(w, 64);
	case 2:
		return file_number(w);
	case 3:
		return bits(w);
	case 4:
		return length(w);
	case 5:
		return below(w, 8) | below(w, 8) << 32;
	default:
		return below(w, 4);
	}
}

static void fill(struct worker *w, unsigned char *to, size_t n)
{
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t v = word(w);
		size_t left = (size_t)(arena + ARENA - (to + i));

		/* Another thread may have unmapped it: then the worker dies, as it may. */
		memcpy(to + i, &v, left < sizeof(v) ? left : sizeof(v));
		if (left <= sizeof(v))
			return;
	}
}

static uint64_t structure(struct worker *w, size_t n)
{
	unsigned char *p;

	if (below(w, 12) == 0)
		return pointer(w);
	p = place(w, n);
	fill(w, p, n);
	return (uint64_t)p;
}

static uint64_t name(struct worker *w)
{
	const char *s = names[below(w, COUNT(names))];
	size_t n = strlen(s) + 1;
	unsigned char *p = place(w, n);

	if (below(w, 20) == 0)
		return pointer(w);
	/* At the very end it is cut off, and no NUL comes. */
	if ((size_t)(arena + ARENA - p) < n)
		n = (size_t)(arena + ARENA - p);
	memcpy(p, s, n);
	return (uint64_t)p;
}

static uint64_t vector(struct worker *w)
{
	uint64_t *v = (uint64_t *)(void *)(arena + (below(w, ARENA - 4096) & ~7ULL));

	for (unsigned i = 0; i < 16; i += 2) {
		v[i] = pointer(w);
		v[i + 1] = length(w);
	}
	return (uint64_t)v;
}

static uint64_t strings(struct worker *w)
{
	uint64_t *v = (uint64_t *)(void *)(arena + (below(w, ARENA - 4096) & ~7ULL));
	unsigned n = (unsigned)below(w, 4);

	/* One string at most: with more the program would be a driver. */
	for (unsigned i = 0; i < n; i++)
		v[i] = i ? 0 : name(w);
	v[n] = 0;
	return (uint64_t)v;
}

static uint64_t value(struct worker *w, const struct argument *a)
{
	switch ((enum kind)a->kind) {
	case NONE:
	case LENGTH:
		return length(w);
	case NUMBER:
		return number(w);
	case FILE_NO:
		return file_number(w);
	case PROCESS:
		return process(w);
	case ID:
		return below(w, 3) ? below(w, 3) * 1000 : nasty(&w->random);
	case SIGNAL_NO:
		return below(w, 10) ? below(w, 66) : nasty(&w->random);
	case CLOCK_NO:
		return below(w, 10) ? below(w, 13) : nasty(&w->random);
	case POINTER:
		if (below(w, 3) == 0)
			return structure(w, 128);
		return pointer(w);
	case NAME:
		return name(w);
	case STRUCT:
		return structure(w, a->size);
	case IOVEC:
		return vector(w);
	case STRINGS:
		return strings(w);
	case BITS:
		break;
	}
	return bits(w);
}

/* ---- a worker ---------------------------------------------------------------- */

static void one_call(struct worker *w)
{
	const struct call *c = &calls[below(w, COUNT(calls))];
	uint64_t v[6];

	if (!is_made(c))
		return;
	for (unsigned i = 0; i < 6; i++)
		v[i] = value(w, &c->arg[i]);
	syscall(c->nr, v[0], v[1], v[2], v[3], v[4], v[5]);
}

static void *many_calls(void *arg)
{
	struct worker w = {.random = *(uint64_t *)arg};

	for (unsigned i = 0; i < WORKER_CALLS; i++)
		one_call(&w);
	return NULL;
}

/* So that what blocks goes on. */
static void interrupted(int sig)
{
	(void)sig;
}

static void open_sockets(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int s[2], f = socket(AF_UNIX, SOCK_STREAM, 0);

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	unlink(a.sun_path);
	if (bind(f, (struct sockaddr *)&a, sizeof(a)) == 0)
		listen(f, 4);
}

/* Files of all kinds, at the numbers that file_number guesses. */
static void open_files(void)
{
	static const char *const some[] = {"/dev/null",
	                                   "/dev/zero",
	                                   "/dev/urandom",
	                                   "/dev/ptmx",
	                                   "/proc/self/mem",
	                                   "/proc/self/maps",
	                                   "/proc/self",
	                                   "/",
	                                   "."};
	sigset_t set;
	int p[2];

	mkdir("d", 0777);
	symlink("a", "link");
	symlink("loop", "loop");
	symlink("d", "dirlink");
	mkfifo("fifo", 0666);
	open("a", O_CREAT | O_RDWR, 0666);
	open("d/a", O_CREAT | O_RDWR | O_APPEND, 0666);
	for (unsigned i = 0; i < COUNT(some); i++)
		if (open(some[i], O_RDWR | O_NONBLOCK) < 0)
			open(some[i], O_RDONLY);
	open("a", O_PATH);
	pipe(p);
	pipe2(p, O_NONBLOCK);
	open_sockets();
	eventfd(1, EFD_NONBLOCK);
	timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	epoll_create1(0);
	inotify_init1(IN_NONBLOCK);
	sigfillset(&set);
	signalfd(-1, &set, SFD_NONBLOCK);
	ftruncate(memfd_create("m", MFD_ALLOW_SEALING), 8192);
	syscall(SYS_pidfd_open, getpid(), 0);
	syscall(SYS_pidfd_open, init_pid, 0);
}

static void worker_main(uint64_t random)
{
	struct sigaction sa = {.sa_handler = interrupted};
	const struct itimerval tick = {{0, 20000}, {0, 20000}};
	uint64_t other = next_random(&random);
	pthread_t thread;
	sigset_t none;

	open_files();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
	if (pthread_create(&thread, NULL, many_calls, &other) == 0)
		pthread_detach(thread);
	many_calls(&random);
	_exit(0);
}

static void map_arena(void)
{
	arena =
	    mmap(NULL, ARENA + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(arena != MAP_FAILED && mprotect(arena + ARENA, 4096, PROT_NONE) == 0);
}

/* ---- a round ------------------------------------------------------------------ */

static pid_t worker_start(uint64_t *random)
{
	uint64_t its = next_random(random);
	pid_t pid = fork();

	if (pid == 0)
		worker_main(its);
	return pid;
}

/* The first process of the round's namespace. Its children may signal it, and stop it by ptrace. */
static void init_main(uint64_t random)
{
	struct {
		pid_t pid;
		uint64_t end;
	} at[WORKERS] = {0};

	/* A process group knows no namespaces: kill(0) of a worker must not reach the driver. */
	setsid();
	init_pid = getpid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	map_arena();
	for (;; nap(2)) {
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
		for (unsigned i = 0; i < WORKERS; i++) {
			if (at[i].pid > 0 && kill(at[i].pid, 0) == 0 && now_ms() < at[i].end)
				continue;
			if (at[i].pid > 0)
				kill(at[i].pid, SIGKILL);
			at[i].pid = worker_start(&random);
			at[i].end = now_ms() + WORKER_MS;
		}
	}
}

/* A new directory for each round, below one that only the driver uses. */
static void round_main(void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	pid_t init;

	setsid();
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0)
		fail("a namespace for the round");
	init = fork();
	if (init < 0)
		fail("fork");
	if (init == 0)
		init_main(random);
	nap(ROUND_MS);
	kill(init, SIGKILL);
	if (waitpid(init, NULL, 0) != init)
		fail("the round's init does not end");
}

static unsigned processes(void)
{
	unsigned n = 0;

	for (pid_t p = 1; p < 32768; p++)
		n += kill(p, 0) == 0 || errno == EPERM;
	return n;
}

/* Whoever was in the round's namespace must be gone, though perhaps not at once. */
static void check_empty(unsigned before)
{
	uint64_t end = now_ms() + 20000;

	while (processes() > before) {
		if (now_ms() > end)
			fail("%u processes are left of a round", processes() - before);
		nap(20);
	}
}

/*
 * A round is its mount namespace's superuser. Where it has unmounted what is on /tmp, it may rename
 * the directory, and put anything in its place, and make the file system read-only, for others,
 * too: as on Linux.
 */
static void renew_tmp(unsigned round)
{
	struct stat st;
	char aside[64];

	if (stat("/tmp", &st) == 0 && S_ISDIR(st.st_mode))
		return;
	snprintf(aside, sizeof(aside), "/tmp-of-round-%u", round);
	NEED(mount(NULL, "/", NULL, MS_REMOUNT, NULL) == 0);
	NEED(rename("/tmp", aside) == 0 || errno == ENOENT);
	NEED(mkdir("/tmp", 01777) == 0);
}

static void round_run(uint64_t seed_, unsigned round, unsigned before)
{
	char folder[64];
	uint64_t random = seed_ * 1000003ULL + round;
	int status;

	printf("round %u of seed %llu\n", round, (unsigned long long)seed_);
	snprintf(folder, sizeof(folder), "/tmp/round-%u", round);
	NEED(mkdir(folder, 0777) == 0 && chdir(folder) == 0);
	next_random(&random);
	status = contain_well(round_main, &random, 20 * ROUND_MS);
	NEED(chdir("/") == 0);
	if (!WIFEXITED(status))
		fail("the round ended with status 0x%x", status);
	check_empty(before);
	renew_tmp(round);
	well();
}

int main(int argc, char **argv)
{
	uint64_t end, seed_;
	unsigned round = 0, before;
	sigset_t all;

	/* As a worker's execve starts it: nothing to do. */
	if (argc < 3)
		return 0;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	end = now_ms() + strtoull(argv[1], NULL, 10) * 1000;
	seed_ = strtoull(argv[2], NULL, 10);
	before = processes();
	if (argc > 3) {
		round_run(seed_, (unsigned)strtoul(argv[3], NULL, 10), before);
	} else {
		do
			round_run(seed_, round++, before);
		while (now_ms() < end);
	}
	printf("done\n");
	return 0;
}
