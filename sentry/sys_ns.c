/*
 * unshare(2) and setns(2): leaving what is shared with others for something of
 * one's own, and entering the namespaces of others.
 */
#include "base/fiber.h"
#include "base/cred.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "sentry/cred_change.h"
#include "sentry/ipc/ipc.h"
#include "sentry/ns_set.h"
#include "sentry/nsfs.h"
#include "sentry/pid_ns.h"
#include "sentry/pidfd.h"
#include "sentry/syscall.h"
#include "sentry/task_access.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>

#define NS_FLAGS (NS_SET_FLAGS | CLONE_NEWNS | CLONE_NEWPID)

int task_new_user_ns(struct task *t, struct cred **out)
{
	struct path root = fs_context_root(t->caller.fs), top = mount_ns_root(t->caller.fs->ns);
	bool chrooted = !path_equal(root, top);
	struct user_ns *u;
	struct cred *c;
	int err;

	path_put(root);
	path_put(top);
	/* Its full capabilities would lead out of the chroot. */
	if (chrooted)
		return -EPERM;
	err = user_ns_create(t->caller.cred, &u);
	if (err)
		return err;
	c = cred_change_begin(t);
	if (!c) {
		user_ns_put(u);
		return -ENOMEM;
	}
	cred_enter_user_ns(c, u);
	*out = c;
	return 0;
}

/* ---- unshare ------------------------------------------------------------------ */

/* What a task is about to change in itself, all or nothing; NULL: as it was. */
struct change {
	struct ns_set *set;
	struct fs_context *fs;
	struct fdtable *files;
	struct cred *cred;
	struct pid_ns *children;
};

/* What comes with what was asked for (ksys_unshare). */
static u64 implied(u64 flags)
{
	if (flags & CLONE_NEWUSER)
		flags |= CLONE_THREAD | CLONE_FS;
	if (flags & CLONE_VM)
		flags |= CLONE_SIGHAND;
	if (flags & CLONE_SIGHAND)
		flags |= CLONE_THREAD;
	if (flags & CLONE_NEWNS)
		flags |= CLONE_FS;
	return flags;
}

/*
 * A thread that has been joined may still be on its way out of the group: it is
 * waited for, so that whoever joined all threads is alone.
 */
static void wait_for_leavers(struct thread_group *g)
{
	for (;;) {
		bool leaving;

		lock_acquire(&g->siglock);
		leaving = g->nthreads > g->nlive;
		lock_release(&g->siglock);
		if (!leaving || fiber_interrupted(fiber_self()))
			return;
		fiber_yield();
	}
}

/* Threads, signal handlers and memory cannot be unshared: only alone are they one's own. */
static int check_alone(struct task *t, u64 flags)
{
	wait_for_leavers(t->group);
	if (flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) {
		lock_guard(&t->group->siglock);
		if (t->group->nthreads > 1)
			return -EINVAL;
		if ((flags & (CLONE_SIGHAND | CLONE_VM)) &&
		    atomic_load(&t->group->sighand->users) > 1)
			return -EINVAL;
	}
	if ((flags & CLONE_VM) && platform_space_threads(platform_thread_space(t->thread)) > 1)
		return -EINVAL;
	return 0;
}

static int prepare(struct task *t, u64 flags, struct change *c)
{
	struct caller *me = &t->caller;
	struct user_ns *owner = me->cred->user_ns;
	int err;

	/* The other new namespaces belong to the new user namespace. */
	if (flags & CLONE_NEWUSER) {
		err = task_new_user_ns(t, &c->cred);
		if (err)
			return err;
		owner = c->cred->user_ns;
	} else if ((flags & NS_FLAGS) && !cred_has_own_cap(me->cred, CAP_SYS_ADMIN)) {
		return -EPERM;
	}
	if (flags & CLONE_NEWNS) {
		err = fs_context_unshare(me->fs, owner, &c->fs);
		if (err)
			return err;
	} else if ((flags & CLONE_FS) && ref_count(&me->fs->ref) > 1) {
		c->fs = fs_context_copy(me->fs);
		if (!c->fs)
			return -ENOMEM;
	}
	if ((flags & CLONE_FILES) && ref_count(&me->files->ref) > 1) {
		c->files = fdtable_copy(me->files, FDTABLE_MAX);
		if (!c->files)
			return -ENOMEM;
	}
	if (flags & CLONE_NEWPID) {
		/* One level at a time: only its children are in the first one (copy_pid_ns). */
		if (t->child_pid_ns && t->child_pid_ns != t->group->pid_ns)
			return -EINVAL;
		err = pid_ns_create(t->group->pid_ns, owner, &c->children);
		if (err)
			return err;
	}
	return flags & NS_SET_FLAGS ? ns_set_derive(t->ns, flags, owner, &c->set) : 0;
}

