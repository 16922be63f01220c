/*
 * Terminals and sessions: which one controls which, who is in the foreground,
 * and the signals that follow (drivers/tty/tty_jobctrl.c).
 *
 * Both directions of the link between a session and its terminal change under
 * kernel.tasks_lock and the terminal's lock together.
 */
#include "sentry/pid_ns.h"
#include "sentry/session.h"
#include "sentry/signal.h"
#include "sentry/task.h"
#include "sentry/tty/tty.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/epoll.h>

static void send_locked(struct process_group *pg, int sig)
{
	siginfo_t info = {.si_signo = sig, .si_code = SI_KERNEL};

	signal_send_pgrp(pg, &info);
}

void tty_signal_foreground(struct tty *t, const struct tty_signals *sig)
{
	if (!sig->set)
		return;
	lock_guard(&kernel.tasks_lock);
	for (int s = 1; s < 32; s++)
		if ((sig->set & (1u << s)) && t->fg)
			send_locked(t->fg, s);
}

static bool signal_is_ignored(struct task *t, int sig)
{
	if (t->blocked & SIGMASK(sig))
		return true;
	return sighand_get(t->group->sighand, sig).handler == (u64)(uintptr_t)SIG_IGN;
}

int tty_check_background(struct tty *t, int sig)
{
	struct task *self = task_self();
	struct process_group *pg;

	lock_guard(&kernel.tasks_lock);
	pg = self->group->pgrp;
	if (pg->session->tty != t || !t->fg || t->fg == pg)
		return 0;
	if (signal_is_ignored(self, sig))
		return sig == SIGTTIN ? -EIO : 0;
	if (pgrp_orphaned_locked(pg, NULL))
		return -EIO;
	send_locked(pg, sig);
	return -ERESTARTSYS;
}

/* Cuts the link between t and its session, if there is one. tasks_lock and t->lock held. */
static void detach_locked(struct tty *t, struct process_group **fg)
{
	*fg = t->fg;
	t->fg = NULL;
	if (t->session) {
		t->session->tty = NULL;
		t->session = NULL;
		/* The session's reference; the caller holds one more. */
		BUG_ON(ref_put(&t->ref));
	}
}

/* fg: the reference becomes the session's, or is dropped. tasks_lock held. */
static void set_left_fg_locked(struct session *s, struct process_group *fg)
{
	struct process_group *old = s->left_fg;

	s->left_fg = fg;
	if (old)
		pgrp_put(old);
}

static void attach_locked(struct tty *t, struct process_group *pg)
{
	t->session = pg->session;
	t->fg = pgrp_get(pg);
	pg->session->tty = tty_get(t);
	set_left_fg_locked(pg->session, NULL);
}

s64 tty_set_controlling(struct tty *t, const struct file *f, bool steal)
{
	struct task *self = task_self();
	struct process_group *old = NULL, *pg;
	s64 err = 0;

	lock_acquire(&kernel.tasks_lock);
	lock_acquire(&t->lock);
	pg = self->group->pgrp;
	if (pg->session->sid == self->group->pid && pg->session == t->session)
		goto out;
	if (pg->session->sid != self->group->pid || pg->session->tty)
		err = -EPERM;
	else if (t->session && (!steal || !task_capable(self, CAP_SYS_ADMIN)))
		err = -EPERM;
	else if (!file_readable(f) && !task_capable(self, CAP_SYS_ADMIN))
		err = -EPERM;
	if (!err) {
		detach_locked(t, &old);
		attach_locked(t, pg);
	}
out:
	lock_release(&t->lock);
	if (old)
		pgrp_put(old);
	lock_release(&kernel.tasks_lock);
	return err;
}

/* NULL: it has ended. tasks_lock held. */
static struct thread_group *leader_of_locked(const struct session *s)
{
	struct process_group *pg;
	struct thread_group *g;

	TAILQ_FOREACH (pg, &s->groups, session_link)
		TAILQ_FOREACH (g, &pg->members, pgrp_link)
			if (g->pid == s->sid)
				return g;
	return NULL;
}

enum why_detached { GIVEN_UP, LEADER_ENDS, HUNG_UP };

/*
 * The session loses its terminal. At a hang-up its leader is told, and only when that has ended,
 * the foreground; one that ends with its terminal sends no SIGCONT (disassociate_ctty,
 * tty_signal_session_leader).
 */
