/*
 * One micro benchmark is one row of a table: `op` is one operation and is timed in a loop, or
 * `timed` does n of them and says how long they took, where something beside them must not count.
 * What `setup` made, `teardown` removes; both are outside of the timing.
 */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t u64;

struct micro {
	const char *name;
	void (*setup)(void);
	void (*op)(void);
	u64 (*timed)(u64 n);
	void (*teardown)(void);
};

/* In micro_calls.c, micro_memory.c and micro_tasks.c; a row without a name ends each. */
extern const struct micro micro_calls[], micro_memory[], micro_tasks[];

/* Where the benchmarks may make files: on a tmpfs and in a directory of the host, and where this
 * program is. */
extern const char *tmpfs_dir, *host_dir, *self_path;

u64 now_ns(void);

/* Ends the benchmark with errno and what was tried, unless the call did what it must. */
void must(bool done, const char *what);

/* DIR/NAME, in a buffer that the next call takes. */
const char *path_in(const char *dir, const char *name);

#endif
