/* A row of an allowlist, for people. */
#pragma once
#include "base/types.h"
#include <seccomp.h>
#include <stdio.h>

/* why is NULL for a further form of the call of the line above. */
void filter_print_form(FILE *out, int nr, const char *why, unsigned args,
                       const struct scmp_arg_cmp *arg);
