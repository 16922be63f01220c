/*
 * The allowlists as text: a line for each call with who needs it and why, and a
 * line for each of its forms with what the filter demands of the arguments. It is made from
 * the same comparisons as the programs, so it cannot say anything else than they do.
 */
#include "platform/filter/filter_print.h"
#include <stdlib.h>

static void print_comparison(FILE *out, const struct scmp_arg_cmp *c)
{
	unsigned long a = c->datum_a, b = c->datum_b;

	fprintf(out, "argument %u ", c->arg + 1);
	switch ((int)c->op) {
	case SCMP_CMP_EQ:
		fprintf(out, "is %#lx", a);
		break;
	case SCMP_CMP_LT:
		fprintf(out, "below %#lx", a);
		break;
	case SCMP_CMP_LE:
		fprintf(out, "at most %#lx", a);
		break;
	case SCMP_CMP_MASKED_EQ:
		if ((a & ~b) == a)
			fprintf(out, "has none of %#lx", a);
		else if (a == b)
			fprintf(out, "has all of %#lx", a);
		else
			fprintf(out, "has of %#lx just %#lx", a, b & a);
		break;
	}
}

void filter_print_form(FILE *out, int nr, const char *why, unsigned args,
                       const struct scmp_arg_cmp *arg)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

	if (why)
		fprintf(out, "  %-18s %s\n", name ? name : "?", why);
	if (args || !why) {
		fprintf(out, "  %-18s   %s ", "", why ? "if" : "or if");
		for (unsigned i = 0; i < args; i++) {
			fputs(i ? ", and " : "", out);
			print_comparison(out, &arg[i]);
		}
		fputc('\n', out);
	}
	free(name);
}
