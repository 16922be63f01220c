/*
 * How moat itself ends where no guest's status is there to be passed on, as env(1) and docker have
 * it: the statuses of `moat run`, and of a guest process that never got as far as its program.
 */
#pragma once
#include <errno.h>

enum exit_status {
	EXIT_TIMED_OUT = 124,
	EXIT_MOAT_FAILED = 125,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

/* Of a program that could not be started: err is what exec returned. */
static inline enum exit_status exit_status_of_exec(int err)
{
	return err == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
