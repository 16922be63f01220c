/*
 * The sandbox's log: levels chosen at run time, written to one host fd.
 * Lines that a guest can cause at will go through log_limited().
 */
#pragma once
#include "base/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

extern enum log_level log_threshold;

/* fd: where lines go (borrowed; 2 by default). level: the most talkative level printed. */
void log_init(int fd, enum log_level level);
int log_fd(void);
void log_print(enum log_level level, const char *fmt, ...) printf_like(2, 3);

/*
 * True if the caller may print now: at most 10 lines a second for one place.
 * state: a static variable of the place.
 */
bool log_allowed(_Atomic u64 *state);

#define log_at(level, ...)                                                                         \
	do {                                                                                       \
		if ((level) <= log_threshold)                                                      \
			log_print(level, __VA_ARGS__);                                             \
	} while (0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_limited(level, ...)                                                                    \
	do {                                                                                       \
		static _Atomic u64 log_place;                                                      \
		if ((level) <= log_threshold && log_allowed(&log_place))                           \
			log_print(level, __VA_ARGS__);                                             \
	} while (0)
