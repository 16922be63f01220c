/*
 * Threads made by the bare clone(2): CLONE_THREAD, PARENT_SETTID, CHILD_CLEARTID as the join,
 * shared ids, limits.
 */
#include "compat.h"
#include <linux/futex.h>

#define FLAGS                                                                                      \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |        \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static char stacks[8][32768] __attribute__((aligned(16)));
static pid_t ptid[8], ctid[8];
static int sum, same_pid, distinct;

/* It must not use the C library's thread data, so it makes its calls by hand. */
static long raw(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("syscall"
	                 : "=a"(r)
	                 : "a"(nr), "D"(a), "S"(b), "d"(c)
	                 : "rcx", "r11", "memory");
	return r;
}

static long raw4(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long r;

	__asm__ volatile("syscall"
	                 : "=a"(r)
	                 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
	                 : "rcx", "r11", "memory");
	return r;
}

static int body(void *arg)
{
	long i = (long)arg;

	__atomic_add_fetch(&sum, (int)i, __ATOMIC_SEQ_CST);
	if (raw(SYS_getpid, 0, 0, 0) == raw(SYS_getppid, 0, 0, 0))
		return 1;
	__atomic_add_fetch(&same_pid, (int)raw(SYS_getpid, 0, 0, 0) == *(volatile int *)&ptid[7],
	                   __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&distinct, raw(SYS_gettid, 0, 0, 0) != raw(SYS_getpid, 0, 0, 0),
	                   __ATOMIC_SEQ_CST);
	struct timespec ts = {0, 20000000};
	raw(SYS_nanosleep, (long)&ts, 0, 0);
	raw(SYS_exit, 0, 0, 0);
	return 0;
}

static void join(int i)
{
	pid_t t;

	while ((t = __atomic_load_n(&ctid[i], __ATOMIC_SEQ_CST)) != 0)
		raw4(SYS_futex, (long)&ctid[i], FUTEX_WAIT, t, 0);
}

int main(void)
{
	ptid[7] = getpid();
	for (int i = 0; i < 5; i++) {
		ctid[i] = -1;
		long r = clone(body, stacks[i] + sizeof(stacks[i]), FLAGS, (void *)(long)(i + 1),
		               &ptid[i], NULL, &ctid[i]);

		YES(r == ptid[i]);
	}
	for (int i = 0; i < 5; i++)
		join(i);
	printf("sum %d same pid %d distinct tids %d\n", sum, same_pid, distinct);
	RES(waitpid(ptid[0], NULL, 0)); /* a thread is nobody's child */
	RES(clone(body, stacks[0] + 32768, FLAGS & ~CLONE_VM, NULL, &ptid[0], NULL, &ctid[0]));
	RES(clone(body, stacks[0] + 32768, FLAGS & ~CLONE_SIGHAND, NULL, &ptid[0], NULL, &ctid[0]));
	RES(clone(NULL, stacks[0] + 32768, FLAGS, NULL));
	RES(clone(body, NULL, FLAGS, NULL));
	RES(clone(body, stacks[0] + 32768, CLONE_FS | CLONE_NEWUSER | SIGCHLD, NULL));
	RES(unshare(CLONE_THREAD));
	RES(unshare(CLONE_VM));
	return 0;
}
