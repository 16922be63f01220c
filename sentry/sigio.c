/*
 * Signals about readiness: see sigio.h, and in Linux fs/fcntl.c (f_setown,
 * kill_fasync, send_sigio).
 *
 * A file with O_ASYNC has a waiter on its own wait queue, where changes of its
 * readiness are announced anyway. The callback runs under the queue's lock, inside of
 * which no signal can be sent: it puts the file on a list. The signals are sent by the
 * task that caused them, at the end of its call, or, if that goes to sleep first or there
 * is none, by a fiber for the purpose. Both hold one mutex while they send: a call
 * that finds nothing left knows that all has been sent.
 *
 * Life of a struct sigio: made by the first F_SETOWN, F_SETSIG or O_ASYNC of a
 * file; freed with the file.
 */
#include "sentry/sigio.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "base/mutex.h"
#include "base/waitq.h"
#include "fs/pipe/pipe.h"
#include "fs/vfs/file.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/session.h"
#include "sentry/signal_internal.h"
#include "sentry/tty/tty.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* What siginmask() calls SIG_SPECIFIC_SICODES_MASK: their si_codes mean something else. */
#define SIGSET_OWN_CODES                                                                           \
	(SIGMASK(SIGILL) | SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) |                  \
	 SIGMASK(SIGTRAP) | SIGMASK(SIGCHLD) | SIGMASK(SIGSYS))

struct owner {
	int type; /* F_OWNER_* */
	s32 nr;   /* 0: nobody */
	u64 serial;
	u32 uid, euid; /* of who set it: by them is judged what it may signal */
};

struct sigio {
	struct file_owner base;
	struct file *file;
	/* Guarded by sigio_lock. */
	struct owner owner;
	int sig, fd;
	u32 bands; /* announced: bits 1 << POLL_*; != 0: on the list */
	STAILQ_ENTRY(sigio) link;
	/* Guarded by switch_mutex. */
	bool on;
	struct waiter waiter;
};

static CENSUS(sigio_census, "sigio");
_Atomic u32 sigio_announced;

static struct lock sigio_lock = LOCK_INIT(RANK_EPOLL_READY);
static STAILQ_HEAD(, sigio) announced = STAILQ_HEAD_INITIALIZER(announced);
static struct fiber *_Atomic sender;
static struct mutex switch_mutex = MUTEX_INIT(switch_mutex, RANK_SIGIO_SWITCH);
static struct mutex send_mutex = MUTEX_INIT(send_mutex, RANK_SIGIO_SEND);

/* ---- sending ---------------------------------------------------------------- */

static bool may_signal(const struct owner *o, struct task *t)
{
	struct cred *c = task_cred_get(t);
	bool ok = c && (o->euid == 0 || o->euid == c->suid || o->euid == c->uid ||
	                o->uid == c->suid || o->uid == c->uid);

	if (c)
		cred_put(c);
	return ok;
}

static void describe(siginfo_t *info, int sig, int band, int fd)
{
	static const int events[] = {
	    [POLL_IN] = EPOLLIN | EPOLLRDNORM,
	    [POLL_OUT] = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
	    [POLL_ERR] = EPOLLERR,
	    [POLL_PRI] = EPOLLPRI | EPOLLRDBAND,
	    [POLL_HUP] = EPOLLHUP | EPOLLERR,
	};
	bool own_codes = sig < SIGNAL_RT_MIN && (SIGMASK(sig) & SIGSET_OWN_CODES);

	*info = (siginfo_t){.si_signo = sig, .si_code = own_codes ? SI_SIGIO : band};
	info->si_band = events[band];
	info->si_fd = fd;
}

/* t: the thread that is meant, or the leader of a process that is. */
static void signal_owner(const struct owner *o, struct task *t, int sig, int band, int fd)
{
	siginfo_t info;
	int err = -EAGAIN;

	if (!may_signal(o, t))
		return;
	if (sig) {
		describe(&info, sig, band, fd);
		err = o->type == F_OWNER_TID ? signal_send_task(t, &info)
		                             : signal_send_group(t->group, &info);
	}
	if (err == 0)
		return;
	/* Nothing was asked for, or it could not be queued: the plain one. */
	info = (siginfo_t){.si_signo = SIGIO, .si_code = SI_KERNEL};
	if (o->type == F_OWNER_TID)
		(void)signal_send_task(t, &info);
	else
		(void)signal_send_group(t->group, &info);
}

