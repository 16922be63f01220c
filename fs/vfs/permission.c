/*
 * Discretionary access control: mode bits against the file system identity of
 * the caller, and the capabilities that override them (path_resolution(7),
 * capabilities(7), fs/namei.c:generic_permission).
 */
#include <errno.h>
#include <linux/capability.h>
#include "base/caller.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/vfs_internal.h"

/* Over i, whose owners must mean something in c's user namespace (capable_wrt_inode_uidgid). */
bool inode_capable(struct inode *i, const struct cred *c, int cap)
{
	u32 uid, gid;

	if (!(c->cap_effective >> cap & 1))
		return false;
	lock_acquire(&i->attr_lock);
	uid = i->attr.uid;
	gid = i->attr.gid;
	lock_release(&i->attr_lock);
	return cred_has_cap_over(c, uid, gid, cap);
}

/* The three bits of mode that apply to c. */
static u32 class_bits(struct inode *i, const struct cred *c)
{
	u32 mode, uid, gid;

	lock_acquire(&i->attr_lock);
	mode = i->attr.mode;
	uid = i->attr.uid;
	gid = i->attr.gid;
	lock_release(&i->attr_lock);
	if (c->fsuid == uid)
		return mode >> 6 & 7;
	if (cred_in_group(c, gid))
		return mode >> 3 & 7;
	return mode & 7;
}

int inode_permission_mode(struct inode *i, const struct cred *c, int mask)
{
	u32 want = (u32)mask & 7, mode = inode_mode(i);

	/* What all three classes have needs no look at who asks. */
	if ((want & mode & mode >> 3 & mode >> 6) == want)
		return 0;
	if ((want & ~class_bits(i, c)) == 0)
		return 0;
	if (S_ISDIR(mode)) {
		if (!(want & MAY_WRITE) && inode_capable(i, c, CAP_DAC_READ_SEARCH))
			return 0;
		return inode_capable(i, c, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	}
	if (want == MAY_READ && inode_capable(i, c, CAP_DAC_READ_SEARCH))
		return 0;
	/* Nobody executes what has no x bit at all. */
	if ((!(want & MAY_EXEC) || (mode & 0111)) && inode_capable(i, c, CAP_DAC_OVERRIDE))
		return 0;
	return -EACCES;
}

int inode_permission(struct inode *i, const struct cred *c, int mask)
{
	if (i->ops->permission)
		return i->ops->permission(i, c, mask);
	return inode_permission_mode(i, c, mask);
}

bool inode_owner_or_capable(struct inode *i, const struct cred *c)
{
	struct attr a;

	inode_attr(i, &a);
	return a.uid == c->fsuid || cred_has_cap_over(c, a.uid, a.gid, CAP_FOWNER);
}

/*
 * In a sticky directory only the owner of the file or of the directory may
 * remove or rename an entry: fs/namei.c:check_sticky.
 */
int sticky_check(struct inode *dir, struct inode *victim, const struct cred *c)
{
	struct attr d, v;

	if (!(inode_mode(dir) & S_ISVTX))
		return 0;
	inode_attr(dir, &d);
	inode_attr(victim, &v);
	if (v.uid == c->fsuid || d.uid == c->fsuid ||
	    cred_has_cap_over(c, v.uid, v.gid, CAP_FOWNER))
		return 0;
	return -EPERM;
}

/*
 * Set-user-ID and set-group-ID bits that a write, a truncation or a change of owner takes away:
 * fs/attr.c:setattr_should_drop_suidgid. What remains of the mode.
 */
u32 mode_without_privilege(const struct attr *a, const struct cred *c)
{
	u32 mode = a->mode & ~(u32)S_ISUID;

	if ((mode & S_ISGID) &&
	    ((mode & S_IXGRP) ||
	     (!cred_in_group(c, a->gid) && !cred_has_cap_over(c, a->uid, a->gid, CAP_FSETID))))
		mode &= ~(u32)S_ISGID;
	return mode;
}

int inode_remove_privs(struct inode *i)
{
	u32 mode = inode_mode(i);
	const struct cred *c = caller_cred();
	struct setattr s = {.valid = SET_MODE | SET_CTIME, .ctime = inode_now()};
	struct attr a;

	if (!(mode & (S_ISUID | S_ISGID)) || !S_ISREG(mode) || cred_has_cap(c, CAP_FSETID))
		return 0;
	inode_attr(i, &a);
	s.mode = mode_without_privilege(&a, c) & 07777;
	if (s.mode == (a.mode & 07777))
		return 0;
	return i->ops->setattr ? i->ops->setattr(i, &s) : -EPERM;
}
