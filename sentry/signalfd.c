/*
 * signalfd(2): signals read as records. The set of signals is the file's; whose signals
 * they are is decided by who reads, polls or waits: the calling task's and its group's.
 *
 * A file has one wait queue, whoever waits; so it listens to the signal queue of each
 * process that has ever waited on it (one, but for files inherited by fork), and
 * passes what it hears on.
 */
#include "base/caller.h"
#include "base/lock.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "sentry/signal_internal.h"
#include "sentry/syscall.h"
#include <bsd/sys/queue.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

struct signalfd {
	_Atomic u64 set;
	struct waitq waitq;
	struct lock lock;
	LIST_HEAD(, listener) listeners; /* guarded by lock */
};

struct listener {
	LIST_ENTRY(listener) link;
	struct waiter waiter;
	struct signalfd *signalfd;
	struct thread_group *group; /* held */
};

static bool heard(struct waiter *w, u32 events)
{
	struct listener *l = container_of(w, struct listener, waiter);
	waitq_wake(&l->signalfd->waitq, events);
	return false;
}

static void stop_listening(struct listener *l)
{
	waitq_remove(&l->group->signal_waitq, &l->waiter);
	LIST_REMOVE(l, link);
	group_put(l->group);
	free(l);
}

/* Makes sure that the caller's signals are heard; those of the dead no longer. */
static void listen_to(struct signalfd *s, struct thread_group *g)
{
	struct listener *l, *next;
	lock_guard(&s->lock);
	LIST_FOREACH_SAFE (l, &s->listeners, link, next) {
		if (l->group == g)
			return;
		if (l->group->state == GROUP_DEAD)
			stop_listening(l);
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		/* Its waiters look again whenever something else wakes them. */
		return;
	l->waiter.fn = heard;
	l->signalfd = s;
	l->group = group_get(g);
	LIST_INSERT_HEAD(&s->listeners, l, link);
	waitq_add(&g->signal_waitq, &l->waiter, EPOLLIN);
}

/* include/uapi/linux/signalfd.h from siginfo: fs/signalfd.c signalfd_copyinfo */
static void fill_record(struct signalfd_siginfo *r, const siginfo_t *info)
{
	memset(r, 0, sizeof(*r));
	r->ssi_signo = (u32)info->si_signo;
	r->ssi_errno = info->si_errno;
	r->ssi_code = info->si_code;
	if (info->si_code == SI_TIMER) {
		r->ssi_tid = (u32)info->si_timerid;
		r->ssi_overrun = (u32)info->si_overrun;
		r->ssi_ptr = (u64)info->si_ptr;
		r->ssi_int = info->si_int;
	} else if (info->si_code == SI_SIGIO ||
	           (info->si_signo == SIGIO && info->si_code > 0 && info->si_code < SI_KERNEL)) {
		r->ssi_band = (u32)info->si_band;
		r->ssi_fd = info->si_fd;
	} else if ((SIGMASK(info->si_signo) & SIGSET_SYNCHRONOUS) && info->si_code > 0 &&
	           info->si_code < SI_KERNEL) {
		r->ssi_addr = (u64)info->si_addr;
	} else {
		r->ssi_pid = (u32)info->si_pid;
		r->ssi_uid = info->si_uid;
		if (info->si_signo == SIGCHLD && info->si_code > 0) {
			r->ssi_status = info->si_status;
			r->ssi_utime = (u64)info->si_utime;
			r->ssi_stime = (u64)info->si_stime;
		} else if (info->si_code < 0) {
			r->ssi_ptr = (u64)info->si_ptr;
			r->ssi_int = info->si_int;
		}
	}
}

static ssize_t signalfd_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct signalfd *s = f->priv;
	struct task *t = task_self();
	struct signalfd_siginfo r;
	ssize_t done = 0;
	if (dst->resid < sizeof(r))
		return -EINVAL;
	while (dst->resid >= sizeof(r)) {
		siginfo_t info;
		if (!signal_dequeue(t, s->set, &info))
			break;
		fill_record(&r, &info);
		ssize_t n = uio_write(dst, &r, sizeof(r));
		if (n < 0)
			/* As Linux has it, the signal is gone. */
			return done ? done : n;
		done += n;
	}
	return done ? done : -EAGAIN;
}

static u32 signalfd_ready(struct file *f)
{
	struct signalfd *s = f->priv;
	/* Asked by an epoll's own work, there is no task whose signals could be meant. */
	if (!caller()->uspace)
		return 0;
	/* Without locks: epoll asks under locks of its own. */
	const struct task *t = task_self();
	return (t->pending.set | t->group->pending.set) & s->set ? EPOLLIN : 0;
}

static struct waitq *signalfd_waitq(struct file *f)
{
	struct signalfd *s = f->priv;
	if (caller()->uspace)
		listen_to(s, task_self()->group);
	return &s->waitq;
}

static void signalfd_fdinfo(struct file *f, char *buf, size_t n)
{
	struct signalfd *s = f->priv;
	snprintf(buf, n, "sigmask:\t%016llx\n", (unsigned long long)s->set);
}

static void signalfd_free(struct signalfd *s)
{
	struct listener *l;
	while ((l = LIST_FIRST(&s->listeners)))
		stop_listening(l);
	waitq_destroy(&s->waitq);
	free(s);
}

static void signalfd_release(struct file *f)
{
	signalfd_free(f->priv);
}

static const struct file_ops signalfd_ops = {
    .name = "anon_inode:[signalfd]",
    .read = signalfd_read,
    .ready = signalfd_ready,
    .waitq = signalfd_waitq,
    .fdinfo = signalfd_fdinfo,
    .release = signalfd_release,
};

static s64 change(int fd, u64 set)
{
	struct file *f;
	int err = fd_get(fd, &f);
	if (err)
		return err;
	if (f->ops != &signalfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	struct signalfd *s = f->priv;
	s->set = set;
	/* What is pending may have become readable by it. */
	waitq_wake(&s->waitq, EPOLLIN);
	file_put(f);
	return fd;
}

static s64 create(u64 set, int flags)
{
	struct file *f;
	struct signalfd *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->set = set;
	waitq_init(&s->waitq);
	lock_init(&s->lock, RANK_OBJECT);
	LIST_INIT(&s->listeners);
	int err = file_create_anon(&signalfd_ops, s, O_RDWR | ((u32)flags & O_NONBLOCK), 0600, &f);
	if (err) {
		signalfd_free(s);
		return err;
	}
	return fd_install(f, flags & SFD_CLOEXEC);
}

static s64 open_or_change(const struct syscall_args *a, int flags)
{
	u64 set;
	if (arg_u64(a, 2) != sizeof(set))
		return -EINVAL;
	if (get_user(&set, arg_ptr(a, 1)) != 0)
		return -EFAULT;
	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	set &= ~SIG_KERNEL_ONLY;
	return arg_int(a, 0) == -1 ? create(set, flags) : change(arg_int(a, 0), set);
}

s64 sys_signalfd4(struct task *t unused_arg, const struct syscall_args *a)
{
	return open_or_change(a, arg_int(a, 3));
}

s64 sys_signalfd(struct task *t unused_arg, const struct syscall_args *a)
{
	return open_or_change(a, 0);
}
