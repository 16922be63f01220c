/*
 * What the unit tests' fixtures want from criterion (tests/unit/plain/criterion/criterion.h): here
 * an expectation that is not met ends the fuzzer, so that it keeps the input.
 */
#include <criterion/criterion.h>

void plain_register(struct plain_test *t)
{
	(void)t;
}

void plain_failed_now(const char *file, int line, const char *what)
{
	fprintf(stderr, "\n%s:%d: not so: %s\n", file, line, what);
	abort();
}

void plain_failed(const char *file, int line, const char *what)
{
	plain_failed_now(file, line, what);
}

void plain_skip(void)
{
	abort();
}
