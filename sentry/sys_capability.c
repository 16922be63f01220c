/*
 * capget(2), capset(2), and the parts of prctl(2) about capabilities.
 */
#include "base/uspace.h"
#include "sentry/cred_change.h"
#include "sentry/sys_prctl.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>

/* Words of each set that a version of the interface has; 0: no such version. */
static unsigned version_words(u32 version)
{
	switch (version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return 1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return 2;
	}
	return 0;
}

/* Reads the header; an unknown version is answered with the one preferred (capget(2)). */
static int header_words(struct uptr p, struct __user_cap_header_struct *h, unsigned *words)
{
	if (get_user(h, p) != 0)
		return -EFAULT;
	*words = version_words(h->version);
	if (*words)
		return 0;
	u32 preferred = _LINUX_CAPABILITY_VERSION_3;
	return put_user(p, &preferred) != 0 ? -EFAULT : -EINVAL;
}

s64 sys_capget(struct task *t, const struct syscall_args *a)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
	unsigned words;
	bool probe = uptr_is_null(arg_ptr(a, 1));
	int err = header_words(arg_ptr(a, 0), &h, &words);
	if (err)
		return err == -EINVAL && probe ? 0 : err;
	if (h.pid < 0)
		return -EINVAL;
	struct task *target = h.pid ? task_find(h.pid) : task_get(t);
	if (!target)
		return -ESRCH;
	struct cred *c = task_cred_get(target);
	task_put(target);
	if (!c)
		return -ESRCH;
	for (unsigned i = 0; i < 2; i++) {
		d[i].effective = (u32)(c->cap_effective >> (32 * i));
		d[i].permitted = (u32)(c->cap_permitted >> (32 * i));
		d[i].inheritable = (u32)(c->cap_inheritable >> (32 * i));
	}
	cred_put(c);
	return probe ? 0 : copy_out(arg_ptr(a, 1), d, words * sizeof(d[0]));
}

/* security/commoncap.c cap_capset */
static int check_capset(struct task *t, u64 effective, u64 permitted, u64 inheritable)
{
	const struct cred *c = t->caller.cred;
	if (!cred_has_own_cap(c, CAP_SETPCAP) &&
	    (inheritable & ~(c->cap_inheritable | c->cap_permitted)))
		return -EPERM;
	if (inheritable & ~(c->cap_inheritable | c->cap_bounding))
		return -EPERM;
	if ((permitted & ~c->cap_permitted) || (effective & ~permitted))
		return -EPERM;
	return 0;
}

s64 sys_capset(struct task *t, const struct syscall_args *a)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
	unsigned words;
	int err = header_words(arg_ptr(a, 0), &h, &words);
	if (err)
		return err;
	if (h.pid != 0 && h.pid != t->tid)
		return -EPERM;
	memset(d, 0, sizeof(d));
	if (copy_in(d, arg_ptr(a, 1), words * sizeof(d[0])) != 0)
		return -EFAULT;
	u64 effective = (d[0].effective | (u64)d[1].effective << 32) & CAP_ALL;
	u64 permitted = (d[0].permitted | (u64)d[1].permitted << 32) & CAP_ALL;
	u64 inheritable = (d[0].inheritable | (u64)d[1].inheritable << 32) & CAP_ALL;
	err = check_capset(t, effective, permitted, inheritable);
	if (err)
		return err;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	n->cap_effective = effective;
	n->cap_permitted = permitted;
	n->cap_inheritable = inheritable;
	n->cap_ambient &= permitted & inheritable;
	cred_change_commit(t, n);
	return 0;
}

/* ---- prctl ----------------------------------------------------------------------- */

static bool bad_cap(u64 cap)
{
	return cap > CAP_LAST_CAP;
}

s64 prctl_capbset(struct task *t, bool drop, u64 cap)
{
	if (bad_cap(cap))
		return -EINVAL;
	if (!drop)
		return t->caller.cred->cap_bounding >> cap & 1;
	if (!cred_has_own_cap(t->caller.cred, CAP_SETPCAP))
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	n->cap_bounding &= ~(1ULL << cap);
	cred_change_commit(t, n);
	return 0;
}

s64 prctl_set_securebits(struct task *t, u64 bits)
{
	const struct cred *c = t->caller.cred;
	const u32 all = SECURE_ALL_BITS | SECURE_ALL_LOCKS;
	u32 old = c->securebits;
	/* Locked bits stay, locks stay, and only the privileged may change any. */
	if (((old & SECURE_ALL_LOCKS) >> 1) & (old ^ (u32)bits))
		return -EPERM;
	if (old & SECURE_ALL_LOCKS & ~bits)
		return -EPERM;
	if ((bits & ~(u64)all) || !cred_has_own_cap(c, CAP_SETPCAP))
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	n->securebits = (u32)bits;
	cred_change_commit(t, n);
	return 0;
}

s64 prctl_set_keepcaps(struct task *t, u64 on)
{
	if (on > 1)
		return -EINVAL;
	if (t->caller.cred->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	n->securebits &= ~(u32)SECBIT_KEEP_CAPS;
	if (on)
		n->securebits |= SECBIT_KEEP_CAPS;
	cred_change_commit(t, n);
	return 0;
}

s64 prctl_ambient(struct task *t, u64 op, u64 cap)
{
	const struct cred *c = t->caller.cred;
	u64 ambient = c->cap_ambient, bit;
	if (op == PR_CAP_AMBIENT_CLEAR_ALL) {
		if (cap)
			return -EINVAL;
		ambient = 0;
	} else {
		if (bad_cap(cap))
			return -EINVAL;
		bit = 1ULL << cap;
		switch (op) {
		case PR_CAP_AMBIENT_IS_SET:
			return ambient >> cap & 1;
		case PR_CAP_AMBIENT_RAISE:
			if (!(c->cap_permitted & c->cap_inheritable & bit) ||
			    (c->securebits & SECBIT_NO_CAP_AMBIENT_RAISE))
				return -EPERM;
			ambient |= bit;
			break;
		case PR_CAP_AMBIENT_LOWER:
			ambient &= ~bit;
			break;
		default:
			return -EINVAL;
		}
	}
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	n->cap_ambient = ambient;
	cred_change_commit(t, n);
	return 0;
}
