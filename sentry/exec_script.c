/*
 * The "#!" line: fs/binfmt_script.c load_script.
 *
 * The interpreter's name must be known to be whole: a newline ends it, or white
 * space within the 256 bytes that are looked at. Its argument may be cut off.
 */
#include "sentry/exec_internal.h"
#include <errno.h>
#include <string.h>

static bool is_blank(u8 c)
{
	return c == ' ' || c == '\t';
}

/* The first byte in [p, last] that is not blank, or NULL. */
static const u8 *skip_blanks(const u8 *p, const u8 *last)
{
	for (; p <= last; p++)
		if (!is_blank(*p))
			return p;
	return NULL;
}

/* The first blank or NUL in [p, last], or NULL. */
static const u8 *find_end(const u8 *p, const u8 *last)
{
	for (; p <= last; p++)
		if (is_blank(*p) || !*p)
			return p;
	return NULL;
}

/* A NUL within ends it too, as the kernel handles it as a string. */
static void take(char *to, const u8 *from, const u8 *end)
{
	while (from < end && *from)
		*to++ = (char)*from++;
	*to = 0;
}

int script_parse(const u8 *head, struct script_line *out)
{
	const u8 *last = head + SCRIPT_HEAD - 1, *end, *name, *sep, *arg = NULL;

	if (!script_marked(head))
		return -ENOEXEC;
	/* Not past a NUL: the kernel's strnchr stops there. */
	end = memchr(head, '\n', strnlen((const char *)head, SCRIPT_HEAD));
	if (!end) {
		end = skip_blanks(head + 2, last);
		if (!end || !find_end(end, last))
			return -ENOEXEC;
		end = last;
	}
	while (is_blank(end[-1]))
		end--;
	name = skip_blanks(head + 2, end);
	if (!name || name == end)
		return -ENOEXEC;
	sep = find_end(name, end);
	if (sep && *sep)
		arg = skip_blanks(sep, end);
	take(out->interp, name, sep && sep < end ? sep : end);
	/* What skip_blanks found at the very end is the newline. */
	out->has_arg = arg && arg < end;
	out->arg[0] = 0;
	if (out->has_arg)
		take(out->arg, arg, end);
	return 0;
}
