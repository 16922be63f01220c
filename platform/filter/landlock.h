/*
 * Landlock for the sentry and all stubs: a second wall around the host's files, for the day
 * when code in the sentry is made to open what it should not. The first one is that only
 * granted descriptors are ever used as a start.
 */
#pragma once
#include "base/types.h"

struct landlock_grant {
	int fd; /* directory or file; borrowed */
	bool is_dir, writable;
};

/*
 * From now on this process and its children open only what is below a grant, and /proc for reading;
 * what is open already, and files in memory, are not touched. Before the zygote is forked:
 * a process may not look into one outside its own domain, and the sentry must look into
 * stubs. 1: done; 0: the host has no Landlock that suits; or -errno. It cannot be undone.
 */
must_check int landlock_confine(const struct landlock_grant *grant, unsigned n);
/* The version that the host has; 0: none. */
unsigned landlock_host_version(void);
