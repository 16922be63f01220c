/*
 * What the platform itself costs: the round trips of a guest's calls through a
 * sentry of a dozen calls that answers at once, beside the same natively.
 * Prints nanoseconds for each. platform-bench [workers [divisor of the counts [trap]]]; trap:
 * without rewriting call sites.
 */
#include "tests/platform/mini_sentry.h"
#include <asm/unistd.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static u64 now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static void native(unsigned how)
{
	static u32 word;
	static char page[4096];
	static int file = -1;
	pid_t pid;
	if (file < 0) {
		file = memfd_create("bench", 0);
		if (ftruncate(file, sizeof(page)) != 0)
			exit(1);
	}
	switch (how) {
	case BENCH_CALL:
		syscall(__NR_getsid);
		break;
	case BENCH_DIRECT:
		syscall(__NR_getpid);
		break;
	case BENCH_WAKE:
		syscall(__NR_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
		break;
	case BENCH_WRITE:
		(void)!pwrite(file, page, sizeof(page), 0);
		break;
	case BENCH_READ:
		(void)!pread(file, page, sizeof(page), 0);
		break;
	case BENCH_MAP:
		munmap(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		       4096);
		break;
	case BENCH_FORK:
	case BENCH_SPACE:
		pid = fork();
		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
		break;
	case BENCH_SIGNAL:
		raise(SIGUSR1);
		break;
	}
}

static void nothing(int signo)
{
	(void)signo;
}

static const struct {
	const char *name;
	unsigned how, count;
} benches[] = {
    {"a call (getsid)", BENCH_CALL, 300000},
    {"answered in the stub (getpid)", BENCH_DIRECT, 300000},
    {"futex wake, nobody waits", BENCH_WAKE, 300000},
    {"write 4096 bytes", BENCH_WRITE, 100000},
    {"read 4096 bytes", BENCH_READ, 100000},
    {"mmap and munmap a page", BENCH_MAP, 50000},
    {"a signal, there and back", BENCH_SIGNAL, 50000},
    {"fork and exit", BENCH_FORK, 1000},
    {"a new space and its end", BENCH_SPACE, 300},
};

int main(int argc, char **argv)
{
	mini.no_patch = argc > 3;
	mini_start(argc > 1 ? (unsigned)atoi(argv[1]) : 0, false);
	signal(SIGUSR1, nothing);
	printf("%-32s %10s %10s\n", "ns", "native", "moat");
	for (size_t i = 0; i < array_size(benches); i++) {
		u64 n = benches[i].count / (argc > 2 ? (unsigned)atoi(argv[2]) : 1), a = now(), b,
		    c;
		for (u64 j = 0; j < n; j++)
			native(benches[i].how);
		b = now();
		if (benches[i].how == BENCH_SPACE)
			for (u64 j = 0; j < n; j++)
				mini_run(guest_exit, 0);
		else
			mini_run(guest_bench, (u64)benches[i].how << 32 | n);
		c = now();
		printf("%-32s %10.0f %10.0f\n", benches[i].name, (double)(b - a) / (double)n,
		       (double)(c - b) / (double)n);
	}
	platform_stats_print(1);
	mini_stop();
	return 0;
}
