/*
 * SA_NODEFER, SA_RESETHAND, SA_SIGINFO, sa_mask: sigaction(2).
 */
#include "compat.h"

static volatile sig_atomic_t depth, max_depth, calls;
static volatile sig_atomic_t order[8], norder;

static void nest(int sig)
{
	depth++;
	calls++;
	if (depth > max_depth)
		max_depth = depth;
	if (calls < 4)
		raise(sig);
	depth--;
}

static void note(int sig)
{
	order[norder++] = sig;
	if (sig == SIGUSR1) {
		raise(SIGUSR2);
		order[norder++] = -sig;
	}
}

static void info(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *ctx = uc;

	printf("signo %d si_signo %d code %s errno %d pid %s uid %s value %d\n", sig, si->si_signo,
	       si->si_code == SI_USER    ? "SI_USER"
	       : si->si_code == SI_QUEUE ? "SI_QUEUE"
	       : si->si_code == SI_TKILL ? "SI_TKILL"
	                                 : "?",
	       si->si_errno, si->si_pid == getpid() ? "me" : "?",
	       si->si_uid == getuid() ? "me" : "?",
	       si->si_code == SI_QUEUE ? si->si_value.sival_int : 0);
	YES(sigismember(&ctx->uc_sigmask, SIGHUP) == 1);
	YES(sigismember(&ctx->uc_sigmask, SIGUSR1) == 0);
}

int main(void)
{
	struct sigaction sa;
	sigset_t set;

	calls = max_depth = 0;
	handle(SIGUSR1, nest, 0);
	raise(SIGUSR1);
	printf("deferred: calls %d depth %d\n", calls, max_depth);
	calls = max_depth = 0;
	handle(SIGUSR1, nest, SA_NODEFER);
	raise(SIGUSR1);
	printf("nodefer: calls %d depth %d\n", calls, max_depth);

	handle(SIGUSR1, note, SA_RESETHAND);
	handle(SIGUSR2, note, 0);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &sa);
	YES(sa.sa_handler == SIG_DFL);
	HEX(sa.sa_flags & SA_RESETHAND);
	for (int i = 0; i < norder; i++)
		printf("order %d\n", order[i]);

	/* The mask of the action holds SIGUSR2 back till the handler returns. */
	norder = 0;
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = note;
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	for (int i = 0; i < norder; i++)
		printf("order %d\n", order[i]);
	sigprocmask(SIG_BLOCK, NULL, &set);
	YES(sigisemptyset(&set));

	set = sigset_of(SIGHUP, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	handle_info(SIGUSR1, info, SA_NODEFER);
	kill(getpid(), SIGUSR1);
	raise(SIGUSR1);
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77});

	/* A second instance of a pending standard signal is lost. */
	set = sigset_of(SIGUSR2, 0);
	norder = 0;
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	raise(SIGUSR2);
	raise(SIGUSR2);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	NUM(norder);
	return 0;
}
