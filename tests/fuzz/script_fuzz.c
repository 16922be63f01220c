/*
 * "#!" lines: the input is the file. The interpreter's name and its argument come from the line's
 * own bytes, hold nothing that would have ended them, and say the same again when written anew.
 */
#include "tests/fuzz/fuzz.h"
#include "sentry/exec_internal.h"
#include <errno.h>

static bool ends_blank(const char *s)
{
	size_t n = strlen(s);

	return n && (s[n - 1] == ' ' || s[n - 1] == '\t');
}

/* Written anew with single blanks, the line means the same. */
static void check_again(const struct script_line *was)
{
	u8 head[EXEC_HEAD] = {0};
	struct script_line now;
	int n = snprintf((char *)head, sizeof(head), "#!%s%s%s\n", was->interp,
	                 was->has_arg ? " " : "", was->arg);

	/*
	 * A NUL may stand where the name or the argument should, which is empty then. And
	 * what no newline ends keeps the blanks at its end.
	 */
	if (n > SCRIPT_HEAD || !was->interp[0] || (was->has_arg && !was->arg[0]) ||
	    ends_blank(was->arg))
		return;
	must(script_parse(head, &now) == 0);
	must(strcmp(now.interp, was->interp) == 0);
	must(now.has_arg == was->has_arg && strcmp(now.arg, was->arg) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u8 head[EXEC_HEAD] = {0};
	/* Filled, so that a string without its end is seen. */
	struct script_line line;
	int err;

	memset(&line, 0xaa, sizeof(line));
	if (size)
		memcpy(head, data, min_of(size, sizeof(head)));
	err = script_parse(head, &line);
	must(err == 0 || err == -ENOEXEC);
	if (err)
		return 0;
	must(script_marked(head));
	must(memchr(line.interp, 0, SCRIPT_HEAD) && memchr(line.arg, 0, SCRIPT_HEAD));
	must(!line.interp[strcspn(line.interp, " \t\n")]);
	must(!strchr(line.arg, '\n') && line.arg[0] != ' ' && line.arg[0] != '\t');
	must(line.has_arg || !line.arg[0]);
	must(memmem(head, SCRIPT_HEAD, line.interp, strlen(line.interp)));
	must(memmem(head, SCRIPT_HEAD, line.arg, strlen(line.arg)));
	check_again(&line);
	return 0;
}
