/*
 * The warden: a process that does nothing but outlive the sentry for a moment.
 *
 * A guest may jump to the stub's own clone instruction. What comes of it is a host
 * process without a context: it can do nothing that its maker could not, but it has
 * no PR_SET_PDEATHSIG (fork(2) clears it) and the sentry does not know it, so nothing
 * would end it with the sandbox. It cannot leave the zygote's process group, though, as
 * no stub may call setpgid or setsid; and a signal to a group and a fork exclude each
 * other in the host (kernel/fork.c copy_process), so that one kill(2) misses nobody,
 * however fast they multiply. That kill is the warden's: it is a member of the group that
 * runs no guest code, and when the sentry is gone, for whatever reason, it kills the group.
 *
 * It is forked before the filters are installed, which leave stubs no such call.
 * Host calls: clone, rt_sigprocmask, close, prctl, getppid, rt_sigtimedwait, kill, exit.
 */
#include "platform/stub/stub.h"
#include <linux/sched.h>
#include <sys/prctl.h>

static noreturn void watch(s64 sentry)
{
	static const char name[] = "moat-warden";
	const u64 all = ~0UL;

	/* Whatever arrives is a reason to look, never to end. */
	host6(__NR_rt_sigprocmask, SIG_SETMASK, (u64)&all, 0, sizeof(all), 0, 0);
	host3(__NR_close, STUB_SOCKET_FD, 0, 0);
	host3(__NR_prctl, PR_SET_NAME, name, 0);
	host3(__NR_prctl, PR_SET_PDEATHSIG, SIGTERM, 0);
	/* Armed first, looked at then: a sentry that ended before has another in its place. */
	while (host3(__NR_getppid, 0, 0, 0) == sentry)
		host6(__NR_rt_sigtimedwait, (u64)&all, 0, 0, sizeof(all), 0, 0);
	for (;;) {
		host3(__NR_kill, 0, SIGKILL, 0);
		host3(__NR_exit, 0, 0, 0);
	}
}

s64 warden_start(void)
{
	s64 sentry = host3(__NR_getppid, 0, 0, 0);
	/* CLONE_PARENT: the sentry is to be the parent whose death it hears of. */
	s64 pid = host6(__NR_clone, CLONE_PARENT, 0, 0, 0, 0, 0);

	if (pid == 0)
		watch(sentry);
	return pid;
}
