/*
 * Changing one's own credentials: what the set*id calls, capset and prctl have
 * in common.
 */
#pragma once
#include "base/cred.h"
#include "base/types.h"

struct task;

/* Capabilities that there are (capabilities(7)). */
#define CAP_ALL ((1ULL << 41) - 1)

/* A private copy of t's credentials to change; NULL: no memory. */
struct cred *cred_change_begin(struct task *t);
/*
 * Publishes it; takes over fresh. Does what goes with a change of identity: the process can no
 * longer be dumped, the parent's death signal is off, another user's process count is charged.
 */
void cred_change_commit(struct task *t, struct cred *fresh);
/* The capabilities that a change of user ids gives and takes (capabilities(7), 'Effect of user ID
 * changes on capabilities'). */
void cred_fix_caps_setuid(struct cred *fresh, const struct cred *old);
void cred_fix_caps_setfsuid(struct cred *fresh, const struct cred *old);
