/*
 * System calls about user and group ids (credentials(7); kernel/sys.c). An id of
 * -1 means 'leave it'.
 */
#include "base/uspace.h"
#include "sentry/cred_change.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

/* Also what an id becomes that means nothing in the caller's user namespace. */
#define KEEP NO_ID

static u32 shown_uid(const struct task *t, u32 uid)
{
	return user_ns_uid_show(t->caller.cred->user_ns, uid);
}

static u32 shown_gid(const struct task *t, u32 gid)
{
	return user_ns_gid_show(t->caller.cred->user_ns, gid);
}

/* An argument that is an id, or -1 for 'leave it'. -EINVAL: it means nothing here. */
static int get_uid(const struct task *t, const struct syscall_args *a, int n, u32 *out)
{
	*out = user_ns_uid_in(t->caller.cred->user_ns, arg_u32(a, n));
	return *out == KEEP && arg_u32(a, n) != KEEP ? -EINVAL : 0;
}

static int get_gid(const struct task *t, const struct syscall_args *a, int n, u32 *out)
{
	*out = user_ns_gid_in(t->caller.cred->user_ns, arg_u32(a, n));
	return *out == KEEP && arg_u32(a, n) != KEEP ? -EINVAL : 0;
}

s64 sys_getuid(struct task *t, const struct syscall_args *a unused_arg)
{
	return shown_uid(t, t->caller.cred->uid);
}

s64 sys_geteuid(struct task *t, const struct syscall_args *a unused_arg)
{
	return shown_uid(t, t->caller.cred->euid);
}

s64 sys_getgid(struct task *t, const struct syscall_args *a unused_arg)
{
	return shown_gid(t, t->caller.cred->gid);
}

s64 sys_getegid(struct task *t, const struct syscall_args *a unused_arg)
{
	return shown_gid(t, t->caller.cred->egid);
}

static s64 put_three(const struct syscall_args *a, u32 x, u32 y, u32 z)
{
	if (put_user(arg_ptr(a, 0), &x) != 0 || put_user(arg_ptr(a, 1), &y) != 0 ||
	    put_user(arg_ptr(a, 2), &z) != 0)
		return -EFAULT;
	return 0;
}

s64 sys_getresuid(struct task *t, const struct syscall_args *a)
{
	const struct cred *c = t->caller.cred;
	return put_three(a, shown_uid(t, c->uid), shown_uid(t, c->euid), shown_uid(t, c->suid));
}

s64 sys_getresgid(struct task *t, const struct syscall_args *a)
{
	const struct cred *c = t->caller.cred;
	return put_three(a, shown_gid(t, c->gid), shown_gid(t, c->egid), shown_gid(t, c->sgid));
}

/* ---- user ids ----------------------------------------------------------------- */

static s64 commit_uids(struct task *t, struct cred *n)
{
	n->fsuid = n->euid;
	cred_fix_caps_setuid(n, t->caller.cred);
	cred_change_commit(t, n);
	return 0;
}

s64 sys_setuid(struct task *t, const struct syscall_args *a)
{
	const struct cred *old = t->caller.cred;
	u32 uid;
	if (get_uid(t, a, 0, &uid) || uid == KEEP)
		return -EINVAL;
	bool may = cred_has_own_cap(old, CAP_SETUID);
	if (!may && uid != old->uid && uid != old->suid)
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	if (may)
		n->uid = n->suid = uid;
	n->euid = uid;
	return commit_uids(t, n);
}

s64 sys_setreuid(struct task *t, const struct syscall_args *a)
{
	const struct cred *old = t->caller.cred;
	u32 ruid, euid;
	if (get_uid(t, a, 0, &ruid) || get_uid(t, a, 1, &euid))
		return -EINVAL;
	bool may = cred_has_own_cap(old, CAP_SETUID);
	if (!may && ruid != KEEP && ruid != old->uid && ruid != old->euid)
		return -EPERM;
	if (!may && euid != KEEP && euid != old->uid && euid != old->euid && euid != old->suid)
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	if (ruid != KEEP)
		n->uid = ruid;
	if (euid != KEEP)
		n->euid = euid;
	if (ruid != KEEP || (euid != KEEP && euid != old->uid))
		n->suid = n->euid;
	return commit_uids(t, n);
}

static bool is_own_uid(const struct cred *c, u32 uid)
{
	return uid == KEEP || uid == c->uid || uid == c->euid || uid == c->suid;
}

s64 sys_setresuid(struct task *t, const struct syscall_args *a)
{
	const struct cred *old = t->caller.cred;
	u32 ruid, euid, suid;
	if (get_uid(t, a, 0, &ruid) || get_uid(t, a, 1, &euid) || get_uid(t, a, 2, &suid))
		return -EINVAL;
	if (!cred_has_own_cap(old, CAP_SETUID) &&
	    !(is_own_uid(old, ruid) && is_own_uid(old, euid) && is_own_uid(old, suid)))
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	if (ruid != KEEP)
		n->uid = ruid;
	if (euid != KEEP)
		n->euid = euid;
	if (suid != KEEP)
		n->suid = suid;
	return commit_uids(t, n);
}

