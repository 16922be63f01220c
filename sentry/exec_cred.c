/*
 * Credentials over execve: set-user-ID and set-group-ID bits, file
 * capabilities, ambient capabilities and the rules for root, as
 * capabilities(7) states them and security/commoncap.c
 * cap_bprm_creds_from_file carries them out. They are the guest's; on the host
 * nothing changes.
 */
#include "sentry/exec_internal.h"
#include "base/bug.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/namei.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>

/* include/uapi/linux/personality.h PER_CLEAR_ON_SETID. */
#define PERSONALITY_UNSAFE                                                                         \
	(READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO)

static bool may_gain(const struct exec *x)
{
	const struct path *p = &x->file->path;

	return p->mnt && !(p->mnt->flags & MS_NOSUID);
}

/* fs/exec.c bprm_fill_uid. */
static void apply_set_id(struct exec *x)
{
	struct attr attr;

	if (!may_gain(x) || x->task->no_new_privs || inode_getattr(x->file->inode, &attr))
		return;
	/* An owner that means nothing in this user namespace is nobody to become. */
	if (!user_ns_has_ids(x->cred->user_ns, attr.uid, attr.gid))
		return;
	if (attr.mode & S_ISUID) {
		x->personality_clear |= PERSONALITY_UNSAFE;
		x->cred->euid = attr.uid;
	}
	/* Without group execution the bit once meant mandatory locking. */
	if ((attr.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
		x->personality_clear |= PERSONALITY_UNSAFE;
		x->cred->egid = attr.gid;
	}
}

/*
 * security/commoncap.c get_file_caps. *has, *effective: the file has
 * capabilities, and they become effective. -EPERM: it would lack some of those.
 */
static int apply_file_caps(struct exec *x, const struct cred *old, bool *has, bool *effective)
{
	struct vfs_ns_cap_data data;
	u64 permitted, inheritable;
	u32 magic;
	ssize_t n;

	*has = *effective = false;
	x->cred->cap_permitted = 0;
	if (!may_gain(x))
		return 0;
	n = vfs_getxattr(x->file->path, XATTR_NAME_CAPS, &data, sizeof(data));
	if (n < (ssize_t)sizeof(u32))
		return 0;
	magic = data.magic_etc;
	if (!((magic & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_2 && n == XATTR_CAPS_SZ_2) &&
	    !((magic & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3 && n == XATTR_CAPS_SZ_3 &&
	      cred_is_root_uid(old, data.rootid)))
		return 0;
	/* Those of revision 2 are the initial user namespace's (rootid_owns_currentns). */
	if (n == XATTR_CAPS_SZ_2 && !cred_is_root_uid(old, 0))
		return 0;
	permitted = data.data[0].permitted | (u64)data.data[1].permitted << 32;
	inheritable = data.data[0].inheritable | (u64)data.data[1].inheritable << 32;
	*has = true;
	*effective = magic & VFS_CAP_FLAGS_EFFECTIVE;
	x->cred->cap_permitted =
	    (old->cap_bounding & permitted) | (old->cap_inheritable & inheritable);
	return *effective && (permitted & ~x->cred->cap_permitted) ? -EPERM : 0;
}

/* security/commoncap.c handle_privileged_root. */
static void apply_root(struct exec *x, const struct cred *old, bool has, bool *effective)
{
	struct cred *c = x->cred;

	bool real = cred_is_root_uid(c, c->uid), root = cred_is_root_uid(c, c->euid);

	if (c->securebits & SECBIT_NOROOT)
		return;
	if (has && !real && root)
		return;
	if (root || real)
		c->cap_permitted = old->cap_bounding | old->cap_inheritable;
	if (root)
		*effective = true;
}

/* Another process shares our root and directory: it could make a set-ID program see its own. */
static bool fs_shared(struct task *t)
{
	return ref_count(&t->caller.fs->ref) > t->group->nthreads;
}

/* A tracer could make of it what it wants: only one that may do all that anyway is let. */
static bool traced_by_lesser(struct task *t)
{
	const struct user_ns *mine = t->caller.cred->user_ns;
	lock_guard(&kernel.tasks_lock);
	struct task *tracer = t->trace.tracer;
	struct cred *c = tracer ? task_cred_get(tracer) : NULL;
	bool lesser = tracer && !(c && cred_has_cap_in(c, mine, CAP_SYS_PTRACE));

	if (c)
		cred_put(c);
	return lesser;
}

int exec_cred_prepare(struct exec *x)
{
	struct task *t = x->task;
	const struct cred *old = t->caller.cred;
	struct cred *c = cred_clone(old, old->ngroups);
	bool has, effective, set_id, gained;
	int err;

	if (!c)
		return -ENOMEM;
	x->cred = c;
	x->nondumpable = inode_permission(x->file->inode, old, MAY_READ) != 0;
	apply_set_id(x);
	err = apply_file_caps(x, old, &has, &effective);
	if (err)
		return err;
	apply_root(x, old, has, &effective);

	gained = c->cap_permitted & ~old->cap_permitted;
	if (gained)
		x->personality_clear |= PERSONALITY_UNSAFE;
	set_id = c->euid != old->euid || c->egid != old->egid;
	if ((set_id || gained) && (t->no_new_privs || fs_shared(t) || traced_by_lesser(t))) {
		/* They get no more than they had, and maybe less. */
		if (!cred_has_own_cap(old, CAP_SETUID) || t->no_new_privs) {
			c->euid = c->uid;
			c->egid = c->gid;
		}
		c->cap_permitted &= old->cap_permitted;
	}
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	if (has || set_id)
		c->cap_ambient = 0;
	c->cap_permitted |= c->cap_ambient;
	c->cap_effective = effective ? c->cap_permitted : c->cap_ambient;
	c->securebits &= ~(u32)SECBIT_KEEP_CAPS;
	x->secure = set_id || (!cred_is_root_uid(c, c->uid) &&
	                       (effective || (c->cap_permitted & ~c->cap_ambient)));
	x->raised = set_id || (c->cap_permitted & ~old->cap_permitted);
	if (c->euid != c->uid || c->egid != c->gid)
		x->nondumpable = true;
	return 0;
}
