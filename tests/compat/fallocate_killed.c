/*
 * A large fallocate(2) of a file in memory ends at once if its caller is killed, and has not been
 * then; another signal does not end it (mm/shmem.c, shmem_fallocate).
 */
#include "compat.h"

/* Where nothing is, it would take seconds. */
#define MUCH (8L << 30)
#define LESS (64L << 20)

static long blocks_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : (long)st.st_blocks;
}

static void kill_allocation(const char *what, int fd, int mode)
{
	struct stat st;
	char c = 0;
	pid_t pid;

	printf("-- %s\n", what);
	RES(pwrite(fd, "x", 1, 10000));
	pid = fork_child();
	if (pid == 0) {
		fallocate(fd, mode, 0, MUCH);
		_exit(0);
	}
	while (blocks_of(fd) < 4096)
		usleep(1000);
	RES(kill(pid, SIGKILL));
	reap("who allocates", pid);
	RES(fstat(fd, &st));
	NUM(st.st_size);
	NUM(st.st_blocks);
	RES(lseek(fd, 0, SEEK_DATA));
	RES(pread(fd, &c, 1, 10000));
	NUM(c);
}

static volatile sig_atomic_t signals;

static void on_usr1(int sig)
{
	(void)sig;
	signals++;
}

static void disturb(const char *what, int fd)
{
	pid_t parent = getpid(), pid;
	int failed = 0;

	printf("-- %s\n", what);
	signals = 0;
	pid = fork_child();
	if (pid == 0)
		while (kill(parent, SIGUSR1) == 0)
			usleep(500);
	while (signals < 10) {
		failed += fallocate(fd, 0, 0, LESS) != 0;
		failed += blocks_of(fd) != LESS / 512;
		failed += ftruncate(fd, 0) != 0;
	}
	NUM(failed);
	RES(kill(pid, SIGKILL));
	reap("who disturbs", pid);
}

int main(void)
{
	int plain = memfd_create("plain", 0), mapped = memfd_create("mapped", 0);
	char name[40];
	int reader;
	void *p;

	handle(SIGUSR1, on_usr1, 0);
	kill_allocation("size and all", plain, 0);
	kill_allocation("space alone", plain, FALLOC_FL_KEEP_SIZE);
	/* By a descriptor by which it can never be written to. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", mapped);
	reader = (int)OKAY(open(name, O_RDONLY));
	RES(ftruncate(mapped, 4096));
	p = MAP(mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0));
	kill_allocation("mapped", mapped, 0);
	kill_allocation("mapped, space alone", mapped, FALLOC_FL_KEEP_SIZE);
	RES(munmap(p, 4096));
	RES(ftruncate(plain, 0));
	RES(ftruncate(mapped, 0));
	disturb("disturbed", plain);
	disturb("disturbed, mapped", mapped);
	return 0;
}
