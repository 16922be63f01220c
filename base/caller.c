/* Whose work the calling thread of control does: see caller.h. */
#include "base/caller.h"
#include "base/fiber_internal.h"
#include <errno.h>

static void raise_nothing(struct caller *c unused_arg, int sig unused_arg)
{
}

/* Static, and never freed: its count starts at one that nobody puts. */
static struct cred root_cred = {
    .ref = {.count = 1},
    .cap_permitted = ~0ULL,
    .cap_effective = ~0ULL,
    .cap_bounding = ~0ULL,
    .user_ns = &initial_user_ns,
};

struct caller root_caller = {
    .cred = &root_cred,
    .fsize_limit = ~0ULL,
    .nofile_limit = 1024,
    .raise = raise_nothing,
};

s32 caller_shown_pid(s32 pid)
{
	const struct caller *c = caller();

	return c->pid_shown ? c->pid_shown(pid) : pid;
}

int caller_breathe(void)
{
	const struct caller *c = caller();

	if (fiber_self())
		fiber_yield();
	return c->killed && c->killed(c) ? -EINTR : 0;
}

struct caller *caller(void)
{
	struct fiber *f = fiber_self();

	return f ? fiber_caller(f) : &root_caller;
}
