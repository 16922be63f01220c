/* "#!" lines, as fs/binfmt_script.c takes them. */
#include <criterion/criterion.h>
#include "sentry/exec_internal.h"
#include <errno.h>
#include <string.h>

static struct script_line line;

static int parse_n(const char *text, size_t n)
{
	u8 head[EXEC_HEAD] = {0};

	memcpy(head, text, min_of(n, sizeof(head)));
	return script_parse(head, &line);
}

static int parse(const char *text)
{
	return parse_n(text, strlen(text));
}

/* arg NULL: none. */
static void expect(const char *text, const char *interp, const char *arg)
{
	cr_assert_eq(parse(text), 0);
	cr_assert_eq(strcmp(line.interp, interp), 0);
	cr_assert_eq(line.has_arg, arg != NULL);
	cr_assert_eq(strcmp(line.arg, arg ? arg : ""), 0);
}

Test(exec_script, lines)
{
	expect("#!/bin/sh\n", "/bin/sh", NULL);
	expect("#! \t/bin/sh \t\necho", "/bin/sh", NULL);
	expect("#!/bin/sh -x\n", "/bin/sh", "-x");
	expect("#!/usr/bin/env  python3 -u \n", "/usr/bin/env", "python3 -u");
	expect("#!sh\n", "sh", NULL);
	/* The file ends without a newline: what follows is zeroes. */
	expect("#!/bin/sh", "/bin/sh", NULL);
	expect("#!/bin/sh -e", "/bin/sh", "-e");
}

Test(exec_script, broken_lines)
{
	cr_assert_eq(parse("#!\n"), -ENOEXEC);
	cr_assert_eq(parse("#!  \t \n/bin/sh"), -ENOEXEC);
	cr_assert_eq(parse("#/bin/sh\n"), -ENOEXEC);
	cr_assert_eq(parse(""), -ENOEXEC);
}

Test(exec_script, long_lines)
{
	char text[400] = "#!/";

	/* The name itself may be cut off: refused. */
	memset(text + 3, 'a', 300);
	cr_assert_eq(parse_n(text, 303), -ENOEXEC);
	/* An argument may be. */
	text[100] = ' ';
	cr_assert_eq(parse_n(text, 303), 0);
	cr_assert_eq(strlen(line.interp), 98);
	cr_assert_eq(strlen(line.arg), SCRIPT_HEAD - 102);
	/* All blanks. */
	memset(text + 2, ' ', 300);
	cr_assert_eq(parse_n(text, 302), -ENOEXEC);
}
