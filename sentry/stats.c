/* `moat run --stats`: what the parts of the sentry have counted. */
#include "sentry/stats.h"
#include "base/census.h"
#include "base/host.h"
#include "base/sched.h"
#include "platform/platform.h"
#include "sentry/syscall.h"
#include <stdarg.h>
#include <stdio.h>

static int out;

static void print_line(const char *fmt, ...) printf_like(1, 2);
static void print_line(const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	host_write(out, buf, min_of((size_t)n, sizeof(buf) - 1));
}

static void print_census(const struct census *c, void *arg unused_arg)
{
	print_line("live %-24s %lld\n", c->name, (long long)atomic_load(&c->live));
}

/* The calls made most, in order. */
#define SHOWN 20

static void print_calls(void)
{
	u64 total = 0, below = ~0ULL;

	for (int nr = 0; nr < SYSCALL_NR; nr++)
		total += atomic_load(&syscall_count[nr]);
	print_line("system calls served          %llu\n", (unsigned long long)total);
	for (int shown = 0, last = -1; shown < SHOWN; shown++) {
		int best = -1;
		for (int nr = 0; nr < SYSCALL_NR; nr++) {
			u64 n = atomic_load(&syscall_count[nr]);
			if (n && (n < below || (n == below && nr > last)) &&
			    (best < 0 || n > atomic_load(&syscall_count[best])))
				best = nr;
		}
		if (best < 0)
			return;
		below = atomic_load(&syscall_count[best]);
		last = best;
		print_line("  %-26s %llu\n", syscall_table[best].name, (unsigned long long)below);
	}
}

void stats_print(int fd)
{
	struct sched_stats s;

	out = fd;
	print_calls();
	sched_stats_read(&s);
	print_line("fiber switches               %llu\n", (unsigned long long)s.switches);
	print_line("polls, with a request        %llu, %llu\n", (unsigned long long)s.polls,
	           (unsigned long long)s.polls_hit);
	print_line("worker sleeps, wake-ups      %llu, %llu\n", (unsigned long long)s.sleeps,
	           (unsigned long long)s.wakeups);
	print_line("workers moved off a CPU      %llu\n", (unsigned long long)s.moves);
	print_line("  gave it to who was woken   %llu\n", (unsigned long long)s.yields);
	print_line("time spent spinning          %.3f ms\n", (double)s.spin_ns / 1e6);
	print_line("host calls of the sentry     %llu\n", (unsigned long long)host_call_count());
	platform_stats_print(fd);
	census_each(print_census, NULL);
}