/* Takes over n. */
static void set_child_pid_ns(struct task *t, struct pid_ns *n)
{
	struct pid_ns *old;
	{
		lock_guard(&t->group->siglock);
		old = t->child_pid_ns;
		t->child_pid_ns = n;
	}
	pid_ns_put(old);
}

s64 sys_unshare(struct task *t, const struct syscall_args *a)
{
	const u64 known = NS_FLAGS | CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM |
	                  CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;
	u64 flags = implied(arg_u64(a, 0));
	struct change c = {0};
	int err;

	if (flags & ~known)
		return -EINVAL;
	err = check_alone(t, flags);
	if (!err)
		err = prepare(t, flags, &c);
	if (err) {
		fdtable_put(c.files);
		fs_context_put(c.fs);
		cred_put(c.cred);
		pid_ns_put(c.children);
		return err;
	}
	/* What a semaphore set is owed is owed in the namespace that it is in. */
	if ((flags & (CLONE_NEWIPC | CLONE_SYSVSEM)) && t->group->nthreads == 1)
		ipc_group_exit(t->group);
	if (c.fs)
		task_set_fs(t, c.fs);
	if (c.files)
		task_set_files(t, c.files);
	if (c.set) {
		task_set_ns(t, c.set);
		task_update_identity(t);
	}
	if (c.children)
		set_child_pid_ns(t, c.children);
	if (c.cred)
		cred_change_commit(t, c.cred);
	return 0;
}

/* ---- setns ---------------------------------------------------------------------- */

/* Capabilities over the namespace, and over one's own user namespace. */
static int may_enter(const struct cred *c, const struct ns *n)
{
	return cred_has_cap_in(c, n->owner, CAP_SYS_ADMIN) &&
	               cred_has_cap_in(c, c->user_ns, CAP_SYS_ADMIN)
	           ? 0
	           : -EPERM;
}

static int enter_set(struct task *t, struct ns *n)
{
	struct ns_set *s;
	int err = may_enter(t->caller.cred, n);

	if (!err)
		err = ns_set_replace(t->ns, n, &s);
	if (err)
		return err;
	if (n->kind == NS_IPC && t->group->nthreads == 1)
		ipc_group_exit(t->group);
	task_set_ns(t, s);
	task_update_identity(t);
	return 0;
}

static int enter_mounts(struct task *t, struct ns *n)
{
	const struct cred *c = t->caller.cred;
	struct fs_context *fs = t->caller.fs, *fresh;
	struct path root;
	u32 umask;

	if (may_enter(c, n) || !cred_has_cap_in(c, c->user_ns, CAP_SYS_CHROOT))
		return -EPERM;
	/* Another who shares root and directory would be dragged along. */
	if (ref_count(&fs->ref) > 1)
		return -EINVAL;
	lock_acquire(&fs->lock);
	umask = fs->umask;
	lock_release(&fs->lock);
	root = mount_ns_root(mount_ns_of(n));
	fresh = fs_context_create(mount_ns_of(n), root, root, umask);
	path_put(root);
	if (!fresh)
		return -ENOMEM;
	task_set_fs(t, fresh);
	return 0;
}

/* userns_install */
static int may_enter_user(struct task *t, const struct user_ns *u)
{
	/* Nobody regains in a namespace what he has given up on in it. */
	if (t->caller.cred->user_ns == u || t->group->nthreads > 1 ||
	    ref_count(&t->caller.fs->ref) > 1)
		return -EINVAL;
	return cred_has_cap_in(t->caller.cred, u, CAP_SYS_ADMIN) ? 0 : -EPERM;
}

