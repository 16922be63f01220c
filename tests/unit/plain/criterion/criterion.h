/*
 * A stand-in for criterion in sanitizer builds: the part of its interface that
 * moat's tests use. Criterion places its shared arena at addresses that
 * ThreadSanitizer keeps for itself, so that the real one does not even start.
 * Each test runs in a forked child (tests/unit/plain/main.c).
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_options {
	int sentinel; /* lets a test without options still have an initializer */
	void (*init)(void);
	void (*fini)(void);
	double timeout; /* seconds */
	int exit_code;
	int signal;
	bool disabled;
	const char *description;
};

struct plain_test {
	const char *suite, *name;
	void (*fn)(void); /* NULL: a suite, whose options are its tests' defaults */
	struct plain_options options;
	struct plain_test *next;
};

void plain_register(struct plain_test *t);
void plain_failed(const char *file, int line, const char *what);
void plain_failed_now(const char *file, int line, const char *what) __attribute__((__noreturn__));
/* Ends the test as skipped. */
void plain_skip(void) __attribute__((__noreturn__));

#define PLAIN_REGISTER(id, s, n, f, ...)                                                           \
	static struct plain_test id##_test = {                                                     \
	    .suite = s, .name = n, .fn = f, .options = {.sentinel = 0, ##__VA_ARGS__}};            \
	static __attribute__((constructor)) void id##_register(void)                               \
	{                                                                                          \
		plain_register(&id##_test);                                                        \
	}

#define Test(Suite, Name, ...)                                                                     \
	static void Suite##_##Name##_impl(void);                                                   \
	PLAIN_REGISTER(Suite##_##Name, #Suite, #Name, Suite##_##Name##_impl, ##__VA_ARGS__)        \
	static void Suite##_##Name##_impl(void)
#define TestSuite(Suite, ...) PLAIN_REGISTER(Suite##_suite, #Suite, NULL, NULL, ##__VA_ARGS__)

/* The message's arguments are evaluated only on failure, as with criterion. */
#define PLAIN_CHECK(fail, cond, text, ...)                                                         \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, " " __VA_ARGS__);                                          \
			fail(__FILE__, __LINE__, text);                                            \
		}                                                                                  \
	} while (0)
#define PLAIN_ASSERT(cond, text, ...) PLAIN_CHECK(plain_failed_now, cond, text, ##__VA_ARGS__)
#define PLAIN_EXPECT(cond, text, ...) PLAIN_CHECK(plain_failed, cond, text, ##__VA_ARGS__)

#define cr_assert(c, ...)               PLAIN_ASSERT((c), #c, ##__VA_ARGS__)
#define cr_assert_not(c, ...)           PLAIN_ASSERT(!(c), "not " #c, ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...)         PLAIN_ASSERT((a) == (b), #a " == " #b, ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...)        PLAIN_ASSERT((a) != (b), #a " != " #b, ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...)         PLAIN_ASSERT((a) < (b), #a " < " #b, ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...)        PLAIN_ASSERT((a) <= (b), #a " <= " #b, ##__VA_ARGS__)
#define cr_assert_gt(a, b, ...)         PLAIN_ASSERT((a) > (b), #a " > " #b, ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...)        PLAIN_ASSERT((a) >= (b), #a " >= " #b, ##__VA_ARGS__)
#define cr_assert_null(a, ...)          PLAIN_ASSERT((a) == NULL, #a " is null", ##__VA_ARGS__)
#define cr_assert_not_null(a, ...)      PLAIN_ASSERT((a) != NULL, #a " is not null", ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)     PLAIN_ASSERT(!strcmp(a, b), #a " == " #b, ##__VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)    PLAIN_ASSERT(strcmp(a, b), #a " != " #b, ##__VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...)  PLAIN_ASSERT(!memcmp(a, b, n), #a " == " #b, ##__VA_ARGS__)
#define cr_assert_arr_neq(a, b, n, ...) PLAIN_ASSERT(memcmp(a, b, n), #a " != " #b, ##__VA_ARGS__)
#define cr_assert_fail(...)             PLAIN_ASSERT(false, "reached", ##__VA_ARGS__)
#define cr_fatal(...)                   PLAIN_ASSERT(false, "reached", ##__VA_ARGS__)

#define cr_expect(c, ...)              PLAIN_EXPECT((c), #c, ##__VA_ARGS__)
#define cr_expect_not(c, ...)          PLAIN_EXPECT(!(c), "not " #c, ##__VA_ARGS__)
#define cr_expect_eq(a, b, ...)        PLAIN_EXPECT((a) == (b), #a " == " #b, ##__VA_ARGS__)
#define cr_expect_neq(a, b, ...)       PLAIN_EXPECT((a) != (b), #a " != " #b, ##__VA_ARGS__)
#define cr_expect_lt(a, b, ...)        PLAIN_EXPECT((a) < (b), #a " < " #b, ##__VA_ARGS__)
#define cr_expect_leq(a, b, ...)       PLAIN_EXPECT((a) <= (b), #a " <= " #b, ##__VA_ARGS__)
#define cr_expect_gt(a, b, ...)        PLAIN_EXPECT((a) > (b), #a " > " #b, ##__VA_ARGS__)
#define cr_expect_geq(a, b, ...)       PLAIN_EXPECT((a) >= (b), #a " >= " #b, ##__VA_ARGS__)
#define cr_expect_null(a, ...)         PLAIN_EXPECT((a) == NULL, #a " is null", ##__VA_ARGS__)
#define cr_expect_not_null(a, ...)     PLAIN_EXPECT((a) != NULL, #a " is not null", ##__VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)    PLAIN_EXPECT(!strcmp(a, b), #a " == " #b, ##__VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...) PLAIN_EXPECT(!memcmp(a, b, n), #a " == " #b, ##__VA_ARGS__)

#define cr_skip_test(...) plain_skip()
#define cr_log_info(...)  ((void)0)
#define cr_log_warn(...)  fprintf(stderr, __VA_ARGS__)
