/* Crash reports: what they say, and that they end the process with status 125. */
#include <criterion/criterion.h>
#include <seccomp.h>
#include <signal.h>
#include "base/host.h"
#include "base/sanitizer.h"
#include "tests/unit/base/support.h"

static char out[16384];

static void guest_context(char *buf, size_t n)
{
	snprintf(buf, n, "guest 7 in read(3)");
}

static void failing_bug(void)
{
	BUG("something is wrong");
}

static void fiber_fault(void *arg)
{
	raise(SIGSEGV);
	/* Not a tail call: this frame should show in the backtrace. */
	asm volatile("" : : "r"(arg));
}

static void fault_on_fiber(void)
{
	struct fiber *f;

	crash_install(guest_context);
	check(fiber_create(fiber_fault, NULL, "unlucky", NULL, &f) == 0);
	sched_run_until_idle(0);
}

Test(crash, a_failed_assertion_says_what_and_where)
{
	cr_assert_eq(run_child(failing_bug, out, sizeof(out)), CRASH_STATUS);
	cr_assert_not_null(strstr(out, "moat: BUG at "));
	cr_assert_not_null(strstr(out, "something is wrong"));
	cr_assert_not_null(strstr(out, "#0 "));
}

Test(crash, a_fault_names_signal_fiber_call_and_functions)
{
	cr_assert_eq(run_child(fault_on_fiber, out, sizeof(out)), CRASH_STATUS);
	cr_assert_not_null(strstr(out, "SIGSEGV"), "%s", out);
	cr_assert_not_null(strstr(out, "in fiber 'unlucky'"), "%s", out);
	cr_assert_not_null(strstr(out, "guest 7 in read(3)"), "%s", out);
	cr_assert_not_null(strstr(out, "fiber_fault+"), "%s", out);
	cr_assert_not_null(strstr(out, "fiber_start+"), "%s", out);
}

/* ThreadSanitizer has handlers run with every signal blocked: a second fault kills at once. */
#if !MOAT_TSAN
static void fault_in_context(char *buf, size_t n)
{
	(void)buf;
	(void)n;
	__builtin_trap();
}

static void fault_twice(void)
{
	crash_install(fault_in_context);
	__builtin_trap();
}

Test(crash, a_fault_while_reporting_ends_the_report)
{
	cr_assert_eq(run_child(fault_twice, out, sizeof(out)), CRASH_STATUS);
	cr_assert_not_null(strstr(out, "SIGILL"));
	cr_assert_not_null(strstr(out, "another fault"));
}
#endif

#if !MOAT_SANITIZED
/* A report has to get by with what the sentry may call after lock-down. */
static void fiber_trap_locked_down(void *arg)
{
	static const int allowed[] = {SCMP_SYS(write), SCMP_SYS(futex), SCMP_SYS(exit_group)};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

	(void)arg;
	for (unsigned i = 0; i < array_size(allowed); i++)
		check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0);
	check(seccomp_load(filter) == 0);
	__builtin_trap();
}

static void fault_locked_down(void)
{
	struct fiber *f;

	crash_install(guest_context);
	check(fiber_create(fiber_trap_locked_down, NULL, "unlucky", NULL, &f) == 0);
	sched_run_until_idle(0);
}

Test(crash, a_report_needs_only_calls_that_lock_down_leaves)
{
	cr_assert_eq(run_child(fault_locked_down, out, sizeof(out)), CRASH_STATUS, "%s", out);
	cr_assert_not_null(strstr(out, "fiber_trap_locked_down"), "%s", out);
	cr_assert_not_null(strstr(out, "fiber_start+"), "%s", out);
}
#endif

/* Sanitizers place big arrays elsewhere, or fault in their shadow memory first. */
#if !MOAT_SANITIZED
static __attribute__((noinline)) int overrun(int depth)
{
	volatile char frame[2048];

	frame[0] = (char)depth;
	return depth ? overrun(depth - 1) + frame[0] : 0;
}

static void fiber_overrun(void *arg)
{
	(void)arg;
	overrun(1000000);
}

static void overrun_on_fiber(void)
{
	struct fiber *f;

	crash_install(NULL);
	check(fiber_create(fiber_overrun, NULL, "deep", NULL, &f) == 0);
	sched_run_until_idle(0);
}

Test(crash, an_overrun_fiber_stack_is_recognised)
{
	cr_assert_eq(run_child(overrun_on_fiber, out, sizeof(out)), CRASH_STATUS);
	cr_assert_not_null(strstr(out, "stack overflowed"), "%s", out);
}
#endif
