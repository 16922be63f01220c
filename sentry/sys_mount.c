/* mount(2), umount(2), pivot_root(2): changes of the caller's mount namespace. */
#include "base/cred.h"
#include "base/uspace.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/mount.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk.h"
#include "sentry/nsfs.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

/* Flags that belong to a mount, not to its file system. */
#define MOUNT_FLAGS                                                                                \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME)
#define MOUNT_PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

/* What the guest passed to mount(2), copied. */
struct mount_request {
	struct name_buf source;
	char type[64];
	char *data; /* one page, NUL-terminated, or NULL */
	u64 flags;
};

static int request_strings(struct mount_request *r, const struct syscall_args *a)
{
	ssize_t n;
	size_t got;
	int err;

	r->source.s[0] = r->type[0] = 0;
	if (!uptr_is_null(arg_ptr(a, 0)) && (err = name_copy(&r->source, arg_ptr(a, 0), true)) < 0)
		return err;
	if (!uptr_is_null(arg_ptr(a, 2))) {
		n = copy_in_str(r->type, arg_ptr(a, 2), sizeof(r->type));
		if (n < 0)
			return n == -ENAMETOOLONG ? -ENODEV : (int)n;
	}
	if (uptr_is_null(arg_ptr(a, 4)))
		return 0;
	r->data = calloc(1, PAGE_SIZE);
	if (!r->data)
		return -ENOMEM;
	got = copy_in_partial(r->data, arg_ptr(a, 4), PAGE_SIZE - 1);
	return got ? 0 : -EFAULT;
}

static s64 mount_new(struct mount_ns *ns, struct mount_request *r, struct path at)
{
	const struct fs_type *type;
	struct super *sb;
	int err;

	if (!r->type[0])
		return -EINVAL;
	type = fs_type_find(r->type);
	if (!type)
		return -ENODEV;
	/* Some are safe in the hands of a user namespace's root, others the sandbox's own
	 * (mount_capable). */
	if (type->only_initial && !cred_has_cap(caller_cred(), CAP_SYS_ADMIN))
		return -EPERM;
	err = type->mount(type, r->source.s, r->flags & MS_RDONLY, r->data, &sb);
	if (err)
		return err;
	err = mount_attach(ns, at, sb, r->flags & MOUNT_FLAGS);
	super_put(sb);
	return err;
}

static s64 mount_from(struct mount_ns *ns, struct mount_request *r, struct path at)
{
	struct path src;
	s64 err;

	if (!r->source.s[0])
		return -EINVAL;
	err = walk((struct path){0}, r->source.s, WALK_FOLLOW, &src);
	if (err)
		return err;
	if (r->flags & MS_MOVE)
		err = mount_move(ns, src, at);
	else if (!src.mnt && !nsfs_of_path(src))
		err = -EINVAL;
	else if (inode_is_dir(src.dentry->inode) != inode_is_dir(at.dentry->inode))
		err = -ENOTDIR;
	else
		err = mount_bind(ns, at, src, r->flags & MOUNT_FLAGS, r->flags & MS_REC);
	path_put(src);
	return err;
}

/* Changes of the tree need rights over the namespace that it is in. */
static bool may_mount(struct task *t)
{
	return cred_has_cap_in(t->caller.cred, mount_ns_base(t->caller.fs->ns)->owner,
	                       CAP_SYS_ADMIN);
}

s64 sys_mount(struct task *t, const struct syscall_args *a)
{
	struct mount_request r = {.flags = arg_u64(a, 3)};
	struct mount_ns *ns = t->caller.fs->ns;
	struct path at;
	s64 err;

	/* An old magic number in the high half means nothing (mount(2)). */
	if ((r.flags & MS_MGC_MSK) == MS_MGC_VAL)
		r.flags &= ~(u64)MS_MGC_MSK;
	err = request_strings(&r, a);
	if (!err)
		err = user_path(AT_FDCWD, arg_ptr(a, 1), WALK_FOLLOW, &at);
	if (err)
		goto out;
	if (!may_mount(t))
		err = -EPERM;
	else if (r.flags & MS_REMOUNT)
		err = mount_remount(ns, at, r.flags & MOUNT_FLAGS, r.flags & MS_BIND, r.data);
	else if (r.flags & (MS_BIND | MS_MOVE))
		err = mount_from(ns, &r, at);
	else if (r.flags & MOUNT_PROPAGATION)
		/* There is one namespace to propagate to: every type behaves as private. */
		err = at.mnt && at.dentry == at.mnt->root ? 0 : -EINVAL;
	else
		err = mount_new(ns, &r, at);
	path_put(at);
out:
	free(r.data);
	return err;
}

s64 sys_umount2(struct task *t, const struct syscall_args *a)
{
	int flags = arg_int(a, 1);
	struct path at;
	s64 err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!may_mount(t))
		return -EPERM;
	err = user_path(AT_FDCWD, arg_ptr(a, 0), flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW, &at);
	if (err)
		return err;
	err = mount_detach(t->caller.fs->ns, at, flags);
	path_put(at);
	return err;
}

/* ---- pivot_root ------------------------------------------------------------------- */

static bool move_path(struct path *p, struct path from, struct path to)
{
	if (!path_equal(*p, from))
		return false;
	*p = path_get(to);
	return true;
}

/* One task's root and directory, if they are at from. How many references to it are left over. */
static u32 move_task(struct task *t, struct path from, struct path to)
{
	u32 n = 0;

	lock_guard(&t->group->siglock);
	struct fs_context *fs = t->caller.fs;

	if (!fs)
		return 0;
	lock_guard(&fs->lock);
	n += move_path(&fs->root, from, to);
	n += move_path(&fs->cwd, from, to);
	return n;
}

/* Whoever stands at the old root stands at the new one: pivot_root(2), chroot_fs_refs. */
static void move_tasks(struct path from, struct path to)
{
	struct thread_group *g;
	struct task *t;
	u32 left = 0;
	{
		lock_guard(&kernel.tasks_lock);
		TAILQ_FOREACH (g, &kernel.groups, all_link)
			TAILQ_FOREACH (t, &g->threads, thread_link)
				left += move_task(t, from, to);
	}
	while (left-- > 0)
		path_put(from);
}

s64 sys_pivot_root(struct task *t, const struct syscall_args *a)
{
	struct path new_root, put_old, root;
	s64 err;

	if (!may_mount(t))
		return -EPERM;
	err = user_path(AT_FDCWD, arg_ptr(a, 0), WALK_FOLLOW | WALK_DIRECTORY, &new_root);
	if (err)
		return err;
	err = user_path(AT_FDCWD, arg_ptr(a, 1), WALK_FOLLOW | WALK_DIRECTORY, &put_old);
	if (err) {
		path_put(new_root);
		return err;
	}
	root = fs_context_root(t->caller.fs);
	err = mount_pivot_root(t->caller.fs->ns, root, new_root, put_old);
	if (!err) {
		move_tasks(root, new_root);
		name_epoch_end();
	}
	path_put(root);
	path_put(put_old);
	path_put(new_root);
	return err;
}
