/*
 * From a list of rules to a seccomp program. The rules are libseccomp's, and so is their meaning;
 * making the program here takes a hundredth of the time, which every start of a
 * sandbox would wait for. tests/unit/platform/filter_program_test.c holds each
 * program against the one that libseccomp makes of the same rules.
 */
#pragma once
#include "base/types.h"
#include <linux/filter.h>
#include <seccomp.h>

/* A form of a call and what becomes of it. Where several forms match, the first decides. */
struct filter_rule {
	int nr;
	u32 verdict; /* SECCOMP_RET_* */
	unsigned args;
	struct scmp_arg_cmp arg[3]; /* all must hold; EQ, MASKED_EQ, LT and LE only */
};

#define FILTER_RULES_MAX 160

struct filter_rules {
	u32 otherwise;  /* the verdict on any other call */
	const int *hot; /* calls to look at first, ended by -1; NULL: none */
	unsigned count;
	struct filter_rule rule[FILTER_RULES_MAX];
};

/* Instructions, or -E2BIG, or -EINVAL for a comparison that it does not know. */
must_check int filter_program_build(const struct filter_rules *rules, struct sock_filter *out,
                                    unsigned max);
