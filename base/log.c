/*
 * The log. A line is formatted on the caller's stack and leaves in a single
 * write, so lines of several host threads do not mix and no lock is needed: a
 * crash report can be printed from anywhere.
 */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "base/host.h"
#include "base/log.h"

#define LOG_LINE_MAX      1024
#define LOG_LINES_PER_SEC 10

enum log_level log_threshold = LOG_WARN;

static int log_host_fd = 2;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_init(int fd, enum log_level level)
{
	log_host_fd = fd;
	log_threshold = level;
}

int log_fd(void)
{
	return log_host_fd;
}

void log_print(enum log_level level, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;
	int n, m;

	n = snprintf(line, sizeof(line), "moat: %s: ", level_names[level]);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n += m;
	/* A line that is too long is cut, but still ends in a newline. */
	if (n > LOG_LINE_MAX - 1)
		n = LOG_LINE_MAX - 1;
	line[n++] = '\n';
	host_write(log_host_fd, line, (size_t)n);
}

/*
 * state holds the second of the last line in its high bits and how many lines
 * that second has had in its low 8. A coarse clock will do.
 */
bool log_allowed(_Atomic u64 *state)
{
	u64 old = atomic_load_explicit(state, memory_order_relaxed);
	struct timespec now;
	u64 next;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	do {
		if (old >> 8 != (u64)now.tv_sec)
			next = (u64)now.tv_sec << 8 | 1;
		else if ((old & 0xff) >= LOG_LINES_PER_SEC)
			return false;
		else
			next = old + 1;
	} while (!atomic_compare_exchange_weak_explicit(state, &old, next, memory_order_relaxed,
	                                                memory_order_relaxed));
	return true;
}
