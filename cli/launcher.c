/*
 * The launcher's life: fork the sentry, then one loop over a signalfd and the
 * control socket.
 *
 * The sentry runs in a session of its own, so that the terminal's signals reach
 * the launcher alone, which passes them on as messages.
 *
 * Nothing outlives the launcher. The sentry is tied to it by PR_SET_PDEATHSIG, and so are
 * the stubs to the sentry. Host processes that a hostile guest has made behind the
 * sentry's back are killed by the warden (platform/stub/warden.c) when the sentry is gone.
 * They become the launcher's children then, as it is a subreaper, and it reaps them, and kills
 * what is left (session_sweep.c); where the launcher is gone too, the host's init reaps. Where the
 * sandbox has a control group of its own, that is emptied and removed in either case (cgroup.c).
 */
#include "cli/launcher.h"
#include "cli/cgroup.h"
#include "cli/cli.h"
#include "cli/descriptors.h"
#include "cli/due.h"
#include "cli/memory_watch.h"
#include "cli/process_watch.h"
#include "cli/run_options.h"
#include "cli/session_sweep.h"
#include "cli/terminal.h"
#include "platform/filter/namespaces.h"
#include "sentry/control.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct launcher {
	pid_t sentry;
	int control, signals;
	u64 deadline; /* CLOCK_MONOTONIC ms; 0: none */
	struct memory_watch memory;
	struct process_watch processes;
	struct cgroup cgroup;
	bool reported; /* the sentry has said how it ended */
	bool failed;
	int status; /* exit status if failed, else a wait status */
};

/* Files from before: those for the guest, what was granted, and the line to the launcher. */
static void sentry_close_others(const struct sandbox_config *c, int control)
{
	enum { OTHERS = 6 };
	int *keep = calloc(c->nmounts + OTHERS, sizeof(*keep));
	unsigned n = 0;

	if (!keep)
		_exit(EXIT_MOAT_FAILED);
	keep[n++] = STDIN_FILENO;
	keep[n++] = STDOUT_FILENO;
	keep[n++] = STDERR_FILENO;
	keep[n++] = control;
	keep[n++] = c->root_fd;
	keep[n++] = c->trace_fd;
	for (unsigned i = 0; i < c->nmounts; i++)
		keep[n++] = c->mounts[i].fd;
	descriptors_close_but(keep, n);
	free(keep);
}

static noreturn void become_sentry(struct run_options *o, int control, pid_t launcher)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != launcher)
		_exit(EXIT_MOAT_FAILED);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "moat-sentry");
	sentry_close_others(&o->sandbox, control);
	o->sandbox.control_fd = control;
	sandbox_main(&o->sandbox);
}

static void start_sentry(struct launcher *l, struct run_options *o)
{
	pid_t me = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("cannot make the control socket: %s", strerror(errno));
	/* Refused only by hosts older than any that moat runs on. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(NULL);
	l->sentry = cgroup_fork(&l->cgroup);
	if (l->sentry < 0)
		die("cannot start the sentry: %s", strerror(errno));
	if (l->sentry == 0) {
		close(pair[0]);
		close(l->signals);
		cgroup_forget(&l->cgroup);
		become_sentry(o, pair[1], me);
	}
	close(pair[1]);
	l->control = pair[0];
	namespaces_send(l->control, l->sentry);
	cgroup_tie(&l->cgroup);
}

/*
 * The signals that the caller ignores, as a mask: bit N - 1 for signal N. Asked of the kernel,
 * since the C library's sigaction() refuses the two that it uses itself, 32 and 33.
 */
static u64 signals_ignored(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		u64 mask;
	} action;
	u64 ignored = 0;

	for (int sig = 1; sig < _NSIG; sig++)
		if (syscall(SYS_rt_sigaction, sig, NULL, &action, sizeof(action.mask)) == 0 &&
		    action.handler == SIG_IGN)
			ignored |= 1ULL << (sig - 1);
	return ignored;
}

