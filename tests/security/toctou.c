/*
 * Memory that changes while it is read: for every call of sentry/syscalls.def, each argument that
 * is a buffer, a path, a vector or a structure lies in memory that a second thread keeps
 * overwriting, with pointers into itself, lengths, descriptors and garbage. A call may return what
 * it likes, but what one process does so no other may notice, and nothing may be written behind the
 * end of what was given. A few calls are of no use with arguments at random: those are made in ways
 * of their own, below.
 */
#include "attack.h"
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <ucontext.h>

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

/* Calls that read nothing of their caller's memory, and would only end or hamper the attempt. */
static const struct {
	const char *name, *why;
} left_out[] = {
    {"exit", "ends the attempt"},
    {"exit_group", "ends the attempt"},
    {"pause", "waits until the attempt is over"},
    {"kill", "a number; ends the attempt, or others by right"},
    {"tkill", "a number; ends the attempt, or others by right"},
    {"tgkill", "a number; ends the attempt, or others by right"},
    {"fork", "has no argument; its child would go on with the attempt"},
    {"vfork", "has no argument; its child would go on with the attempt"},
    {"clone", "writes tids only; clone3 says the same by a structure"},
    {"restart_syscall", "has no argument; goes on with a wait of which the sentry knows all"},
    {"mmap", "numbers; takes the memory away that changes"},
    {"munmap", "numbers; takes the memory away that changes"},
    {"mremap", "numbers; takes the memory away that changes"},
    {"mprotect", "numbers; takes the memory away that changes"},
    {"pkey_mprotect", "numbers; takes the memory away that changes"},
    {"remap_file_pages", "numbers; takes the memory away that changes"},
    {"madvise", "numbers; takes the memory away that changes"},
    {"shmat", "numbers; takes the memory away that changes"},
    {"shmdt", "numbers; takes the memory away that changes"},
    {"brk", "a number; takes the allocator's memory away"},
};

static bool is_left_out(const char *name)
{
	for (size_t i = 0; i < COUNT(left_out); i++)
		if (!strcmp(name, left_out[i].name))
			return true;
	return false;
}

enum { AREA = 1 << 14, GUARD = 4096, FILE_MAX = 1 << 20, BLOCKED_MS = 150, PATIENCE_MS = 20000 };
static unsigned char *area;     /* AREA bytes that change, then a page that must not */
static _Atomic unsigned *tried; /* how often each call was made */

/* How many signals came that only the kernel may send; shared by all. */
static _Atomic unsigned *forged;

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

/* ---- calls in a way of their own -------------------------------------------- */

/* Ends with whoever started it, should that be killed first. */
static pid_t helper(void (*fn)(void))
{
	pid_t starter = getpid(), pid = fork();

	if (pid < 0)
		_exit(2);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != starter)
			_exit(0);
		fn();
		_exit(0);
	}
	return pid;
}

/* The child has no stack of its own, or one of garbage, and so leaves without one. */
static long clone3_and_leave(void *args, size_t size)
{
	long result;

	__asm__ volatile("syscall\n"
	                 "test %%rax, %%rax\n jnz 1f\n"
	                 "mov %[exit], %%eax\n xor %%edi, %%edi\n syscall\n hlt\n"
	                 "1:"
	                 : "=a"(result)
	                 : "a"(SYS_clone3), "D"(args), "S"(size), [exit] "i"(SYS_exit)
	                 : "rcx", "r11", "memory", "cc");
	return result;
}

static void call_clone3(int nr, uint64_t *r)
{
	static const uint64_t some[] = {0,
	                                CLONE_VM | CLONE_VFORK,
	                                CLONE_PIDFD,
	                                CLONE_PARENT_SETTID | CLONE_CHILD_SETTID,
	                                CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
	                                CLONE_NEWUSER | CLONE_NEWPID,
	                                CLONE_FILES | CLONE_FS,
	                                CLONE_CLEAR_SIGHAND};
	struct clone_args *args = (void *)(area + next_random(r) % 64 * 8);
	bool thread = false;

	(void)nr;
	memset(args, 0, sizeof(*args));
	args->flags = some[next_random(r) % COUNT(some)];
	thread = args->flags & CLONE_THREAD;
	args->exit_signal = thread ? 0 : SIGCHLD;
	args->pidfd = args->parent_tid = args->child_tid = (uint64_t)area;
	if (thread) {
		args->stack = (uint64_t)area;
		args->stack_size = AREA;
	} else if (next_random(r) % 4 == 0) {
		args->set_tid = (uint64_t)area;
		args->set_tid_size = 1 + next_random(r) % 3;
	}
	if (clone3_and_leave(args, next_random(r) % 8 ? sizeof(*args) : next_random(r) % 100) > 0)
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
}

/* The tracee of this process; 0: none. */
static pid_t tracee;

static void be_traced(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	for (;;)
		raise(SIGSTOP);
}