/* What t's credentials will be in it; NULL: no memory. */
static struct cred *cred_inside(struct task *t, struct user_ns *u)
{
	struct cred *c = cred_change_begin(t);

	if (c)
		cred_enter_user_ns(c, user_ns_get(u));
	return c;
}

static int enter_user(struct task *t, struct ns *n)
{
	struct user_ns *u = container_of(n, struct user_ns, ns);
	int err = may_enter_user(t, u);
	struct cred *c;

	if (err)
		return err;
	c = cred_inside(t, u);
	if (!c)
		return -ENOMEM;
	cred_change_commit(t, c);
	return 0;
}

/* Of its children to come: down the tree, or back to its own (pidns_install). */
static int enter_pid(struct task *t, struct ns *n)
{
	struct pid_ns *p = pid_ns_of(n);

	if (may_enter(t->caller.cred, n))
		return -EPERM;
	if (!pid_ns_contains(t->group->pid_ns, p))
		return -EINVAL;
	set_child_pid_ns(t, pid_ns_get(p));
	return 0;
}

static int enter(struct task *t, struct ns *n)
{
	switch (n->kind) {
	case NS_USER:
		return enter_user(t, n);
	case NS_PID:
		return enter_pid(t, n);
	case NS_MNT:
		return enter_mounts(t, n);
	case NS_UTS:
	case NS_IPC:
	case NS_NET:
	case NS_CGROUP:
		return enter_set(t, n);
	default:
		return -EINVAL;
	}
}

/* The user namespace comes first: the rights that it gives count for the others (validate_nsset).
 */
static const enum ns_kind order[] = {NS_USER, NS_CGROUP, NS_IPC, NS_UTS, NS_NET, NS_PID, NS_MNT};

static int may_enter_all(struct task *t, struct ns *const target[])
{
	struct cred *c = cred_get(t->caller.cred);
	int err = 0;

	for (size_t i = 0; i < array_size(order) && !err; i++) {
		struct user_ns *u;

		if (!target[i])
			continue;
		if (order[i] != NS_USER) {
			err = may_enter(c, target[i]);
			continue;
		}
		u = container_of(target[i], struct user_ns, ns);
		err = may_enter_user(t, u);
		if (!err) {
			cred_put(c);
			c = cred_inside(t, u);
			err = c ? 0 : -ENOMEM;
		}
	}
	cred_put(c);
	return err;
}

/* All namespaces of flags that a pidfd's process is in. */
static s64 enter_process(struct task *t, int fd, u64 flags)
{
	struct ns *target[array_size(order)] = {0};
	struct thread_group *g;
	struct task *leader;
	u32 file_flags;
	int err = 0;

	if (!flags || (flags & ~(u64)(NS_FLAGS | CLONE_NEWUSER)))
		return -EINVAL;
	if (pidfd_group(fd, &g, &file_flags))
		return -EINVAL;
	leader = group_leader_get(g);
	group_put(g);
	if (!leader)
		return -ESRCH;
	err = task_access(t, leader);
	for (size_t i = 0; i < array_size(order) && !err; i++) {
		if (!(flags & ns_kind_flag(order[i])))
			continue;
		target[i] = task_ns_get(leader, order[i]);
		if (!target[i])
			err = -ESRCH;
	}
	if (!err)
		err = may_enter_all(t, target);
	for (size_t i = 0; i < array_size(order); i++) {
		if (!err && target[i])
			err = enter(t, target[i]);
		ns_put(target[i]);
	}
	task_put(leader);
	return err;
}

s64 sys_setns(struct task *t, const struct syscall_args *a)
{
	u64 kind = arg_u32(a, 1);
	struct file *f;
	struct ns *n;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	n = nsfs_of_file(f);
	if (!n)
		err = enter_process(t, arg_int(a, 0), kind);
	else if (kind && kind != ns_kind_flag(n->kind))
		err = -EINVAL;
	else
		err = enter(t, n);
	file_put(f);
	return err;
}
