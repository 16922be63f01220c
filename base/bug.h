/*
 * Assertions that stay in release builds. They state what moat's own code must
 * keep true; no guest input may reach one (a guest gets an errno, or dies
 * alone). A failed assertion ends the sandbox with a report, never the host.
 */
#pragma once
#include "base/types.h"

/* Prints a report (base/crash.c adds the backtrace) and ends the sandbox. */
noreturn void bug_at(const char *file, int line, const char *what);

#define BUG(what) bug_at(__FILE__, __LINE__, what)
#define BUG_ON(cond)                                                                               \
	do {                                                                                       \
		if (__builtin_expect(!!(cond), 0))                                                 \
			bug_at(__FILE__, __LINE__, #cond);                                         \
	} while (0)
