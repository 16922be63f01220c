/* `moat syscalls`: the compatibility table, from sentry/syscalls.def. */
#include "cli/cli.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum format { TEXT, MARKDOWN, JSON };

static const char *const status_names[] = {[SYS_FULL] = "full",
                                           [SYS_PARTIAL] = "partial",
                                           [SYS_REFUSED] = "refused",
                                           [SYS_MISSING] = "missing"};

/* What a program sees that makes the call, as a short text. */
static void describe(const struct syscall_row *r, char *buf, size_t n)
{
	const char *name = r->refusal ? strerrorname_np(r->refusal) : NULL;

	if (r->status == SYS_REFUSED)
		snprintf(buf, n, "%s: %s", name, r->note);
	else if (r->status == SYS_MISSING)
		snprintf(buf, n, "ENOSYS");
	else
		snprintf(buf, n, "%s", r->note);
}

static void print_row(enum format f, int nr, const struct syscall_row *r, bool first)
{
	char text[256];

	describe(r, text, sizeof(text));
	switch (f) {
	case TEXT:
		printf("%3d  %-24s %-8s %s\n", nr, r->name, status_names[r->status], text);
		break;
	case MARKDOWN:
		printf("| %d | `%s` | %s | %s |\n", nr, r->name, status_names[r->status], text);
		break;
	case JSON:
		printf("%s\n  {\"number\": %d, \"name\": \"%s\", \"status\": \"%s\", \"note\": \"",
		       first ? "" : ",", nr, r->name, status_names[r->status]);
		for (const char *p = text; *p; p++)
			printf(*p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
		printf("\"}");
	}
}

static void print_all(enum format f)
{
	unsigned count[array_size(status_names)] = {0};
	bool first = true;

	if (f == MARKDOWN)
		printf("| number | call | status | note |\n| --- | --- | --- | --- |\n");
	if (f == JSON)
		printf("[");
	for (int nr = 0; nr < SYSCALL_NR; nr++) {
		const struct syscall_row *r = &syscall_table[nr];

		if (!r->name)
			continue;
		print_row(f, nr, r, first);
		count[r->status]++;
		first = false;
	}
	if (f == JSON)
		printf("\n]\n");
	else
		printf("\n%u full, %u partial, %u refused, %u missing\n", count[SYS_FULL],
		       count[SYS_PARTIAL], count[SYS_REFUSED], count[SYS_MISSING]);
}

int cmd_syscalls(int argc, char **argv)
{
	static const struct option options[] = {{"markdown", no_argument, NULL, 'm'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	enum format f = TEXT;
	int id;

	while ((id = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (id) {
		case 'm':
			f = MARKDOWN;
			break;
		case 'j':
			f = JSON;
			break;
		case 'h':
			printf("usage: moat syscalls [--markdown | --json]\n\n"
			       "Prints every Linux x86-64 system call and how much of it moat "
			       "implements:\n"
			       "  full     as Linux has it\n"
			       "  partial  the note says what is missing\n"
			       "  refused  always fails with the errno that the note names\n"
			       "  missing  not implemented: ENOSYS\n");
			return 0;
		default:
			return 2;
		}
	}
	print_all(f);
	return ferror(stdout) ? 1 : 0;
}
