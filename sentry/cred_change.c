/*
 * Changing credentials; see cred_change.h (kernel/cred.c commit_creds,
 * security/commoncap.c).
 */
#include "sentry/cred_change.h"
#include "sentry/task.h"
#include "sentry/user_account.h"
#include <linux/capability.h>
#include <linux/securebits.h>

#define CAP_BIT(c) (1ULL << (c))
/* CAP_FS_SET and CAP_MKNOD: what goes with the file system user id. */
#define CAPS_FS                                                                                    \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_DAC_OVERRIDE) |                     \
	 CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |                \
	 CAP_BIT(CAP_LINUX_IMMUTABLE) | CAP_BIT(CAP_MAC_OVERRIDE))

struct cred *cred_change_begin(struct task *t)
{
	return cred_clone(t->caller.cred, t->caller.cred->ngroups);
}

/* Capabilities that one has in a namespace of one's own making are no gain (cred_cap_issubset). */
static bool is_cap_subset(const struct cred *old, const struct cred *fresh)
{
	const struct user_ns *u = fresh->user_ns;

	if (u == old->user_ns)
		return (fresh->cap_permitted & ~old->cap_permitted) == 0;
	for (; u->ns.owner; u = u->ns.owner)
		if (u->ns.owner == old->user_ns && u->uid == old->euid)
			return true;
	return false;
}

void cred_change_commit(struct task *t, struct cred *fresh)
{
	const struct cred *old = t->caller.cred;
	bool other = fresh->euid != old->euid || fresh->egid != old->egid ||
	             fresh->fsuid != old->fsuid || fresh->fsgid != old->fsgid ||
	             !is_cap_subset(old, fresh);
	if (other) {
		t->group->dumpable = false;
		lock_guard(&kernel.tasks_lock);
		t->pdeath_signal = 0;
	}
	/* Beyond RLIMIT_NPROC the change succeeds; the next execve fails (setuid(2)). */
	if (fresh->uid != t->charged_uid && user_charge(fresh->uid, USER_TASKS, ~0ULL) == 0) {
		user_uncharge(t->charged_uid, USER_TASKS);
		t->charged_uid = fresh->uid;
	}
	task_set_cred(t, fresh);
}

void cred_fix_caps_setuid(struct cred *fresh, const struct cred *old)
{
	u32 root = user_ns_uid_in(old->user_ns, 0);
	bool was_root = old->uid == root || old->euid == root || old->suid == root;
	bool is_root = fresh->uid == root || fresh->euid == root || fresh->suid == root;
	if (old->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (was_root && !is_root) {
		if (!(old->securebits & SECBIT_KEEP_CAPS)) {
			fresh->cap_permitted = 0;
			fresh->cap_effective = 0;
		}
		/* Programs older than ambient capabilities rely on losing all by execve. */
		fresh->cap_ambient = 0;
	}
	if (old->euid == root && fresh->euid != root)
		fresh->cap_effective = 0;
	if (old->euid != root && fresh->euid == root)
		fresh->cap_effective = fresh->cap_permitted;
}

void cred_fix_caps_setfsuid(struct cred *fresh, const struct cred *old)
{
	u32 root = user_ns_uid_in(old->user_ns, 0);
	if (old->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (old->fsuid == root && fresh->fsuid != root)
		fresh->cap_effective &= ~CAPS_FS;
	if (old->fsuid != root && fresh->fsuid == root)
		fresh->cap_effective |= fresh->cap_permitted & CAPS_FS;
}
