/*
 * CPU time and resource usage; see cpu_time.h.
 *
 * Of each task `used` is what its host threads had used when last asked. Their
 * sum over a group lags behind; the host's clock of the whole space does not, but
 * knows no difference between user and system time, and counts every task in
 * the space. So the total is taken from the clock, where the space is the group's
 * alone, and split as the sum is.
 */
#include "sentry/cpu_time.h"
#include "sentry/mm.h"
#include "sentry/task.h"
#include <string.h>

#define NSEC 1000000000ULL

u64 timeval_ns(struct timeval tv)
{
	return (u64)tv.tv_sec * NSEC + (u64)tv.tv_usec * 1000;
}

static struct timeval ns_timeval(u64 ns)
{
	return (struct timeval){.tv_sec = (time_t)(ns / NSEC),
	                        .tv_usec = (suseconds_t)(ns % NSEC / 1000)};
}

void rusage_add(struct rusage *to, const struct rusage *from)
{
	to->ru_utime = ns_timeval(timeval_ns(to->ru_utime) + timeval_ns(from->ru_utime));
	to->ru_stime = ns_timeval(timeval_ns(to->ru_stime) + timeval_ns(from->ru_stime));
	to->ru_maxrss = max_of(to->ru_maxrss, from->ru_maxrss);
	to->ru_minflt += from->ru_minflt;
	to->ru_majflt += from->ru_majflt;
	to->ru_inblock += from->ru_inblock;
	to->ru_oublock += from->ru_oublock;
	to->ru_nvcsw += from->ru_nvcsw;
	to->ru_nivcsw += from->ru_nivcsw;
}

/* The sum of what is known. siglock held; dead threads' share is stable under it. */
static void known_locked(struct thread_group *g, struct rusage *sum)
{
	struct task *t;
	*sum = g->rusage;
	TAILQ_FOREACH (t, &g->threads, thread_link)
		if (!t->exited)
			rusage_add(sum, &t->used);
}

/* ---- what one thread has used: group's siglock guards `used` -------------------- */

/* Asks the host thread of the calling task, which stands still in a call. */
static void ask(struct task *t)
{
	struct rusage now;
	if (t != task_self() || !t->thread || t->host_gone ||
	    platform_thread_usage(t->thread, &now) != 0)
		return;
	lock_guard(&t->group->siglock);
	/* Counted from the start of this host thread; earlier ones are in used_before. */
	struct rusage sum = t->used_before;
	rusage_add(&sum, &now);
	if (timeval_ns(sum.ru_utime) >= timeval_ns(t->used.ru_utime) &&
	    timeval_ns(sum.ru_stime) >= timeval_ns(t->used.ru_stime))
		t->used = sum;
}

void task_usage_save(struct task *t)
{
	struct thread_group *g = t->group;
	struct rusage sum;
	ask(t);
	lock_guard(&g->siglock);
	t->used_before = t->used;
	known_locked(g, &sum);
	g->earlier_spaces = timeval_ns(sum.ru_utime) + timeval_ns(sum.ru_stime);
}

void task_usage_tell(struct task *t)
{
	ask(t);
}

void task_usage_poke(struct task *t)
{
	lock_guard(&t->group->siglock);
	if (!t->thread || t->exited || !(atomic_load(&t->turns) & 1))
		return;
	atomic_fetch_or(&t->works, TASK_WORK_USAGE);
	platform_thread_interrupt(t->thread);
}

struct cpu_time task_cpu_time(struct task *t)
{
	ask(t);
	lock_guard(&t->group->siglock);
	return (struct cpu_time){timeval_ns(t->used.ru_utime), timeval_ns(t->used.ru_stime)};
}

void task_rusage(struct task *t, struct rusage *out)
{
	ask(t);
	lock_guard(&t->group->siglock);
	*out = t->used;
}

/* ---- a whole process ------------------------------------------------------------- */

void task_usage_begin(struct task *t)
{
	/* What the space has used so far was others' doing, or went into its making. */
	t->group->space_base = platform_space_cpu_time(platform_thread_space(t->thread));
}

/*
 * Splits total as what is known is split, such that the parts add up and
 * neither ever goes back (kernel/sched/cputime.c cputime_adjust). siglock held.
 */
static struct cpu_time adjust(struct thread_group *g, const struct rusage *known, u64 total)
{
	struct cpu_time *shown = &g->shown_cpu;
	u64 user = timeval_ns(known->ru_utime), system = timeval_ns(known->ru_stime);
	u64 sum = user + system;
	total = max_of(total, sum);
	if (total <= cpu_time_total(*shown))
		return *shown;
	if (sum)
		system = (u64)((unsigned __int128)system * total / sum);
	system = max_of(system, shown->system);
	user = total - system;
	if (user < shown->user) {
		user = shown->user;
		system = total - user;
	}
	*shown = (struct cpu_time){user, system};
	return *shown;
}

static struct cpu_time total_locked(struct thread_group *g, const struct rusage *known)
{
	struct task *t;
	u64 total = 0;
	TAILQ_FOREACH (t, &g->threads, thread_link) {
		/* Any thread's will do: they share it. Read under the siglock, it cannot go. */
		if (t->thread) {
			total = platform_space_cpu_time(platform_thread_space(t->thread));
			break;
		}
	}
	if (g->shares_space)
		total = 0;
	else if (total > g->space_base)
		total += g->earlier_spaces - g->space_base;
	return adjust(g, known, total);
}

struct cpu_time group_cpu_time(struct thread_group *g)
{
	struct rusage known;
	lock_guard(&g->siglock);
	known_locked(g, &known);
	return total_locked(g, &known);
}

void group_rusage(struct thread_group *g, struct rusage *out)
{
	lock_guard(&g->siglock);
	known_locked(g, out);
	struct cpu_time c = total_locked(g, out);
	out->ru_utime = ns_timeval(c.user);
	out->ru_stime = ns_timeval(c.system);
}

void task_usage_end(struct task *t, bool last)
{
	/*
	 * When a process of many threads ends at once, not each is asked on its way out: the
	 * clock of their space knows the sum, and the last one has it noted.
	 */
	if (last || !t->group->group_exiting || t->group->shares_space)
		ask(t);
	if (last)
		(void)group_cpu_time(t->group);
}

void group_usage_final(struct thread_group *g)
{
	lock_guard(&g->siglock);
	struct cpu_time c = adjust(g, &g->rusage, cpu_time_total(g->shown_cpu));
	g->rusage.ru_utime = ns_timeval(c.user);
	g->rusage.ru_stime = ns_timeval(c.system);
}

void task_group_rusage(struct task *t, struct rusage *out)
{
	ask(t);
	group_rusage(t->group, out);
}

void task_usage_to_group_locked(struct task *t)
{
	struct thread_group *g = t->group;
	lock_guard(&g->siglock);
	rusage_add(&g->rusage, &t->used);
}
