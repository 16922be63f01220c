/*
 * Sessions and process groups; see session.h.
 */
#include "sentry/session.h"
#include "base/bug.h"
#include "base/census.h"
#include "sentry/pid.h"
#include <stdlib.h>

static CENSUS(session_census, "session");
static CENSUS(pgrp_census, "process_group");

struct session *session_create_locked(s32 sid)
{
	struct session *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	ref_init(&s->ref);
	s->sid = sid;
	TAILQ_INIT(&s->groups);
	struct pid_entry *e = pid_lookup(kernel.pids, sid);
	BUG_ON(!e || e->session);
	e->session = s;
	census_add(&session_census, 1);
	return s;
}

struct session *session_get(struct session *s)
{
	ref_get(&s->ref);
	return s;
}

void session_put(struct session *s)
{
	if (!ref_put(&s->ref))
		return;
	BUG_ON(!TAILQ_EMPTY(&s->groups));
	census_add(&session_census, -1);
	free(s);
}

struct process_group *pgrp_create_locked(s32 pgid, struct session *s)
{
	struct process_group *pg = calloc(1, sizeof(*pg));
	if (!pg)
		return NULL;
	ref_init(&pg->ref);
	pg->pgid = pgid;
	pg->session = session_get(s);
	TAILQ_INIT(&pg->members);
	TAILQ_INSERT_TAIL(&s->groups, pg, session_link);
	struct pid_entry *e = pid_lookup(kernel.pids, pgid);
	BUG_ON(!e || e->pgrp);
	e->pgrp = pg;
	census_add(&pgrp_census, 1);
	return pg;
}

struct process_group *pgrp_get(struct process_group *pg)
{
	ref_get(&pg->ref);
	return pg;
}

void pgrp_put(struct process_group *pg)
{
	if (!ref_put(&pg->ref))
		return;
	BUG_ON(!TAILQ_EMPTY(&pg->members));
	session_put(pg->session);
	census_add(&pgrp_census, -1);
	free(pg);
}

/* The last member has left: the number is free for others, and perhaps the session's too. */
static void pgrp_unhash(struct process_group *pg)
{
	struct session *s = pg->session;
	pid_lookup(kernel.pids, pg->pgid)->pgrp = NULL;
	pid_release(kernel.pids, pg->pgid);
	TAILQ_REMOVE(&s->groups, pg, session_link);
	if (TAILQ_EMPTY(&s->groups)) {
		pid_lookup(kernel.pids, s->sid)->session = NULL;
		pid_release(kernel.pids, s->sid);
	}
}

void pgrp_leave_locked(struct thread_group *g)
{
	struct process_group *pg = g->pgrp;
	if (!pg)
		return;
	TAILQ_REMOVE(&pg->members, g, pgrp_link);
	g->pgrp = NULL;
	if (TAILQ_EMPTY(&pg->members))
		pgrp_unhash(pg);
	pgrp_put(pg);
}

void pgrp_join_locked(struct thread_group *g, struct process_group *pg)
{
	/* In this order, so that the sole member of a session may move within it. */
	struct process_group *old = g->pgrp;
	if (old)
		TAILQ_REMOVE(&old->members, g, pgrp_link);
	TAILQ_INSERT_TAIL(&pg->members, g, pgrp_link);
	g->pgrp = pgrp_get(pg);
	if (old) {
		if (TAILQ_EMPTY(&old->members))
			pgrp_unhash(old);
		pgrp_put(old);
	}
}

struct process_group *pgrp_find_locked(s32 pgid)
{
	struct pid_entry *e = pid_lookup(kernel.pids, pgid);
	return e ? e->pgrp : NULL;
}

struct session *session_find_locked(s32 sid)
{
	struct pid_entry *e = pid_lookup(kernel.pids, sid);
	return e ? e->session : NULL;
}

bool pgrp_orphaned_locked(struct process_group *pg, const struct thread_group *ignored)
{
	struct thread_group *g;
	TAILQ_FOREACH (g, &pg->members, pgrp_link) {
		struct thread_group *p = g->parent;
		if (g == ignored || g->state != GROUP_LIVE || !p)
			continue;
		if (p->pgrp && p->pgrp != pg && p->pgrp->session == pg->session)
			return false;
	}
	return true;
}

static bool pgrp_has_stopped(struct process_group *pg)
{
	struct thread_group *g;
	TAILQ_FOREACH (g, &pg->members, pgrp_link) {
		lock_guard(&g->siglock);
		if (g->stop_complete)
			return true;
	}
	return false;
}

void pgrp_check_orphaned_locked(struct thread_group *g, struct thread_group *parent)
{
	const struct thread_group *ignored = g;
	if (parent)
		/* g stays; it is its parent that goes, so only g's own link is cut by it. */
		ignored = NULL;
	else
		parent = g->parent;
	struct process_group *pg = g->pgrp;
	if (!pg || !parent || !parent->pgrp)
		return;
	if (parent->pgrp == pg || parent->pgrp->session != pg->session)
		return;
	if (!pgrp_orphaned_locked(pg, ignored) || !pgrp_has_stopped(pg))
		return;
	siginfo_t info = {.si_signo = SIGHUP, .si_code = SI_KERNEL};
	signal_send_pgrp(pg, &info);
	info.si_signo = SIGCONT;
	signal_send_pgrp(pg, &info);
}
