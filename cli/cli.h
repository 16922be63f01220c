/* The commands of moat, and what they share. */
#pragma once
#include "base/types.h"
#include "sentry/exit_status.h"

/* Each gets its own arguments (argv[0]: the command's name) and returns an exit status. */
int cmd_run(int argc, char **argv);
int cmd_syscalls(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* "moat: ..." on standard error. */
void complain(const char *fmt, ...) printf_like(1, 2);
/* complain, then exit with EXIT_MOAT_FAILED. */
noreturn void die(const char *fmt, ...) printf_like(1, 2);
