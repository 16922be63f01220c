/*
 * Signals as messages between processes: 1,000 round trips by kill and sigwaitinfo, a storm of
 * queued values, signals to a group, to oneself from many threads.
 */
#include "compat.h"
#include <pthread.h>

static int received;

static void on_rt(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	__atomic_add_fetch(&received, si->si_value.sival_int, __ATOMIC_SEQ_CST);
}

static void *sender(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++)
		while (sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 1}) < 0)
			sched_yield();
	return NULL;
}

int main(void)
{
	sigset_t usr1 = sigset_of(SIGUSR1, 0), rt = sigset_of(SIGRTMIN, SIGUSR1);
	siginfo_t si;
	pid_t pid, parent = getpid(), group[5];
	pthread_t t[4];
	int wrong = 0;

	sigprocmask(SIG_BLOCK, &rt, NULL);
	pid = fork_child();
	if (pid == 0) {
		for (int i = 0; i < 1000; i++)
			if (sigwaitinfo(&usr1, &si) != SIGUSR1 || si.si_pid != parent ||
			    kill(parent, SIGUSR1))
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < 1000; i++) {
		if (kill(pid, SIGUSR1) || sigwaitinfo(&usr1, &si) != SIGUSR1)
			die("ping");
		wrong += si.si_pid != pid || si.si_code != SI_USER;
	}
	NUM(wrong);
	reap("pong", pid);

	pid = fork_child();
	if (pid == 0) {
		for (int i = 0; i < 500; i++)
			if (sigqueue(parent, SIGRTMIN, (union sigval){.sival_int = i}))
				_exit(1);
		_exit(0);
	}
	reap("storm", pid);
	sigset_t only = sigset_of(SIGRTMIN, 0);
	for (int i = 0; i < 500; i++)
		if (sigtimedwait(&only, &si, &(struct timespec){1, 0}) != SIGRTMIN ||
		    si.si_value.sival_int != i)
			wrong++;
	NUM(wrong);

	for (int i = 0; i < 5; i++) {
		group[i] = fork_child();
		if (group[i] == 0) {
			sigwaitinfo(&usr1, &si);
			_exit(si.si_pid == parent ? 3 : 4);
		}
		setpgid(group[i], group[0]);
	}
	RES(kill(-group[0], SIGUSR1));
	for (int i = 0; i < 5; i++)
		reap("group", group[i]);
	handle_info(SIGRTMIN + 2, on_rt, SA_RESTART);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, sender, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 500 && __atomic_load_n(&received, __ATOMIC_SEQ_CST) < 400; i++)
		usleep(2000);
	NUM(received);
	return 0;
}
