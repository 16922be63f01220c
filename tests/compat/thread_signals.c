/*
 * Signals and threads: masks per thread, pthread_kill, sigwait threads, synchronous faults stay in
 * their thread, a stop stops all threads. pthreads(7).
 */
#include "compat.h"
#include <pthread.h>
#include <setjmp.h>

static __thread int mine;
static __thread sigjmp_buf env;
static volatile int ready, ticks, taken;

static void on_usr1(int sig)
{
	(void)sig;
	mine++;
	__atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST);
}

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(env, 1);
}

static void *target(void *arg)
{
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (mine < *(int *)arg)
		usleep(1000);
	return (void *)(long)mine;
}

static void *waiter(void *arg)
{
	int sig = 0;

	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	sigwait(arg, &sig);
	return (void *)(long)sig;
}

static void *faulter(void *arg)
{
	volatile long n = 0;
	volatile int i;

	(void)arg;
	for (i = 0; i < 200; i++)
		if (sigsetjmp(env, 1) == 0)
			*(volatile char *)bad_ptr() = 1;
		else
			n++;
	return (void *)n;
}

static void *ticker(void *arg)
{
	(void)arg;
	for (;;) {
		ticks++;
		usleep(2000);
	}
	return NULL;
}

int main(void)
{
	static int wanted[4] = {1, 2, 3, 4};
	sigset_t set = sigset_of(SIGUSR2, SIGTERM);
	pthread_t t[4];
	void *ret;
	int status;

	handle(SIGUSR1, on_usr1, 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, target, &wanted[i]);
	while (ready < 4)
		sched_yield();
	for (int i = 0; i < 4; i++)
		for (int k = 0; k <= i; k++) {
			int before = taken;

			pthread_kill(t[i], SIGUSR1);
			/* Two of them that are pending are one. */
			while (taken == before)
				msleep(1);
		}
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		NUM((long)ret);
	}
	NUM(mine);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	ready = 0;
	pthread_create(&t[0], NULL, waiter, &set);
	while (!ready)
		sched_yield();
	kill(getpid(), SIGTERM);
	pthread_join(t[0], &ret);
	STR(sig_name((int)(long)ret));
	handle(SIGSEGV, on_segv, SA_NODEFER);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, faulter, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		NUM((long)ret);
	}
	/* A stop stops every thread. */
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork_child();
	if (pid == 0) {
		pthread_create(&t[0], NULL, ticker, NULL);
		for (;;) {
			*shared = ticks;
			usleep(1000);
		}
	}
	while (*(volatile int *)shared < 3)
		usleep(1000);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	msleep(10);
	int before = *(volatile int *)shared;
	msleep(60);
	YES(*(volatile int *)shared == before);
	kill(pid, SIGCONT);
	for (int i = 0; i < 1000 && *(volatile int *)shared <= before + 2; i++)
		usleep(1000);
	YES(*(volatile int *)shared > before + 2);
	kill(pid, SIGKILL);
	reap("ticker", pid);
	return 0;
}