s64 sys_setfsuid(struct task *t, const struct syscall_args *a)
{
	const struct cred *old = t->caller.cred;
	u32 before = old->fsuid, uid = user_ns_uid_in(old->user_ns, arg_u32(a, 0));
	struct cred *n;
	/* Returns the old id whether or not it could be changed (setfsuid(2)). */
	if (uid == KEEP || uid == before ||
	    !(uid == old->uid || uid == old->euid || uid == old->suid ||
	      cred_has_own_cap(old, CAP_SETUID)))
		return shown_uid(t, before);
	n = cred_change_begin(t);
	if (!n)
		return shown_uid(t, before);
	n->fsuid = uid;
	cred_fix_caps_setfsuid(n, old);
	cred_change_commit(t, n);
	return shown_uid(t, before);
}

/* ---- group ids ---------------------------------------------------------------- */

static s64 commit_gids(struct task *t, struct cred *n)
{
	n->fsgid = n->egid;
	cred_change_commit(t, n);
	return 0;
}

s64 sys_setgid(struct task *t, const struct syscall_args *a)
{
	const struct cred *old = t->caller.cred;
	u32 gid;
	if (get_gid(t, a, 0, &gid) || gid == KEEP)
		return -EINVAL;
	bool may = cred_has_own_cap(old, CAP_SETGID);
	if (!may && gid != old->gid && gid != old->sgid)
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	if (may)
		n->gid = n->sgid = gid;
	n->egid = gid;
	return commit_gids(t, n);
}

s64 sys_setregid(struct task *t, const struct syscall_args *a)
{
	const struct cred *old = t->caller.cred;
	u32 rgid, egid;
	if (get_gid(t, a, 0, &rgid) || get_gid(t, a, 1, &egid))
		return -EINVAL;
	bool may = cred_has_own_cap(old, CAP_SETGID);
	if (!may && rgid != KEEP && rgid != old->gid && rgid != old->egid)
		return -EPERM;
	if (!may && egid != KEEP && egid != old->gid && egid != old->egid && egid != old->sgid)
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	if (rgid != KEEP)
		n->gid = rgid;
	if (egid != KEEP)
		n->egid = egid;
	if (rgid != KEEP || (egid != KEEP && egid != old->gid))
		n->sgid = n->egid;
	return commit_gids(t, n);
}

static bool is_own_gid(const struct cred *c, u32 gid)
{
	return gid == KEEP || gid == c->gid || gid == c->egid || gid == c->sgid;
}

s64 sys_setresgid(struct task *t, const struct syscall_args *a)
{
	const struct cred *old = t->caller.cred;
	u32 rgid, egid, sgid;
	if (get_gid(t, a, 0, &rgid) || get_gid(t, a, 1, &egid) || get_gid(t, a, 2, &sgid))
		return -EINVAL;
	if (!cred_has_own_cap(old, CAP_SETGID) &&
	    !(is_own_gid(old, rgid) && is_own_gid(old, egid) && is_own_gid(old, sgid)))
		return -EPERM;
	struct cred *n = cred_change_begin(t);
	if (!n)
		return -ENOMEM;
	if (rgid != KEEP)
		n->gid = rgid;
	if (egid != KEEP)
		n->egid = egid;
	if (sgid != KEEP)
		n->sgid = sgid;
	return commit_gids(t, n);
}

s64 sys_setfsgid(struct task *t, const struct syscall_args *a)
{
	const struct cred *old = t->caller.cred;
	u32 before = old->fsgid, gid = user_ns_gid_in(old->user_ns, arg_u32(a, 0));
	struct cred *n;
	if (gid == KEEP || gid == before ||
	    !(gid == old->gid || gid == old->egid || gid == old->sgid ||
	      cred_has_own_cap(old, CAP_SETGID)))
		return shown_gid(t, before);
	n = cred_change_begin(t);
	if (!n)
		return shown_gid(t, before);
	n->fsgid = gid;
	cred_change_commit(t, n);
	return shown_gid(t, before);
}

/* ---- supplementary groups --------------------------------------------------------- */

s64 sys_getgroups(struct task *t, const struct syscall_args *a)
{
	const struct cred *c = t->caller.cred;
	int size = arg_int(a, 0);
	u32 shown[64];
	if (size < 0)
		return -EINVAL;
	if (size == 0)
		return c->ngroups;
	if ((u32)size < c->ngroups)
		return -EINVAL;
	for (u32 i = 0; i < c->ngroups; i += array_size(shown)) {
		u32 n = min_of(c->ngroups - i, (u32)array_size(shown));

		for (u32 k = 0; k < n; k++)
			shown[k] = shown_gid(t, c->groups[i + k]);
		if (copy_out(uptr_add(arg_ptr(a, 1), i * sizeof(u32)), shown, n * sizeof(u32)))
			return -EFAULT;
	}
	return c->ngroups;
}

s64 sys_setgroups(struct task *t, const struct syscall_args *a)
{
	u32 n = arg_u32(a, 0);
	const struct cred *old = t->caller.cred;
	if (!cred_has_own_cap(old, CAP_SETGID) || !user_ns_may_setgroups(old->user_ns))
		return -EPERM;
	if (n > CRED_MAX_GROUPS)
		return -EINVAL;
	struct cred *c = cred_clone(t->caller.cred, n);
	if (!c)
		return -ENOMEM;
	int err = copy_in(c->groups, arg_ptr(a, 1), n * sizeof(c->groups[0]));
	for (u32 i = 0; !err && i < n; i++) {
		c->groups[i] = user_ns_gid_in(old->user_ns, c->groups[i]);
		if (c->groups[i] == KEEP)
			err = -EINVAL;
	}
	if (err) {
		cred_put(c);
		return err;
	}
	cred_sort_groups(c);
	cred_change_commit(t, c);
	return 0;
}
