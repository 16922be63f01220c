/*
 * Namespaces for stubs (namespaces(7)), where the host lets its callers have them: another wall
 * for the day when a filter does not hold, and the way to bound how many host processes a guest can
 * make.
 */
#pragma once
#include "base/types.h"

/* In the sentry, before its files are confined and its privileges dropped: what root's stubs take.
 */
void namespaces_prepare(void);
/*
 * In a process that is to become a stub, by host calls alone: enters its namespaces, with at most
 * that many processes and threads in them, and leaves it no capability there either. What the host
 * refuses is left out. It clears PR_SET_PDEATHSIG.
 */
void namespaces_enter(u32 max_processes);
/* In the sentry, when stubs have all they need. */
void namespaces_release(void);
