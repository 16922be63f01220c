/*
 * What system calls cost a program: nanoseconds for each, the best of several rounds. Run natively
 * and inside; `make bench` does both.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15

static int ends[2], file;
static char buf[1024];
static long sink; /* what nobody looks at */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void do_getppid(void)
{
	sink += syscall(SYS_getppid);
}

static void do_pipe(void)
{
	sink += write(ends[1], buf, 1) + read(ends[0], buf, 1);
}

static void do_pread(void)
{
	sink += pread(file, buf, sizeof(buf), 0);
}

static void do_stat(void)
{
	struct stat st;

	sink += stat("/etc/passwd", &st);
}

static void do_open(void)
{
	sink += close(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static void do_mmap(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sink += munmap(p, 4096);
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	sink += waitpid(pid, NULL, 0);
}

static const struct {
	const char *name;
	void (*fn)(void);
	int times;
} benches[] = {
    {"getppid", do_getppid, 3000},
    {"pipe: write 1, read 1", do_pipe, 2000},
    {"pread 1 KiB of a host file", do_pread, 2000},
    {"stat of a host file", do_stat, 2000},
    {"open and close of a host file", do_open, 1000},
    {"mmap and munmap of a page", do_mmap, 1000},
    {"fork, exit, wait", do_fork, 30},
};

int main(void)
{
	file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	if (file < 0 || pipe(ends) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		double best = 0;

		for (int r = 0; r < ROUNDS; r++) {
			double start = now(), each;

			for (int k = 0; k < benches[i].times; k++)
				benches[i].fn();
			each = (now() - start) / benches[i].times;
			if (r == 0 || each < best)
				best = each;
		}
		printf("%-32s %9.0f ns\n", benches[i].name, best);
		fflush(stdout);
	}
	return 0;
}
