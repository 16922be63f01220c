/*
 * The programs that moat makes of its rules, against those that libseccomp makes of the same
 * rules: one and the same verdict on every call with every combination of telling arguments.
 */
#include <criterion/criterion.h>
#include "base/sanitizer.h"
#include "platform/filter/filter_program.h"
#include "platform/filter/sentry_filter.h"
#include "platform/filter/stub_filter.h"
#include "tests/unit/platform/filter_verdict.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROGRAM_MAX 2000
#define VALUES_MAX  1000

static unsigned by_libseccomp(const struct filter_rules *rules, struct sock_filter *out)
{
	scmp_filter_ctx ctx = seccomp_init(
	    rules->otherwise == SECCOMP_RET_TRAP ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS);
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n;

	cr_assert(ctx && fd >= 0);
	cr_assert_eq(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), 0);
	for (unsigned i = 0; i < rules->count; i++) {
		const struct filter_rule *r = &rules->rule[i];
		u32 action = r->verdict == SECCOMP_RET_ALLOW
		                 ? SCMP_ACT_ALLOW
		                 : SCMP_ACT_ERRNO(r->verdict & SECCOMP_RET_DATA);
		int err = seccomp_rule_add_array(ctx, action, r->nr, r->args, r->arg);

		/* What another form allows already. */
		cr_assert(err == 0 || err == -EEXIST);
	}
	cr_assert_eq(seccomp_export_bpf(ctx, fd), 0);
	n = pread(fd, out, PROGRAM_MAX * sizeof(*out), 0);
	cr_assert(n > 0 && (size_t)n < PROGRAM_MAX * sizeof(*out));
	close(fd);
	seccomp_release(ctx);
	return (unsigned)((size_t)n / sizeof(*out));
}

/* Numbers at which a comparison of any rule of nr changes its mind. */
static unsigned telling_values(const struct filter_rules *rules, int nr, u64 *value)
{
	unsigned n = 0;

	value[n++] = 0;
	value[n++] = ~0ULL;
	value[n++] = 1ULL << 32;
	for (unsigned i = 0; i < rules->count; i++) {
		const struct filter_rule *r = &rules->rule[i];

		for (unsigned a = 0; r->nr == nr && a < r->args; a++) {
			const struct scmp_arg_cmp *c = &r->arg[a];
			bool masked = c->op == SCMP_CMP_MASKED_EQ;
			u64 base = masked ? c->datum_b : c->datum_a;

			cr_assert_lt(n + 72, VALUES_MAX);
			value[n++] = base;
			value[n++] = base - 1;
			value[n++] = base + 1;
			value[n++] = base | 1ULL << 32;
			for (unsigned bit = 0; masked && bit < 64; bit++)
				value[n++] = base ^ 1ULL << bit;
		}
	}
	return n;
}

static void compare(const struct filter_rules *rules)
{
	static struct sock_filter ours[PROGRAM_MAX], theirs[PROGRAM_MAX];
	static const int odd[] = {-1,         -2,         0x3fffffff, 0x40000000,
	                          0x40000001, 0x7fffffff, 600,        100000};
	static u64 value[VALUES_MAX];
	int len = filter_program_build(rules, ours, PROGRAM_MAX);
	unsigned other = by_libseccomp(rules, theirs), allowed = 0;

	cr_assert_gt(len, 0);
	for (int i = 0; i < 500 + (int)array_size(odd); i++) {
		struct seccomp_data d = {.nr = i < 500 ? i : odd[i - 500],
		                         .arch = AUDIT_ARCH_X86_64};
		unsigned n = telling_values(rules, d.nr, value);

		for (unsigned x = 0; x < n * n; x++) {
			/* Rules look at two arguments at the most, of the first four. */
			d.args[0] = value[x % n];
			d.args[1] = value[x % n];
			d.args[2] = value[x / n];
			d.args[3] = value[x % n];
			u32 v = verdict(ours, (unsigned)len, &d);

			cr_assert_eq(v, verdict(theirs, other, &d), "call %d: %x, not %x", d.nr, v,
			             verdict(theirs, other, &d));
			allowed += v == SECCOMP_RET_ALLOW;
		}
	}
	cr_expect_gt(allowed, 0);
	for (int nr = 0; nr < 10; nr++) {
		struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_I386};

		cr_expect_eq(verdict(ours, (unsigned)len, &d), SECCOMP_RET_KILL_PROCESS);
	}
}

Test(filter_program, stub)
{
	static struct filter_rules rules;

	stub_filter_rules(&rules);
	compare(&rules);
}

Test(filter_program, sentry_in_every_configuration)
{
	static struct filter_rules rules;

	for (unsigned bits = 0; bits < 256; bits++) {
		/* All of them take a sanitized build a minute in which it sees nothing new. */
		if (MOAT_SANITIZED && bits != 255 && __builtin_popcount(bits) > 1)
			continue;
		const struct sentry_filter_config config = {.host_files = bits & 1,
		                                            .writable = bits & 2,
		                                            .terminal = bits & 4,
		                                            .control = bits & 8,
		                                            .net_link = bits & 16,
		                                            .net_host = bits & 32,
		                                            .debug = bits & 64,
		                                            .mm_checked = bits & 128};

		sentry_filter_rules(&config, &rules);
		compare(&rules);
	}
}

Test(filter_program, says_what_it_cannot_do)
{
	static struct sock_filter out[40];
	static struct filter_rules rules = {.count = 1, .rule = {{.nr = 1, .args = 1}}};

	rules.rule[0].arg[0] = (struct scmp_arg_cmp){0, SCMP_CMP_NE, 1, 0};
	cr_expect_eq(filter_program_build(&rules, out, array_size(out)), -EINVAL);
	rules.rule[0].args = 0;
	for (unsigned max = 0; max < 10; max++)
		cr_expect_eq(filter_program_build(&rules, out, max), -E2BIG);
	cr_expect_eq(filter_program_build(&rules, out, 10), 10);
}
