/*
 * Signal actions: what a process has asked to happen on each signal. Shared
 * between groups by CLONE_SIGHAND, copied by fork, reset by execve.
 */
#include "base/census.h"
#include "sentry/posix_timer.h"
#include "sentry/signal_internal.h"
#include <stdlib.h>
#include <string.h>

static CENSUS(sighand_census, "sighand");

struct sighand *sighand_create(void)
{
	struct sighand *sh = calloc(1, sizeof(*sh));
	if (!sh)
		return NULL;
	sh->users = 1;
	lock_init(&sh->lock, RANK_OBJECT);
	census_add(&sighand_census, 1);
	return sh;
}

struct sighand *sighand_copy(struct sighand *from)
{
	struct sighand *sh = sighand_create();
	if (!sh)
		return NULL;
	lock_guard(&from->lock);
	memcpy(sh->action, from->action, sizeof(sh->action));
	return sh;
}

void sighand_put(struct sighand *sh)
{
	if (atomic_fetch_sub(&sh->users, 1) != 1)
		return;
	census_add(&sighand_census, -1);
	free(sh);
}

struct ksigaction sighand_get(struct sighand *sh, int sig)
{
	lock_guard(&sh->lock);
	return sh->action[sig - 1];
}

void signal_ignore(struct task *t, u64 set)
{
	struct sighand *sh = t->group->sighand;
	lock_guard(&sh->lock);
	for (int sig = 1; sig <= NSIG_MAX; sig++)
		if (set & SIGMASK(sig))
			sh->action[sig - 1].handler = KSIG_IGN;
}

/*
 * execve(2): caught signals go back to their defaults, ignored ones stay so.
 * The sharing that CLONE_SIGHAND without CLONE_THREAD made ends too. The alternate
 * stack was in the old image.
 */
void signal_flush_exec(struct task *t)
{
	struct thread_group *g = t->group;
	struct sighand *fresh = NULL, *old = NULL;
	if (atomic_load(&g->sighand->users) > 1) {
		/* Without memory the sharing goes on: its other side then loses its handlers. */
		fresh = sighand_copy(g->sighand);
	}
	{
		lock_guard(&g->siglock);
		if (fresh) {
			old = g->sighand;
			g->sighand = fresh;
		}
		g->exec_id++;
		lock_guard(&g->sighand->lock);
		for (int i = 0; i < NSIG_MAX; i++) {
			struct ksigaction *a = &g->sighand->action[i];
			u64 handler = a->handler == KSIG_IGN ? KSIG_IGN : KSIG_DFL;
			*a = (struct ksigaction){.handler = handler};
		}
	}
	if (old)
		sighand_put(old);
	t->altstack = (stack_t){.ss_flags = SS_DISABLE};
	g->barrier_registered = g->barrier_global = false;
	posix_timers_exec(g);
}
