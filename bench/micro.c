/*
 * What operations cost a program, measured by the program: see micro.h for what a benchmark is.
 *
 * bench-micro [--tmpfs DIR] [--host DIR] [--batch-ms N] [--batches N] NAME...
 *
 * For each NAME a child runs it (a crash or an error ends no other) and prints
 *	NAME start				when the setup is done
 *	NAME OPERATIONS NS NS NS ...		all operations done since; per operation, a figure
 *for each batch or	NAME error ERRNO WHAT The number of operations in a batch is found by
 *doubling it until a batch takes long enough.
 */
#include "micro.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_BATCHES 64

const char *tmpfs_dir = "/dev/shm", *host_dir = ".", *self_path;
static const char *name; /* of the benchmark that runs */
static u64 batch_ns = 5000000;
static int batches = 9;

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

void must(bool done, const char *what)
{
	const char *which = strerrorname_np(errno);

	if (done)
		return;
	printf("%s error %s %s\n", name, which && errno ? which : "?", what);
	fflush(stdout);
	_exit(1);
}

const char *path_in(const char *dir, const char *file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return path;
}

static u64 batch(const struct micro *m, u64 n)
{
	u64 start = now_ns();

	if (m->timed)
		return m->timed(n);
	for (u64 i = 0; i < n; i++)
		m->op();
	return now_ns() - start;
}

static u64 operations_per_batch(const struct micro *m, u64 *done)
{
	for (u64 n = 1;; n *= 2) {
		u64 ns = batch(m, n);

		*done += n;
		if (ns >= batch_ns / 2)
			return n * batch_ns / (ns ? ns : 1) ?: 1;
	}
}

static int measure(const struct micro *m)
{
	double each[MAX_BATCHES];
	u64 done = 0, n;

	if (m->setup)
		m->setup();
	printf("%s start\n", name);
	fflush(stdout);
	n = operations_per_batch(m, &done);
	for (int i = 0; i < batches; i++) {
		each[i] = (double)batch(m, n) / (double)n;
		done += n;
	}
	printf("%s %llu", name, (unsigned long long)done);
	for (int i = 0; i < batches; i++)
		printf(" %.2f", each[i]);
	printf("\n");
	fflush(stdout);
	if (m->teardown)
		m->teardown();
	return 0;
}

static const struct micro *find(const char *wanted)
{
	const struct micro *const tables[] = {micro_calls, micro_memory, micro_tasks};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct micro *m = tables[i]; m->name; m++) {
			if (!wanted)
				printf("%s\n", m->name);
			else if (strcmp(m->name, wanted) == 0)
				return m;
		}
	}
	return NULL;
}

static int run_in_child(const struct micro *m)
{
	int status = 0;
	pid_t pid;

	name = m->name;
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0)
		exit(measure(m));
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (WIFSIGNALED(status))
		printf("%s error ? died of signal %d\n", name, WTERMSIG(status));
	fflush(stdout);
	return status != 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	self_path = argv[0];
	if (argc < 2)
		return find(NULL) != NULL;
	for (int i = 1; i < argc; i++) {
		const struct micro *m;

		if (strcmp(argv[i], "exit") == 0)
			return 0; /* what is executed by the benchmark of vfork and exec */
		if (i + 1 < argc && strcmp(argv[i], "--tmpfs") == 0) {
			tmpfs_dir = argv[++i];
		} else if (i + 1 < argc && strcmp(argv[i], "--host") == 0) {
			host_dir = argv[++i];
		} else if (i + 1 < argc && strcmp(argv[i], "--batch-ms") == 0) {
			batch_ns = strtoull(argv[++i], NULL, 10) * 1000000;
		} else if (i + 1 < argc && strcmp(argv[i], "--batches") == 0) {
			batches = atoi(argv[++i]);
			batches = batches < 1 ? 1 : batches > MAX_BATCHES ? MAX_BATCHES : batches;
		} else if ((m = find(argv[i]))) {
			failed |= run_in_child(m);
		} else {
			fprintf(stderr, "bench-micro: there is no benchmark %s\n", argv[i]);
			return 2;
		}
	}
	return failed;
}
