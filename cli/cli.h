/* The commands of moat, and what they share. */
#pragma once
#include "base/types.h"

/* Each gets its own arguments (argv[0]: the command's name) and returns an exit status. */
int cmd_run(int argc, char **argv);
int cmd_syscalls(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* Exit statuses of moat itself, as env(1) and docker have them. */
enum { EXIT_MOAT_FAILED = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, EXIT_TIMED_OUT = 124 };

/* "moat: ..." on standard error. */
void complain(const char *fmt, ...) printf_like(1, 2);
/* complain, then exit with 125. */
noreturn void die(const char *fmt, ...) printf_like(1, 2);