/* tasks_lock held. NULL: the number is free, or another's by now. */
static struct pid_entry *owner_entry(const struct owner *o)
{
	struct pid_entry *e = pid_lookup(kernel.pids, o->nr);

	return e && e->serial == o->serial ? e : NULL;
}

static void tell(const struct owner *o, int sig, int band, int fd)
{
	lock_guard(&kernel.tasks_lock);
	struct pid_entry *e = owner_entry(o);
	struct thread_group *g;

	if (!e)
		return;
	if (o->type != F_OWNER_PGRP) {
		if (e->task)
			signal_owner(o, e->task, sig, band, fd);
	} else if (e->pgrp) {
		TAILQ_FOREACH (g, &e->pgrp->members, pgrp_link)
			signal_owner(o, g->leader, sig, band, fd);
	}
}

/* Takes the first announcement off the list. */
static bool take_announced(struct owner *o, int *sig, int *fd, u32 *bands)
{
	lock_guard(&sigio_lock);
	struct sigio *s = STAILQ_FIRST(&announced);

	if (!s)
		return false;
	STAILQ_REMOVE_HEAD(&announced, link);
	*o = s->owner;
	*sig = s->sig;
	*fd = s->fd;
	*bands = s->bands;
	s->bands = 0;
	return true;
}

void sigio_send(void)
{
	struct owner o;
	int sig, fd;
	u32 bands;

	mutex_guard(&send_mutex);
	while (take_announced(&o, &sig, &fd, &bands)) {
		for (int band = POLL_IN; band <= POLL_HUP; band++)
			if (bands & 1u << band)
				tell(&o, sig, band, fd);
		/* Only now: whoever sees zero does not wait for the mutex. */
		atomic_fetch_sub(&sigio_announced, 1);
	}
}

static void send_for_others(void *arg unused_arg)
{
	for (;;) {
		fiber_park();
		sigio_send();
	}
}

static int start_sender(void)
{
	struct fiber *f;
	int err;

	if (atomic_load(&sender))
		return 0;
	err = fiber_create(send_for_others, NULL, "sigio", NULL, &f);
	if (!err)
		atomic_store(&sender, f);
	return err;
}

/* ---- the waiter -------------------------------------------------------------- */

/* Which of POLL_* the events are. A pipe's end says only what it is for (pipe_release). */
static int band_of(const struct file *f, u32 events)
{
	if (file_is_pipe(f) && !(file_readable(f) && file_writable(f)))
		return file_readable(f) ? POLL_IN : POLL_OUT;
	if (events & EPOLLHUP)
		return POLL_HUP;
	if (events & (EPOLLIN | EPOLLRDNORM))
		return POLL_IN;
	if (events & (EPOLLOUT | EPOLLWRNORM))
		return POLL_OUT;
	return events & EPOLLPRI ? POLL_PRI : POLL_ERR;
}

static bool sigio_announce(struct waiter *w, u32 events)
{
	struct sigio *s = container_of(w, struct sigio, waiter);
	lock_guard(&sigio_lock);

	if (!s->owner.nr)
		return false;
	if (!s->bands) {
		STAILQ_INSERT_TAIL(&announced, s, link);
		atomic_fetch_add(&sigio_announced, 1);
		fiber_unpark(atomic_load(&sender));
	}
	s->bands |= 1u << band_of(s->file, events);
	return false;
}

