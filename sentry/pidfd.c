/*
 * pidfds and the calls that take one (pidfd_open(2), pidfd_send_signal(2),
 * pidfd_getfd(2)).
 */
#include "sentry/pidfd.h"
#include "base/cred.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/proc/proc.h"
#include "sentry/signal_internal.h"
#include "sentry/syscall.h"
#include "sentry/task.h"
#include "sentry/task_access.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define PIDFD_THREAD_K O_EXCL
/* pidfd_send_signal's flags: whom the signal is for, whatever the descriptor names. */
#define SEND_THREAD        1
#define SEND_THREAD_GROUP  2
#define SEND_PROCESS_GROUP 4

struct pidfd {
	struct thread_group *group; /* held */
	struct task *thread;        /* held, or NULL: the process as a whole */
};

static u32 pidfd_ready(struct file *f)
{
	struct pidfd *p = f->priv;
	u32 events = 0;
	/* Without locks: epoll asks under locks of its own. */
	if (p->thread ? p->thread->exited : p->group->state != GROUP_LIVE)
		events |= EPOLLIN | EPOLLRDNORM;
	if (p->group->state == GROUP_DEAD)
		events |= EPOLLHUP;
	return events;
}

static struct waitq *pidfd_waitq(struct file *f)
{
	struct pidfd *p = f->priv;
	return &p->group->exit_waitq;
}

static void pidfd_fdinfo(struct file *f, char *buf, size_t n)
{
	struct pidfd *p = f->priv;
	lock_guard(&kernel.tasks_lock);
	struct pid_ns *mine = task_self()->group->pid_ns;
	char list[PID_LIST_LEN];
	int pid = p->group->state == GROUP_DEAD ? -1 : p->group->pid;
	if (p->thread)
		pid = p->thread->exited ? -1 : p->thread->tid;
	if (pid < 0) {
		snprintf(buf, n, "Pid:\t-1\nNSpid:\t-1\n");
		return;
	}
	pid_ns_list(mine, p->group->pid_ns, pid, list, sizeof(list));
	snprintf(buf, n, "Pid:\t%d\nNSpid:%s\n", pid_shown(pid), list);
}

static void pidfd_free(struct pidfd *p)
{
	if (p->thread)
		task_put(p->thread);
	group_put(p->group);
	free(p);
}

static void pidfd_release(struct file *f)
{
	pidfd_free(f->priv);
}

static const struct file_ops pidfd_ops = {
    .name = "anon_inode:[pidfd]",
    .ready = pidfd_ready,
    .waitq = pidfd_waitq,
    .fdinfo = pidfd_fdinfo,
    .release = pidfd_release,
};

int pidfd_create(struct thread_group *g, struct task *thread, u32 flags, struct file **out)
{
	struct pidfd *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->group = group_get(g);
	p->thread = thread ? task_get(thread) : NULL;
	int err = file_create_anon(&pidfd_ops, p, O_RDWR | flags, 0600, out);
	if (err)
		pidfd_free(p);
	return err;
}

/* *out +1 */
static int pidfd_get(int fd, struct file **out)
{
	int err = fd_get(fd, out);
	if (!err && (*out)->ops != &pidfd_ops) {
		file_put(*out);
		err = -EBADF;
	}
	return err;
}

int pidfd_group(int fd, struct thread_group **out, u32 *flags)
{
	struct file *f;
	int err = pidfd_get(fd, &f);
	if (err)
		return err;
	struct pidfd *p = f->priv;
	*out = group_get(p->group);
	*flags = atomic_load(&f->flags);
	file_put(f);
	return 0;
}

bool pidfd_is_nonblock(int fd)
{
	struct thread_group *g;
	u32 flags;
	if (pidfd_group(fd, &g, &flags) != 0)
		return false;
	group_put(g);
	return flags & O_NONBLOCK;
}

