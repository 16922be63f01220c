/* Sending and queueing: what piles up, what is dropped, what undoes what, what kills. */
#include "tests/unit/sentry/fake_tasks.h"

static struct task *t;

static int sleep_on(struct task *self)
{
	while (!self->killed)
		fiber_park();
	return 0;
}

static void setup(void)
{
	tasks_setup();
	t = fake_process(NULL, sleep_on);
	run_all();
}

TestSuite(signal_send, .init = setup);

#define HANDLER 0x1000

static int queue_value(int sig, int value)
{
	siginfo_t info = user_info(sig);
	info.si_int = value;
	return signal_send_group(t->group, &info);
}

static int take(u64 set, siginfo_t *info)
{
	lock_guard(&t->group->siglock);
	return signal_dequeue_locked(t, set, info);
}

Test(signal_send, standard_coalesce_realtime_queue)
{
	siginfo_t info;
	set_action(t, SIGUSR1, HANDLER, 0);
	set_action(t, 40, HANDLER, 0);
	for (int i = 1; i <= 3; i++) {
		cr_assert_eq(queue_value(SIGUSR1, i), 0);
		cr_assert_eq(queue_value(40, i), 0);
	}
	cr_assert_eq(user_count(0, USER_SIGNALS), 4);
	cr_assert_eq(take(~0ULL, &info), SIGUSR1);
	cr_assert_eq(info.si_int, 1);
	for (int i = 1; i <= 3; i++) {
		cr_assert_eq(take(~0ULL, &info), 40);
		cr_assert_eq(info.si_int, i);
	}
	cr_assert_eq(take(~0ULL, &info), 0);
	cr_assert_eq(user_count(0, USER_SIGNALS), 0);
}

Test(signal_send, order)
{
	siginfo_t info;
	/* Synchronous first, then the lowest; a thread's own before its group's. */
	int sent[] = {50, SIGUSR2, SIGSEGV, SIGHUP};
	t->blocked = ~0ULL;
	for (size_t i = 0; i < array_size(sent); i++)
		queue_value(sent[i], 0);
	info = user_info(SIGUSR2);
	signal_send_task(t, &info);
	cr_expect_eq(take(~0ULL, &info), SIGUSR2);
	cr_expect_eq(take(~0ULL, &info), SIGSEGV);
	cr_expect_eq(take(~0ULL, &info), SIGHUP);
	cr_expect_eq(take(~0ULL, &info), SIGUSR2);
	cr_expect_eq(take(~0ULL, &info), 50);
}

Test(signal_send, limit)
{
	siginfo_t info;
	t->group->limits[RLIMIT_SIGPENDING].rlim_cur = 2;
	t->blocked = ~0ULL;
	cr_assert_eq(queue_value(40, 1), 0);
	cr_assert_eq(queue_value(40, 2), 0);
	cr_assert_eq(queue_value(40, 3), -EAGAIN);
	/* kill(2) gets through without its information, standard signals with theirs. */
	info = user_info(41);
	info.si_code = SI_USER;
	cr_assert_eq(signal_send_group(t->group, &info), 0);
	info = user_info(SIGUSR1);
	info.si_code = SI_USER;
	cr_assert_eq(signal_send_group(t->group, &info), 0);
	cr_assert_eq(take(SIGMASK(41), &info), 41);
	cr_assert_eq(info.si_code, SI_USER);
	cr_assert_eq(info.si_pid, 0);
	cr_assert_eq(take(SIGMASK(SIGUSR1), &info), SIGUSR1);
	cr_assert_eq(info.si_pid, 1);
}

Test(signal_send, ignored_unless_blocked)
{
	siginfo_t info;
	set_action(t, SIGUSR1, KSIG_IGN, 0);
	queue_value(SIGUSR1, 0);
	queue_value(SIGCHLD, 0);
	cr_assert_eq(signal_pending_set(t), 0);
	t->blocked = SIGMASK(SIGUSR1) | SIGMASK(SIGCHLD);
	queue_value(SIGUSR1, 0);
	queue_value(SIGCHLD, 0);
	cr_assert_eq(take(~0ULL, &info), SIGUSR1);
	cr_assert_eq(take(~0ULL, &info), SIGCHLD);
}

