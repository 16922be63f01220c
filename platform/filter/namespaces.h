/*
 * Namespaces for stubs (namespaces(7)), where the host lets its callers have them: another wall
 * for the day when a filter does not hold, and the way to bound how many host processes a guest can
 * make.
 */
#pragma once
#include "base/types.h"
#include <sys/types.h>

/*
 * In the launcher, which still may, and has nothing else to do: makes what root's stubs take, and
 * sends it to the sentry over this end of their socket pair. The first packet there; root's only.
 */
void namespaces_send(int socket, pid_t sentry);
/* In the sentry, before it reads anything else there: waits for that. */
void namespaces_receive(int socket);
/*
 * In a process that is to become a stub, by host calls alone: enters its namespaces, with at most
 * that many processes and threads in them, and leaves it no capability there either. What the host
 * refuses is left out. It clears PR_SET_PDEATHSIG.
 */
void namespaces_enter(u32 max_processes);
/* In the sentry, when stubs have all they need. */
void namespaces_release(void);