/* Requests that take something from memory, and those that make it plausible. */
static void call_ptrace(int nr, uint64_t *r)
{
	static const int some[] = {PTRACE_GETREGS,
	                           PTRACE_SETREGS,
	                           PTRACE_GETFPREGS,
	                           PTRACE_SETFPREGS,
	                           PTRACE_GETREGSET,
	                           PTRACE_SETREGSET,
	                           PTRACE_GETSIGINFO,
	                           PTRACE_SETSIGINFO,
	                           PTRACE_GETSIGMASK,
	                           PTRACE_SETSIGMASK,
	                           PTRACE_PEEKSIGINFO,
	                           PTRACE_PEEKDATA,
	                           PTRACE_GETEVENTMSG,
	                           PTRACE_GET_SYSCALL_INFO,
	                           PTRACE_SECCOMP_GET_FILTER,
	                           PTRACE_SECCOMP_GET_METADATA,
	                           PTRACE_GET_RSEQ_CONFIGURATION};
	enum { PRSTATUS = 1, XSTATE = 0x202, ONCE_IN = 64 };
	struct iovec *data = (void *)(area + next_random(r) % 64 * 8);
	int request = some[next_random(r) % COUNT(some)];
	uint64_t addr = next_random(r) % 4 ? next_random(r) % 200 : (uint64_t)data;

	if (!tracee) {
		tracee = helper(be_traced);
		waitpid(tracee, NULL, 0);
	}
	if (request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) {
		addr = next_random(r) % 2 ? PRSTATUS : XSTATE;
		data->iov_base = area + 4096;
		data->iov_len = next_random(r) % 4096;
	} else if (request == PTRACE_SETSIGMASK || request == PTRACE_GETSIGMASK) {
		addr = 8;
	}
	syscall(nr, request, tracee, addr, data);
	/* It goes on with what it was given. */
	if (next_random(r) % ONCE_IN == 0) {
		ptrace(PTRACE_CONT, tracee, 0, 0);
		nap(1);
		kill(tracee, SIGKILL);
		waitpid(tracee, NULL, __WALL);
		tracee = 0;
	}
}

static _Atomic unsigned *seen; /* how often a signal came; in place of how often one was sent */
static const uint64_t all_signals = ~0UL; /* those that libc keeps for itself, too */
static pid_t observer;
static int observer_fd;

/* No process may tell another what only the kernel can (rt_sigqueueinfo(2)). */
static void observe(void)
{
	siginfo_t info;
	int sig;

	for (;;) {
		sig = (int)syscall(SYS_rt_sigtimedwait, &all_signals, &info, NULL,
		                   sizeof(all_signals));
		/* Not one that another attempt has caused by right: SIGIO, say. */
		if (sig <= 0 || info.si_ptr != area)
			continue;
		++*seen;
		if (info.si_code >= 0 || info.si_code == SI_TKILL || info.si_signo != sig)
			++*forged;
	}
}

static void prepare_signals(_Atomic unsigned *count)
{
	seen = count;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, NULL, sizeof(all_signals));
	observer = helper(observe);
	observer_fd = (int)syscall(SYS_pidfd_open, observer, 0);
}

/* What is looked at and what is sent must be one and the same. */
static int change_code(void *arg)
{
	static const int codes[] = {SI_QUEUE, SI_KERNEL, SI_QUEUE, SI_TKILL, SI_QUEUE, SI_USER};
	volatile siginfo_t *info = (void *)area;

	(void)arg;
	for (unsigned i = 0; true; i++) {
		info->si_code = codes[i % COUNT(codes)];
		info->si_signo = SIGRTMIN + (int)(i / COUNT(codes) % 40);
		info->si_ptr = area;
	}
	return 0;
}

static void call_signals(int nr, uint64_t *r)
{
	int sig = 1 + (int)(next_random(r) % 64);

	if (sig == SIGKILL || sig == SIGSTOP)
		return;
	if (nr == SYS_rt_sigqueueinfo)
		syscall(nr, observer, sig, area);
	else if (nr == SYS_rt_tgsigqueueinfo)
		syscall(nr, observer, observer, sig, area);
	else /* here the number in memory counts */
		syscall(nr, observer_fd, ((volatile siginfo_t *)area)->si_signo, area, 0);
	/* The observer's turn: of most signals only one waits at a time. */
	if (next_random(r) % 32 == 0)
		nap(1);
}

/* The kernel's part of it: what a frame holds. */
enum { FRAME_SIZE = 304, STATE_AT = 8192 };
static void *returned_stack;

static void returned(void)
{
	_exit(0);
}

static void on_frame(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context, *copy = (void *)(area + 512);
	size_t state = *(unsigned *)((unsigned char *)uc->uc_mcontext.fpregs + 468);

	(void)sig, (void)info;
	memcpy(copy, uc, FRAME_SIZE);
	if (state >= 512 && state <= AREA - STATE_AT)
		memcpy(area + STATE_AT, uc->uc_mcontext.fpregs, state);
	copy->uc_mcontext.fpregs = (void *)(area + STATE_AT);
	copy->uc_mcontext.gregs[REG_RIP] = (long)returned;
	copy->uc_mcontext.gregs[REG_RSP] = (long)returned_stack;
	__asm__ volatile("mov %0, %%rsp\n mov %1, %%eax\n syscall\n hlt" ::"r"(copy),
	                 "i"(SYS_rt_sigreturn)
	                 : "rax", "memory");
}