static void disassociate(struct tty *t, enum why_detached why)
{
	struct process_group *fg;
	struct thread_group *leader;
	struct session *s;

	lock_guard(&kernel.tasks_lock);
	lock_acquire(&t->lock);
	s = t->session;
	detach_locked(t, &fg);
	if (why == HUNG_UP)
		tty_renew_locked(t);
	lock_release(&t->lock);
	leader = why == HUNG_UP && s ? leader_of_locked(s) : NULL;
	if (leader) {
		signal_send_group_simple(leader, SIGHUP, SI_KERNEL);
		signal_send_group_simple(leader, SIGCONT, SI_KERNEL);
		set_left_fg_locked(s, fg);
		return;
	}
	if (!fg)
		return;
	send_locked(fg, SIGHUP);
	if (why == GIVEN_UP)
		send_locked(fg, SIGCONT);
	pgrp_put(fg);
}

/* The leader of a session whose terminal hung up before has ended, too. */
static void tell_left_fg(struct session *s)
{
	lock_guard(&kernel.tasks_lock);
	if (!s->left_fg)
		return;
	send_locked(s->left_fg, SIGHUP);
	send_locked(s->left_fg, SIGCONT);
	set_left_fg_locked(s, NULL);
}

struct tty *tty_controlling(struct task *t)
{
	struct tty *tty;

	lock_guard(&kernel.tasks_lock);
	tty = t->group->pgrp ? t->group->pgrp->session->tty : NULL;
	return tty ? tty_get(tty) : NULL;
}

/* NULL: it leads none. A leader stays in its session until it has ended. */
static struct session *session_led_by(const struct task *t)
{
	const struct process_group *pg;

	lock_guard(&kernel.tasks_lock);
	pg = t->group->pgrp;
	return pg && pg->session->sid == t->group->pid ? pg->session : NULL;
}

void tty_leader_exit(struct task *t)
{
	struct session *s = session_led_by(t);
	struct tty *tty;

	if (!s)
		return;
	tty = tty_controlling(t);
	if (tty) {
		disassociate(tty, LEADER_ENDS);
		tty_put(tty);
	}
	tell_left_fg(s);
}

s64 tty_drop_controlling(struct tty *t)
{
	struct task *self = task_self();
	struct tty *mine = tty_controlling(self);
	s64 err = mine == t ? 0 : -ENOTTY;

	/* Only the leader gives the terminal up for all; others have no own link to cut here. */
	if (!err && session_led_by(self))
		disassociate(t, GIVEN_UP);
	if (mine)
		tty_put(mine);
	return err;
}

s64 tty_set_foreground(struct tty *t, s32 pgid)
{
	struct task *self = task_self();
	struct process_group *pg, *old;
	int err = tty_check_background(t, SIGTTOU);

	if (err)
		return err == -EIO ? -ENOTTY : err;
	if (pgid < 0)
		return -EINVAL;
	lock_guard(&kernel.tasks_lock);
	if (self->group->pgrp->session->tty != t)
		return -ENOTTY;
	pg = pgrp_find_locked(pid_given(pgid));
	if (!pg)
		return -ESRCH;
	if (pg->session != self->group->pgrp->session)
		return -EPERM;
	old = t->fg;
	t->fg = pgrp_get(pg);
	if (old)
		pgrp_put(old);
	return 0;
}

s64 tty_foreground(struct tty *t, bool master)
{
	struct task *self = task_self();

	lock_guard(&kernel.tasks_lock);
	if (!master && self->group->pgrp->session->tty != t)
		return -ENOTTY;
	return t->fg ? pid_shown(t->fg->pgid) : 0;
}

s64 tty_session_id(struct tty *t, bool master)
{
	struct task *self = task_self();

	lock_guard(&kernel.tasks_lock);
	if (!master && self->group->pgrp->session->tty != t)
		return -ENOTTY;
	return t->session ? pid_shown(t->session->sid) : -ENOTTY;
}

void tty_hangup(struct tty *t)
{
	disassociate(t, HUNG_UP);
	waitq_wake(&t->slave_waitq, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR);
	/* What it could not write for want of room, it can now. */
	waitq_wake(&t->master_waitq, EPOLLOUT);
}
