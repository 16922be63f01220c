/* moat's entry point: picks the command. */
#include "cli/cli.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MOAT_VERSION
#define MOAT_VERSION "0.1"
#endif

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs("moat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

noreturn void die(const char *fmt, ...)
{
	va_list ap;

	fputs("moat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_MOAT_FAILED);
}

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct {
	const char *name, *summary;
	int (*fn)(int argc, char **argv);
} commands[] = {
    {"run", "run a program in a sandbox", cmd_run},
    {"doctor", "show what this host offers and what moat does with it", cmd_doctor},
    {"syscalls", "print the system call compatibility table", cmd_syscalls},
    {"help", "show this text", cmd_help},
    {"version", "print the version", cmd_version},
};

static int cmd_help(int argc unused_arg, char **argv unused_arg)
{
	printf("moat runs programs on a kernel of its own, in user space.\n\n"
	       "usage: moat COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < array_size(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\n'moat COMMAND --help' lists a command's options.\n"
	       "Example: moat run -- python3 script.py\n");
	return 0;
}

static int cmd_version(int argc unused_arg, char **argv unused_arg)
{
	printf("moat %s (%s)\n", MOAT_VERSION, MOAT_BUILD);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name || !strcmp(name, "--help") || !strcmp(name, "-h"))
		return name ? cmd_help(0, NULL) : (cmd_help(0, NULL), 2);
	if (!strcmp(name, "--version"))
		return cmd_version(0, NULL);
	for (size_t i = 0; i < array_size(commands); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].fn(argc - 1, argv + 1);
	complain("there is no command '%s'; 'moat help' lists the commands", name);
	return 2;
}
