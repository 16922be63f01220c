/*
 * Waiting with threads: any thread reaps any thread's child, __WNOTHREAD does not, two waiters
 * share children, a waiter is woken with ECHILD when the last child is taken.
 */
#include "compat.h"
#include <pthread.h>

static volatile pid_t made;
static int reaped;

static void *maker(void *arg)
{
	pid_t pid = fork();

	(void)arg;
	if (pid == 0) {
		msleep(50);
		_exit(9);
	}
	made = pid;
	msleep(150);
	return NULL;
}

static void *waiter(void *arg)
{
	int status;

	(void)arg;
	while (wait(&status) > 0)
		__atomic_add_fetch(&reaped, 1, __ATOMIC_SEQ_CST);
	return (void *)(long)errno;
}

int main(void)
{
	pthread_t t, w[3];
	void *ret;
	int status;

	pthread_create(&t, NULL, maker, NULL);
	while (!made)
		sched_yield();
	RES(waitpid(made, &status, __WNOTHREAD));
	YES(waitpid(made, &status, 0) == made);
	show_status("another thread's child", status);
	pthread_join(t, NULL);
	/* The child of a thread that has ended belongs to the process. */
	made = 0;
	pthread_create(&t, NULL, maker, NULL);
	pthread_join(t, NULL);
	YES(waitpid(made, &status, 0) == made);
	show_status("an ended thread's child", status);

	for (int i = 0; i < 30; i++) {
		pid_t pid = fork_child();

		if (pid == 0) {
			msleep(20 + i);
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		pthread_create(&w[i], NULL, waiter, NULL);
	for (int i = 0; i < 3; i++) {
		pthread_join(w[i], &ret);
		STR(err_name((int)(long)ret));
	}
	NUM(reaped);
	return 0;
}
