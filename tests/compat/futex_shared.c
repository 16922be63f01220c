/*
 * Futexes between processes: in shared anonymous memory, in a file mapped twice at different
 * addresses, in a memfd; private and shared keys differ for file mappings. futex(2).
 */
#include "compat.h"
#include <linux/futex.h>

static long futex(void *addr, int op, int val, void *ts)
{
	return syscall(SYS_futex, addr, op, val, ts, NULL, 0);
}

static void through(const char *what, int *wait_at, int *wake_at)
{
	pid_t pid = fork_child();

	*wait_at = 0;
	if (pid == 0) {
		struct timespec ts = {5, 0};

		while (__atomic_load_n(wait_at, __ATOMIC_SEQ_CST) == 0)
			if (futex(wait_at, FUTEX_WAIT, 0, &ts) < 0 && errno == ETIMEDOUT)
				_exit(2);
		_exit(__atomic_load_n(wait_at, __ATOMIC_SEQ_CST) == 5 ? 0 : 1);
	}
	msleep(50);
	__atomic_store_n(wake_at, 5, __ATOMIC_SEQ_CST);
	printf("%s: woke %ld\n", what, futex(wake_at, FUTEX_WAKE, 10, NULL));
	reap(what, pid);
}

int main(void)
{
	struct timespec ts = {0, 20000000};
	int fd, m, *anon, *a, *b;

	tmp_enter();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	RES(ftruncate(fd, 4096));
	m = memfd_create("m", 0);
	RES(ftruncate(m, 8192));
	anon = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	through("anonymous", anon, anon);
	a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	YES(a != b);
	through("one file, two addresses", a + 10, b + 10);
	a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 4096);
	through("memfd, different offsets", a + 1024 + 3, b + 3);
	RES(futex(a, FUTEX_WAKE, 1, NULL));
	RES(futex(a, FUTEX_WAIT, 0, &ts));
	/* A page nobody has touched yet works as well. */
	anon = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	RES(futex(anon, FUTEX_WAIT, 1, NULL));
	RES(futex(anon, FUTEX_WAKE, 1, NULL));

	return 0;
}