Test(signal_send, stop_and_continue_cancel)
{
	t->blocked = ~0ULL;
	queue_value(SIGTSTP, 0);
	queue_value(SIGSTOP, 0);
	queue_value(SIGCONT, 0);
	cr_assert_eq(signal_pending_set(t), SIGMASK(SIGCONT));
	queue_value(SIGTTIN, 0);
	cr_assert_eq(signal_pending_set(t), SIGMASK(SIGTTIN));
}

Test(signal_send, fatal_ends_at_once)
{
	queue_value(SIGTERM, 0);
	cr_assert(t->group->group_exiting);
	cr_assert_eq(t->group->group_exit_status, SIGTERM);
	cr_assert(t->killed);
	/* Nothing more reaches the dying. */
	queue_value(40, 0);
	cr_assert_eq(signal_pending_set(t) & SIGMASK(40), 0);
}

Test(signal_send, blocked_fatal_waits)
{
	t->blocked = SIGMASK(SIGTERM);
	queue_value(SIGTERM, 0);
	cr_assert_not(t->killed);
	queue_value(SIGKILL, 0);
	cr_assert(t->killed);
	cr_assert_eq(t->group->group_exit_status, SIGKILL);
}

Test(signal_send, unkillable)
{
	siginfo_t info = user_info(SIGKILL);
	t->group->unkillable = true;
	queue_value(SIGTERM, 0);
	signal_send_group(t->group, &info);
	cr_assert_not(t->killed);
	cr_assert_eq(signal_pending_set(t), 0);
	/* What it has a handler for comes through; so does what comes from outside. */
	set_action(t, SIGTERM, HANDLER, 0);
	queue_value(SIGTERM, 0);
	cr_assert_eq(signal_pending_set(t), SIGMASK(SIGTERM));
	info.si_pid = 0;
	info.si_code = SI_USER;
	signal_send_group(t->group, &info);
	cr_assert(t->killed);
}

Test(signal_send, interrupts_only_who_can_take_it)
{
	set_action(t, SIGUSR1, HANDLER, 0);
	t->blocked = SIGMASK(SIGUSR1);
	queue_value(SIGUSR1, 0);
	cr_assert_not(fiber_interrupted(t->fiber));
	signal_set_blocked(t, 0);
	cr_assert(fiber_interrupted(t->fiber));
}

Test(signal_send, forced)
{
	siginfo_t info = user_info(SIGSEGV);
	set_action(t, SIGSEGV, KSIG_IGN, 0);
	t->blocked = SIGMASK(SIGSEGV);
	t->group->unkillable = true;
	signal_force(t, &info);
	cr_assert_eq(t->blocked, 0);
	cr_assert_eq(sighand_get(t->group->sighand, SIGSEGV).handler, KSIG_DFL);
	cr_assert_not(t->group->unkillable);
	cr_assert_eq(signal_pending_set(t), SIGMASK(SIGSEGV));
}

Test(signal_send, permissions)
{
	struct task *other = fake_process(t, sleep_on);
	struct cred *c = cred_create(1000, 1000, NULL, 0);
	struct task *user = fake_process(t, sleep_on);
	run_all();
	lock_acquire(&user->group->siglock);
	cred_put(user->caller.cred);
	user->caller.cred = c;
	lock_release(&user->group->siglock);
	lock_guard(&kernel.tasks_lock);
	cr_assert_eq(signal_permission(t, user->group, SIGTERM), 0);
	cr_assert_eq(signal_permission(user, other->group, SIGTERM), -EPERM);
	/* A job of one's own session may be continued. */
	cr_assert_eq(signal_permission(user, other->group, SIGCONT), 0);
	cr_assert_eq(signal_permission(user, user->group, SIGTERM), 0);
}