static u32 events_of(const struct file *f)
{
	u32 events = EPOLLPRI;

	if (file_readable(f))
		events |= EPOLLIN | EPOLLRDNORM;
	if (file_writable(f))
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

/* ---- its life ------------------------------------------------------------------ */

static void sigio_unlist(struct sigio *s)
{
	lock_guard(&sigio_lock);
	if (s->bands) {
		STAILQ_REMOVE(&announced, s, sigio, link);
		s->bands = 0;
		atomic_fetch_sub(&sigio_announced, 1);
	}
}

static void sigio_free(struct file_owner *o)
{
	struct sigio *s = container_of(o, struct sigio, base);

	if (s->on)
		waitq_remove(s->file->ops->waitq(s->file), &s->waiter);
	sigio_unlist(s);
	census_add(&sigio_census, -1);
	free(s);
}

static struct sigio *sigio_find(struct file *f)
{
	struct file_owner *o = atomic_load_explicit(&f->owner, memory_order_acquire);

	return o ? container_of(o, struct sigio, base) : NULL;
}

/* f's, made if it has none. NULL: no memory. */
static struct sigio *sigio_of(struct file *f)
{
	struct sigio *s = sigio_find(f);
	struct file_owner *none = NULL;

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->base.file_gone = sigio_free;
	s->file = f;
	s->waiter.fn = sigio_announce;
	if (!atomic_compare_exchange_strong(&f->owner, &none, &s->base)) {
		free(s);
		return container_of(none, struct sigio, base);
	}
	census_add(&sigio_census, 1);
	return s;
}

/* ---- what the calls ask for ------------------------------------------------------ */

int sigio_set_owner(struct file *f, int type, s32 pid)
{
	const struct cred *c = caller_cred();
	struct owner o = {.type = type, .nr = pid_given(pid), .uid = c->uid, .euid = c->euid};
	struct sigio *s;

	if (pid) {
		lock_guard(&kernel.tasks_lock);
		struct pid_entry *e = pid_lookup(kernel.pids, o.nr);

		if (!e)
			return -ESRCH;
		o.serial = e->serial;
	}
	s = sigio_of(f);
	if (!s)
		return -ENOMEM;
	lock_guard(&sigio_lock);
	s->owner = o;
	return 0;
}

void sigio_get_owner(struct file *f, int *type, s32 *pid)
{
	struct sigio *s = sigio_find(f);
	struct owner o = {.type = F_OWNER_TID};

	if (s) {
		lock_guard(&sigio_lock);
		o = s->owner;
	}
	*type = o.type;
	*pid = 0;
	lock_guard(&kernel.tasks_lock);
	struct pid_entry *e = owner_entry(&o);

	if (e && (o.type == F_OWNER_TID   ? e->task != NULL
	          : o.type == F_OWNER_PID ? e->group != NULL
	                                  : e->pgrp != NULL))
		*pid = pid_shown(o.nr);
}

int sigio_set_owner_legacy(struct file *f, s32 who)
{
	if (who == INT32_MIN)
		return -EINVAL;
	return sigio_set_owner(f, who < 0 ? F_OWNER_PGRP : F_OWNER_PID, who < 0 ? -who : who);
}

s32 sigio_get_owner_legacy(struct file *f)
{
	int type;
	s32 pid;

	sigio_get_owner(f, &type, &pid);
	return type == F_OWNER_PGRP ? -pid : pid;
}

int sigio_set_signal(struct file *f, u64 sig)
{
	struct sigio *s;

	if (sig > NSIG_MAX)
		return -EINVAL;
	s = sigio_of(f);
	if (!s)
		return -ENOMEM;
	lock_guard(&sigio_lock);
	s->sig = (int)sig;
	return 0;
}

int sigio_get_signal(struct file *f)
{
	struct sigio *s = sigio_find(f);

	if (!s)
		return 0;
	lock_guard(&sigio_lock);
	return s->sig;
}

/* A terminal without an owner gets its foreground group, or the caller (tty_fasync). */
static void own_terminal(struct sigio *s)
{
	struct tty *tty = tty_of_file(s->file);
	s32 pgid = 0;
	int err;

	if (!tty || s->owner.nr)
		return;
	{
		lock_guard(&tty->lock);
		if (tty->fg)
			pgid = tty->fg->pgid;
	}
	err = sigio_set_owner(s->file, pgid ? F_OWNER_PGRP : F_OWNER_PID,
	                      pid_shown(pgid ? pgid : task_self()->tid));
	(void)err; /* the group has just gone: nobody, then */
}

int sigio_switch(struct file *f, int fd, bool on)
{
	struct waitq *q = f->ops->waitq ? f->ops->waitq(f) : NULL;
	struct sigio *s;
	int err = 0;

	if (!q || !f->ops->async)
		return -ENOTTY;
	s = sigio_of(f);
	if (!s)
		return -ENOMEM;
	mutex_guard(&switch_mutex);
	if (on == s->on)
		return 0;
	if (!on) {
		waitq_remove(q, &s->waiter);
		sigio_unlist(s);
		atomic_fetch_and(&f->flags, ~(u32)O_ASYNC);
	} else {
		own_terminal(s);
		err = start_sender();
		if (err)
			return err;
		{
			lock_guard(&sigio_lock);
			s->fd = fd;
		}
		waitq_add(q, &s->waiter, events_of(f));
		atomic_fetch_or(&f->flags, O_ASYNC);
	}
	s->on = on;
	return 0;
}
