/*
 * What a child of vfork(2) has of its own although it has its parent's memory: its use of the CPU,
 * its registers, its signal mask, its alternate stack, its threads. And that its parent is let go
 * only when it has executed something or ended, whatever else ends meanwhile.
 */
#include "compat.h"
#include <asm/prctl.h>
#include <pthread.h>
#include <stdatomic.h>

/* On the fastest of CPUs so many rounds take twice as long. */
#define BURNS    100000000
#define BURNT_MS 8

static long cpu_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Without a look at a clock, by which it would be known what has been used so far. */
static void burn(void)
{
	for (volatile int i = 0; i < BURNS; i++)
		;
}

static long used_ms(const struct rusage *r)
{
	return (r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1000 +
	       (r->ru_utime.tv_usec + r->ru_stime.tv_usec) / 1000;
}

static void show_used(const char *what, pid_t pid)
{
	struct rusage r;
	int status;

	if (wait4(pid, &status, 0, &r) != pid)
		die("wait4");
	show_status(what, status);
	printf("  has used what it burnt: %s\n", used_ms(&r) >= BURNT_MS ? "yes" : "no");
}

/* Before and after a vfork, by itself and by a program. */
static void usage(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		burn();
		_exit(1);
	}
	show_used("burnt, exited", pid);
	pid = vfork();
	if (pid == 0) {
		burn();
		execl("/bin/true", "true", NULL);
		_exit(9);
	}
	show_used("burnt, executed", pid);
	pid = vfork();
	if (pid == 0) {
		burn();
		execl("/nonexistent", "x", NULL);
		_exit(2);
	}
	show_used("burnt, failed to execute", pid);
	pid = vfork();
	if (pid == 0)
		_exit(cpu_ms(CLOCK_PROCESS_CPUTIME_ID) < BURNT_MS ? 3 : 4);
	reap("has used nothing before", pid);
	pid = fork();
	if (pid == 0) {
		struct rusage r;

		burn();
		execl("/nonexistent", "x", NULL);
		getrusage(RUSAGE_SELF, &r);
		_exit(used_ms(&r) >= BURNT_MS ? 5 : 6);
	}
	show_used("burnt, failed, asked", pid);
}

static double vector(void)
{
	double x;

	__asm__ volatile("movsd %%xmm15, %0" : "=m"(x));
	return x;
}

/* A first child leaves a mess; the parent and the next child are not to see any of it. */
static void registers(void)
{
	static char stack[65536];
	unsigned long fs, fs_after;
	const double one = 1.0, two = 2.0;
	unsigned mxcsr = 0x1f80, odd = 0x7f80;
	sigset_t all, now;
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)}, have;
	pid_t pid;

	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
	for (volatile int i = 0; i < 2; i++) {
		__asm__ volatile("movsd %0, %%xmm15; ldmxcsr %1" ::"m"(one), "m"(mxcsr) : "xmm15");
		pid = vfork();
		if (pid == 0) {
			unsigned seen = 0;

			__asm__ volatile("stmxcsr %0" : "=m"(seen));
			sigprocmask(SIG_SETMASK, NULL, &now);
			sigaltstack(NULL, &have);
			if (vector() != 1.0 || seen != mxcsr || sigismember(&now, SIGUSR1) ||
			    !(have.ss_flags & SS_DISABLE))
				_exit(1);
			sigfillset(&all);
			sigprocmask(SIG_SETMASK, &all, NULL);
			sigaltstack(&ss, NULL);
			__asm__ volatile("movsd %0, %%xmm15; ldmxcsr %1" ::"m"(two), "m"(odd)
			                 : "xmm15");
			syscall(SYS_arch_prctl, ARCH_SET_FS, stack);
			syscall(SYS_exit, 7);
		}
		__asm__ volatile("stmxcsr %0" : "=m"(odd));
		YES(vector() == 1.0);
		HEX(odd);
		odd = 0x7f80;
		syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_after);
		YES(fs == fs_after);
		sigprocmask(SIG_SETMASK, NULL, &now);
		YES(!sigismember(&now, SIGUSR1));
		sigaltstack(NULL, &have);
		YES(have.ss_flags & SS_DISABLE);
		reap("child", pid);
	}
}

static volatile int caught;

static void handler(int sig)
{
	caught = sig;
}

/* A signal for the parent waits until the child has let go; one for the child does not. */
static void signals(void)
{
	volatile int early = 0, own = 0;
	pid_t pid;

	signal(SIGUSR1, handler);
	pid = vfork();
	if (pid == 0) {
		kill(getppid(), SIGUSR1);
		early = caught;
		kill(getpid(), SIGUSR1);
		own = caught;
		caught = 0;
		_exit(0);
	}
	NUM(early);
	YES(own == SIGUSR1);
	YES(caught == SIGUSR1);
	reap("child", pid);
}

/* Vfork children have children. */
static void nested(void)
{
	volatile int order = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		pid_t inner = vfork();
		int status;

		if (inner == 0) {
			order = 1;
			execl("/bin/sh", "sh", "-c", "exit 4", NULL);
			_exit(9);
		}
		order = order == 1 ? 2 : 9;
		if (waitpid(inner, &status, 0) != inner)
			_exit(8);
		_exit(WEXITSTATUS(status) + 1);
	}
	NUM(order);
	reap("outer", pid);
}

static void reap_any(const char *what)
{
	int status = 0;

	if (wait(&status) < 0)
		die("wait");
	show_status(what, status);
}

/* The parent is killed while it waits: the child goes on alone, and is its grandparent's then. */
static void orphan(void)
{
	int p[2];
	pid_t pid;
	char c;

	if (pipe(p))
		die("pipe");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid == 0) {
		if (vfork() == 0) {
			pid_t parent = getppid();

			kill(parent, SIGKILL);
			while (getppid() == parent)
				sched_yield();
			turn_pass(p[1]);
			execl("/bin/sh", "sh", "-c", "exit 6", NULL);
			_exit(9);
		}
		_exit(9);
	}
	reap("parent", pid);
	RES(read(p[0], &c, 1));
	reap_any("orphan");
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static atomic_int ticks;

static void *tick(void *arg)
{
	(void)arg;
	for (;;) {
		atomic_fetch_add(&ticks, 1);
		usleep(100);
	}
	return NULL;
}

/* The parent's other threads run meanwhile, and outlive many a child. */
static void threads(void)
{
	pthread_t thread;
	volatile int failed = 0;

	pthread_create(&thread, NULL, tick, NULL);
	for (volatile int i = 0; i < 50; i++) {
		int status = 0;
		pid_t pid = vfork();

		if (pid == 0) {
			int before = atomic_load(&ticks);

			while (atomic_load(&ticks) == before)
				sched_yield();
			if (i % 2)
				_exit(i);
			execl("/bin/true", "true", NULL);
			_exit(99);
		}
		waitpid(pid, &status, 0);
		failed = failed + (!WIFEXITED(status) || WEXITSTATUS(status) != (i % 2 ? i : 0));
	}
	NUM(failed);
}

int main(void)
{
	usage();
	registers();
	signals();
	nested();
	orphan();
	threads();
	return 0;
}