s64 sys_pidfd_open(struct task *t unused_arg, const struct syscall_args *a)
{
	s32 pid = arg_int(a, 0);
	u32 flags = arg_u32(a, 1);
	struct file *f;
	int err;
	if (flags & ~(u32)(O_NONBLOCK | PIDFD_THREAD_K))
		return -EINVAL;
	if (pid <= 0)
		return -EINVAL;
	struct task *target = task_find(pid);
	if (!target)
		return -ESRCH;
	if (flags & PIDFD_THREAD_K)
		err = pidfd_create(target->group, target, flags & O_NONBLOCK, &f);
	else if (target->tid != target->group->pid)
		/* Names a thread that leads no group (kernel/pid.c pidfd_prepare). */
		err = -ENOENT;
	else
		err = pidfd_create(target->group, NULL, flags & O_NONBLOCK, &f);
	task_put(target);
	return err ? err : fd_install(f, true);
}

/* The information that a caller may send to others: never as if the kernel had
 * (do_rt_sigqueueinfo). */
static int copy_siginfo(struct task *t, struct uptr p, int sig, const struct thread_group *target,
                        siginfo_t *info)
{
	if (get_user(info, p) != 0)
		return -EFAULT;
	if (info->si_signo != sig)
		return -EINVAL;
	if (target != t->group && (info->si_code >= 0 || info->si_code == SI_TKILL))
		return -EPERM;
	signal_info_given(t, info);
	return 0;
}

static int send_to(struct pidfd *p, u32 flags, const siginfo_t *info)
{
	struct task *t = task_self();
	int sig = info->si_signo, err;
	lock_guard(&kernel.tasks_lock);
	struct thread_group *g = p->group;
	if (g->state == GROUP_DEAD || (p->thread && p->thread->exited))
		return -ESRCH;
	if (flags == SEND_PROCESS_GROUP)
		return signal_kill_pgrp_locked(t, g->pgrp, info);
	err = signal_permission(t, g, sig);
	if (err || sig == 0)
		return err;
	if (flags == SEND_THREAD || (flags == 0 && p->thread))
		return signal_send_task(p->thread ? p->thread : g->leader, info);
	return signal_send_group(g, info);
}

/* A directory /proc/PID is as good as a pidfd here: *p, for the caller to fill and put, is it. */
static int pidfd_or_dir(int fd, struct file **f, struct pidfd **p)
{
	struct task *t;
	*f = fdtable_lookup_any(caller()->files, fd);
	if (!*f)
		return -EBADF;
	if ((*f)->ops == &pidfd_ops) {
		*p = (*f)->priv;
		return 0;
	}
	t = proc_task_of_dir(*f);
	if (!t) {
		file_put(*f);
		return -EBADF;
	}
	**p = (struct pidfd){.group = group_get(t->group)};
	task_put(t);
	return 0;
}

s64 sys_pidfd_send_signal(struct task *t, const struct syscall_args *a)
{
	int sig = arg_int(a, 1), err;
	u32 flags = arg_u32(a, 3);
	struct file *f;
	siginfo_t info;
	if (flags & ~7u || (flags & (flags - 1)))
		return -EINVAL;
	struct pidfd by_dir, *p = &by_dir;
	err = pidfd_or_dir(arg_int(a, 0), &f, &p);
	if (err)
		return err;
	if (!uptr_is_null(arg_ptr(a, 2)))
		err = copy_siginfo(t, arg_ptr(a, 2), sig, p->group, &info);
	else
		signal_info_from(t, sig, SI_USER, &info);
	if (!err && (sig < 0 || sig > NSIG_MAX))
		err = -EINVAL;
	if (!err)
		err = send_to(p, flags, &info);
	if (p == &by_dir)
		group_put(by_dir.group);
	file_put(f);
	return err;
}

s64 sys_pidfd_getfd(struct task *t, const struct syscall_args *a)
{
	struct file *f, *wanted = NULL;
	int err;
	if (arg_u32(a, 2) != 0)
		return -EINVAL;
	err = pidfd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	struct pidfd *p = f->priv;
	struct task *target = group_leader_get(p->group);
	file_put(f);
	if (!target)
		return -ESRCH;
	err = task_access(t, target);
	if (!err) {
		struct fdtable *files = task_files_get(target);
		err = -ESRCH;
		if (files) {
			wanted = fdtable_lookup_any(files, arg_int(a, 1));
			fdtable_put(files);
			err = wanted ? 0 : -EBADF;
		}
	}
	task_put(target);
	return err ? err : fd_install(wanted, true);
}