static void make_frame(void)
{
	struct sigaction sa = {.sa_sigaction = on_frame, .sa_flags = SA_SIGINFO};

	returned_stack = (void *)((uint64_t)malloc(1 << 16) + (1 << 16) - 64 - 8);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
}

/* Wherever it leads, that process goes there alone. */
static void call_rt_sigreturn(int nr, uint64_t *r)
{
	pid_t pid = helper(make_frame);

	(void)nr, (void)r;
	nap(1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const struct way {
	const char *name;
	void (*call)(int nr, uint64_t *r);
	void (*prepare)(_Atomic unsigned *count); /* and counts itself; NULL: nothing */
	int (*change)(void *r);                   /* NULL: as usual */
} ways[] = {
    {"clone3", call_clone3, NULL, NULL},
    {"ptrace", call_ptrace, NULL, NULL},
    {"rt_sigreturn", call_rt_sigreturn, NULL, NULL},
    {"rt_sigqueueinfo", call_signals, prepare_signals, change_code},
    {"rt_tgsigqueueinfo", call_signals, prepare_signals, change_code},
    {"pidfd_send_signal", call_signals, prepare_signals, change_code},
};

/* NULL: with arguments at random. */
static const struct way *way_of(const char *name)
{
	for (size_t i = 0; i < COUNT(ways); i++)
		if (!strcmp(name, ways[i].name))
			return &ways[i];
	return NULL;
}

/* ---- all of them -------------------------------------------------------------- */

static void call_at_random(const struct call *c, uint64_t *r)
{
	uint64_t a[6];

	for (unsigned k = 0; k < 6; k++)
		a[k] = c->arg[k] == END_OF_ARGS ? 0 : argument(c->arg[k], r);
	syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void one(void *arg)
{
	const struct call *c = arg;
	const struct way *way = way_of(c->name);
	uint64_t r = seed((unsigned)c->nr);
	char *stack = malloc(1 << 16);

	open_some();
	if (way && way->prepare)
		way->prepare(&tried[c - calls]);
	/* A thread without libc, whose data the calls may overwrite. */
	if (clone(way && way->change ? way->change : change, stack + (1 << 16),
	          CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD,
	          (void *)(uintptr_t)c->nr) < 0)
		_exit(2);
	for (unsigned i = 0; i < 1000 * rounds(); i++) {
		if (!way || !way->prepare)
			tried[c - calls]++;
		if (way)
			way->call(c->nr, &r);
		else
			call_at_random(c, &r);
	}
	_exit(0);
}

/*
 * A call may wait for ever, so the time is short, but a machine that is busy with other things may
 * not have come to it at all in that time.
 */
static void try(const struct call *c)
{
	unsigned first = way_of(c->name) ? BLOCKED_MS * 5 : BLOCKED_MS;

	for (unsigned ms = first * rounds(); !tried[c - calls] && ms < PATIENCE_MS * rounds();
	     ms *= 5)
		contain(one, (void *)c, ms);
}

int main(void)
{
	enum { AT_ONCE = 6 };
	pid_t pid[AT_ONCE];
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC); /* somebody may remove the name */
	unsigned n = 0;

	NEED(null >= 0);
	/* An execve that came about has made it a program of no more use. */
	if (getpid() != 1)
		return 0;
	area = mmap(NULL, AREA + GUARD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(area != MAP_FAILED);
	tried = mmap(NULL, sizeof(*tried) * COUNT(calls), PROT_READ | PROT_WRITE,
	             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(tried != MAP_FAILED);
	forged =
	    mmap(NULL, sizeof(*forged), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(forged != MAP_FAILED);
	for (size_t i = 0; i < COUNT(calls);) {
		unsigned k = 0;
		for (; k < AT_ONCE && i < COUNT(calls); i++) {
			if (is_left_out(calls[i].name))
				continue;
			pid[k] = fork();
			NEED(pid[k] >= 0);
			if (pid[k] == 0) {
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
		/* The first process gets the orphans of the others, too. */
		while (k--)
			NEED(waitpid(pid[k], NULL, 0) == pid[k]);
	}
	for (size_t i = 0; i < COUNT(calls); i++)
		if (!is_left_out(calls[i].name) && !tried[i])
			fail("%s was never called", calls[i].name);
	for (size_t i = 0; i < COUNT(left_out); i++)
		printf("not %s: %s\n", left_out[i].name, left_out[i].why);
	printf("%u calls\n", n);
	NEED(n + COUNT(left_out) == COUNT(calls) && n > 300);
	for (size_t i = 0; i < COUNT(calls); i++)
		if (way_of(calls[i].name))
			printf("%s: %u\n", calls[i].name, tried[i]);
	NEED(*forged == 0);
	/* A superuser's mount_setattr may have made /tmp read-only, by right. */
	if (geteuid() == 0)
		NEED(mount("well", "/tmp", "tmpfs", 0, NULL) == 0);
	well();
	puts("nowhere");
	return 0;
}
