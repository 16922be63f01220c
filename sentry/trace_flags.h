/* Names of flag words and numbers for the tracer. */
#pragma once
#include "base/types.h"

/* Appends the names of value, as set (enum flag_set) knows them, to buf; returns the length as
 * snprintf. */
int trace_flags_print(char *buf, size_t n, int set, u64 value);
const char *trace_signal_name(int sig); /* "SIGINT", or NULL */
const char *trace_clock_name(int clock);
