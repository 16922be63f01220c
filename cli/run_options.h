/* The command line of `moat run`, decoded and checked. */
#pragma once
#include "base/types.h"
#include "sentry/sandbox.h"

struct run_options {
	struct sandbox_config sandbox; /* descriptors are opened by run.c */
	const char *root;
	double timeout; /* seconds; 0: none */
	const char *trace_file;
	bool tty_wanted, tty_refused;
	bool clear_env;
	char **env; /* K=V added, NULL-terminated; owned */
	unsigned nenv;
	bool pids_set, uid_set, gid_set;
	bool trace;
};

/*
 * Fills *o from argv. Ends the process with a message for a wrong command
 * line (2) and for --help (0). Strings point into argv or are owned by *o for the process's life.
 */
void run_options_parse(struct run_options *o, int argc, char **argv);
