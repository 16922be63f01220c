/*
 * What the launcher and the sentry say to each other over their SOCK_SEQPACKET
 * pair. One message a packet; the launcher trusts nothing in it but what it
 * checks, since a guest that owned the sentry could write it.
 */
#pragma once
#include "base/types.h"

enum control_type {
	/* launcher -> sentry */
	CONTROL_SIGNAL =
	    1, /* value: a signal for the guest's first process (or its terminal's foreground) */
	CONTROL_WINSIZE, /* value: rows << 16 | columns */
	CONTROL_OOM,     /* the sandbox is over its memory limit: end the largest process */
	/* sentry -> launcher */
	CONTROL_FAILED, /* guest code never will run: value is an exit status, text says why */
	CONTROL_ENDED,  /* value: wait status of the first process */
};

struct control_message {
	u32 type;
	u32 value;
	char text[504]; /* NUL-terminated */
};
