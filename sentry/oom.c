/*
 * The out-of-memory killer: a victim is chosen by size and oom_score_adj, as
 * mm/oom_kill.c chooses it for a cgroup, and gets SIGKILL.
 */
#include "sentry/oom.h"
#include "base/log.h"
#include "sentry/mm.h"
#include "sentry/signal.h"
#include "sentry/task.h"
#include <signal.h>

/* Never a victim. */
#define OOM_ADJ_MIN (-1000)

/* The larger, the better a victim; 0: none. tasks_lock held. */
static u64 badness(struct thread_group *g)
{
	struct task *t = TAILQ_FIRST(&g->threads);
	s32 adj = atomic_load(&g->oom_score_adj);
	u64 limit = kernel.memory_limit ? kernel.memory_limit : 1ULL << 40;
	s64 points;

	if (!t || g->state != GROUP_LIVE || !t->mm || adj == OOM_ADJ_MIN)
		return 0;
	/* What a program can have written to: private and stack areas. */
	points = (s64)(t->mm->data_vm + t->mm->stack_vm) + (s64)adj * (s64)(limit / 1000);
	return points > 0 ? (u64)points : 1;
}

void oom_kill(void)
{
	struct thread_group *g, *victim = NULL;
	u64 worst = 0;

	lock_acquire(&kernel.tasks_lock);
	TAILQ_FOREACH (g, &kernel.groups, all_link) {
		u64 b = badness(g);
		/* One that is dying already will give its memory back. */
		if (b && g->group_exiting)
			worst = ~0ULL, victim = NULL;
		else if (b > worst)
			worst = b, victim = g;
	}
	if (victim)
		group_get(victim);
	lock_release(&kernel.tasks_lock);
	if (!victim)
		return;
	log_limited(LOG_WARN, "out of memory (limit %llu MiB): killed process %d",
	            (unsigned long long)(kernel.memory_limit >> 20), victim->pid);
	signal_send_group_simple(victim, SIGKILL, SI_KERNEL);
	group_put(victim);
}
