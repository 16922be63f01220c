/* The end of a sandbox as the launcher sees it: nothing of the sentry's session is left. */
#pragma once
#include <sys/types.h>

/*
 * Kills and reaps the caller's children that belong to the session, but not its leader. For a
 * child subreaper whose child, the leader, has ended and is not reaped yet: then these
 * are all that is left of the session. Children of other sessions are not touched.
 */
void session_sweep(pid_t session);
