/* The seccomp filters of stubs: what a guest's host process may ask of the host. */
#pragma once
#include "base/types.h"
#include <stdio.h>

struct stub_params;
struct filter_rules;

/*
 * Builds both filters into params. text_len: bytes of the stub's image, the
 * only place whose calls are looked at. mm_checked: and a third one, by which the sentry
 * is asked about each change of memory and each fork. 0 or -errno.
 */
must_check int stub_filter_build(struct stub_params *params, u64 text_len, bool mm_checked);
/* The rules of the call filter. */
void stub_filter_rules(struct filter_rules *out);
/* How many system calls a stub may make, and their list for people. */
unsigned stub_filter_count(void);
void stub_filter_print(FILE *out);