/* Signals that are passed on, and those that the launcher itself looks at. */
static void watch_signals(struct launcher *l)
{
	static const int forwarded[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,  SIGUSR1,
	                                SIGUSR2, SIGALRM, SIGCONT, SIGWINCH, SIGCHLD};
	sigset_t set;

	/* Ignored by who started this process, children would vanish without a status. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	for (size_t i = 0; i < array_size(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signals < 0)
		die("cannot watch for signals: %s", strerror(errno));
}

static void tell(struct launcher *l, u32 type, u32 value)
{
	struct control_message m = {.type = type, .value = value};

	/* A sentry that is ending answers no more: its end is what counts. */
	if (send(l->control, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static void take_signals(struct launcher *l)
{
	struct signalfd_siginfo si;
	struct winsize ws;

	while (read(l->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGCHLD:
			break;
		case SIGWINCH:
			if (ioctl(0, TIOCGWINSZ, &ws) == 0)
				tell(l, CONTROL_WINSIZE, (u32)ws.ws_row << 16 | ws.ws_col);
			break;
		case SIGCONT:
			terminal_resume();
			break;
		default:
			tell(l, CONTROL_SIGNAL, si.ssi_signo);
		}
	}
}

/* False when the sentry has closed its end. */
static bool take_message(struct launcher *l)
{
	struct control_message m;
	ssize_t n = recv(l->control, &m, sizeof(m), MSG_DONTWAIT);

	/*
	 * ECONNRESET comes once, and first, if the sentry has ended without taking all that was
	 * sent to it: what it has said itself is still there (net/unix/af_unix.c
	 * unix_release_sock).
	 */
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
		return true;
	if (n != (ssize_t)sizeof(m))
		return false;
	m.text[sizeof(m.text) - 1] = 0;
	switch (m.type) {
	case CONTROL_FAILED:
		terminal_restore();
		complain("%s", m.text);
		l->reported = l->failed = true;
		l->status = (int)m.value;
		break;
	case CONTROL_ENDED:
		l->reported = true;
		l->status = (int)m.value;
		break;
	}
	return true;
}

/* The soonest of the time limit and the next looks from outside, in ms for poll(2). */
static int next_wait(const struct launcher *l)
{
	int wait = memory_watch_interval(&l->memory), look = process_watch_interval(&l->processes);
	int left = l->deadline ? ms_until(l->deadline) : -1;

	if (wait < 0 || (look >= 0 && look < wait))
		wait = look;
	if (wait < 0 || (left >= 0 && left < wait))
		wait = left;
	return wait;
}

static void end_it(struct launcher *l, int status)
{
	kill(l->sentry, SIGKILL);
	terminal_restore();
	l->reported = l->failed = true;
	l->status = status;
}

static void end_by_timeout(struct launcher *l, double seconds)
{
	end_it(l, EXIT_TIMED_OUT);
	complain("the time limit of %g s is over: the sandbox was ended", seconds);
}

static void end_by_processes(struct launcher *l)
{
	end_it(l, EXIT_MOAT_FAILED);
	complain("a program makes processes of the host's behind the sentry's back, more than "
	         "--pids can account for: the sandbox was ended");
}

static void follow(struct launcher *l, const struct run_options *o)
{
	struct pollfd p[2] = {{.fd = l->control, .events = POLLIN},
	                      {.fd = l->signals, .events = POLLIN}};

	while (!l->reported) {
		int n = poll(p, 2, next_wait(l));

		if (n < 0 && errno != EINTR)
			die("cannot wait for the sandbox: %s", strerror(errno));
		if (n > 0 && p[1].revents)
			take_signals(l);
		if (n > 0 && p[0].revents && !take_message(l))
			return;
		if (l->deadline && now_ms() >= l->deadline)
			end_by_timeout(l, o->timeout);
		if (memory_watch_exceeded(&l->memory, l->sentry))
			tell(l, CONTROL_OOM, 0);
		if (process_watch_exceeded(&l->processes, l->sentry))
			end_by_processes(l);
	}
}

/* Ends this process as the guest's ended, so that the caller's shell sees the same. */
static int end_as(int status)
{
	struct rlimit no_core = {0};
	sigset_t set;
	int sig;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sig = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0);
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* A signal that does not end a process is none that a process can have ended by. */
	return 128 + sig;
}

/* The wait status of the sentry, once it has ended and all that was in its sandbox with it. */
static int end_of_sandbox(const struct launcher *l)
{
	siginfo_t si;
	int st = 0;

	/* Not reaped before the rest: its process id is the name of the session. */
	while (waitid(P_PID, (id_t)l->sentry, &si, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	session_sweep(l->sentry);
	while (waitpid(l->sentry, &st, 0) < 0 && errno == EINTR)
		;
	return st;
}

int launch(struct run_options *o)
{
	struct launcher l = {0};
	int st;

	o->sandbox.ignored_signals = signals_ignored();
	watch_signals(&l);
	if (o->timeout > 0)
		l.deadline = now_ms() + (u64)(o->timeout * 1000);
	memory_watch_init(&l.memory, o->sandbox.memory_limit);
	process_watch_init(&l.processes, o->pids_set ? o->sandbox.max_tasks : 0);
	cgroup_create(&l.cgroup, o->sandbox.memory_limit,
	              o->pids_set ? sandbox_max_processes(o->sandbox.max_tasks) : 0);
	start_sentry(&l, o);
	if (o->sandbox.tty)
		terminal_raw();
	follow(&l, o);
	st = end_of_sandbox(&l);
	cgroup_remove(&l.cgroup);
	terminal_restore();
	if (l.failed)
		return l.status;
	if (!l.reported) {
		complain("the sentry ended without a report (%s %d): the sandbox is gone; please "
		         "report this with the output of --debug",
		         WIFSIGNALED(st) ? "signal" : "status",
		         WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st));
		return EXIT_MOAT_FAILED;
	}
	return end_as(l.status);
}
