/*
 * Access of one task to another; see task_access.h (kernel/ptrace.c
 * __ptrace_may_access).
 */
#include "sentry/task_access.h"
#include "base/cred.h"
#include "sentry/task.h"
#include <errno.h>
#include <linux/capability.h>

int task_access(struct task *t, struct task *target)
{
	const struct cred *c = t->caller.cred;
	bool same_ids, subset, may;
	if (target->group == t->group)
		return 0;
	struct cred *tc = task_cred_get(target);
	if (!tc)
		return -ESRCH;
	same_ids = c->uid == tc->euid && c->uid == tc->suid && c->uid == tc->uid &&
	           c->gid == tc->egid && c->gid == tc->sgid && c->gid == tc->gid;
	subset = c->user_ns == tc->user_ns && (tc->cap_permitted & ~c->cap_permitted) == 0;
	may = cred_has_cap_in(c, tc->user_ns, CAP_SYS_PTRACE);
	cred_put(tc);
	if (may)
		return 0;
	if (!same_ids || !target->group->dumpable || !subset)
		return -EPERM;
	return 0;
}

struct task *group_leader_get(struct thread_group *g)
{
	lock_guard(&kernel.tasks_lock);
	return g->state == GROUP_DEAD ? NULL : task_get(g->leader);
}
