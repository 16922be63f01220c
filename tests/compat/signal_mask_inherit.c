/*
 * The signal mask over fork, pthread_create and execve; pending signals are not inherited by fork.
 * signal(7).
 */
#include "compat.h"
#include <pthread.h>

static void show_mask(const char *who)
{
	sigset_t set, pend;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	sigpending(&pend);
	printf("%s blocked:", who);
	for (int i = 1; i < 32; i++)
		if (sigismember(&set, i))
			printf(" %s", sig_name(i));
	printf("; pending:");
	for (int i = 1; i < 32; i++)
		if (sigismember(&pend, i))
			printf(" %s", sig_name(i));
	printf("\n");
}

static void *thread(void *arg)
{
	sigset_t set = sigset_of(SIGQUIT, 0);

	show_mask(arg);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_kill(pthread_self(), SIGQUIT);
	show_mask("thread's own");
	return NULL;
}

int main(int argc, char **argv)
{
	sigset_t set = sigset_of(SIGUSR1, SIGTERM);
	pthread_t t;

	(void)argv;
	if (argc > 1) {
		show_mask("after exec");
		return 0;
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	kill(getpid(), SIGTERM);
	show_mask("parent");
	IN_CHILD("fork", show_mask("child"));
	pthread_create(&t, NULL, thread, "thread");
	pthread_join(t, NULL);
	show_mask("parent after thread");
	IN_CHILD("exec", raise(SIGUSR1); execl("/proc/self/exe", "x", "y", NULL));
	set = sigset_of(SIGUSR1, 0);
	signal(SIGUSR1, SIG_IGN); /* ignoring discards what is pending */
	show_mask("ignored");
	signal(SIGTERM, SIG_IGN);
	sigprocmask(SIG_SETMASK, &(sigset_t){0}, NULL);
	show_mask("end");
	return 0;
}
