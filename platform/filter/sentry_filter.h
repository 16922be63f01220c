/*
 * The sentry's own allowlist: what the user-space kernel may ask of the host
 * once it is locked down. It is computed from the configuration, so that what a
 * sandbox has not been granted is not there to be abused.
 */
#pragma once
#include "base/types.h"
#include <stdio.h>

struct sentry_filter_config {
	bool host_files; /* some host directory is granted, for reading at least */
	bool writable;   /* ... and one for writing */
	bool terminal;   /* a terminal is passed through */
	bool control;    /* a control socket listens */
	bool net_link;   /* packets go through a socket of an external engine */
	bool net_host;   /* the guest may use the host's sockets */
	bool tracer;     /* the platform is ptrace */
	bool mm_checked; /* the sentry answers for its stubs' changes of memory (systrap) */
	bool debug;      /* a forbidden call raises SIGSYS, which is reported, instead of killing */
};

/*
 * Locks down all threads of the process, which must all have been started: no
 * call that starts one is allowed. 0 or -errno. It cannot be undone.
 */
must_check int sentry_filter_apply(const struct sentry_filter_config *config);
struct filter_rules;
void sentry_filter_rules(const struct sentry_filter_config *config, struct filter_rules *out);
/* How many system calls the sentry may make so configured. */
unsigned sentry_filter_count(const struct sentry_filter_config *config);
/* Both lists for people, stubs' and sentry's, with the reason for each call. */
void filter_print_allowlists(FILE *out, const struct sentry_filter_config *config);
