/*
 * fork(2) in a multi-threaded program: one thread in the child, atfork handlers, locks; many forks
 * from many threads.
 */
#include "compat.h"
#include <pthread.h>

static int order[8], norder, ok, started;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void prepare(void)
{
	order[norder++ & 7] = 1;
	pthread_mutex_lock(&lock);
}

static void parent(void)
{
	order[norder++ & 7] = 2;
	pthread_mutex_unlock(&lock);
}

static void child(void)
{
	order[norder++ & 7] = 3;
	pthread_mutex_unlock(&lock);
}

static void *locker(void *arg)
{
	volatile int *stop = arg;

	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	while (!*stop) {
		pthread_mutex_lock(&lock);
		free(malloc(1000));
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *forker(void *arg)
{
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			char *p = malloc(5000);

			memset(p, 1, 5000);
			_exit((int)(long)arg);
		}
		if (pid > 0 && waitpid(pid, &status, 0) == pid &&
		    WEXITSTATUS(status) == (int)(long)arg)
			__atomic_add_fetch(&ok, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static int tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	while (d && readdir(d))
		n++;
	return n - 2;
}

int main(void)
{
	static volatile int stop;
	pthread_t t[8], l[2];

	pthread_atfork(prepare, parent, child);
	for (int i = 0; i < 2; i++)
		pthread_create(&l[i], NULL, locker, (void *)&stop);
	while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < 2)
		sched_yield();
	norder = 0;
	IN_CHILD("child", printf("order %d %d\n", order[0], order[1]); NUM(tasks());
	         YES(gettid() == getpid()); pthread_mutex_lock(&lock); pthread_mutex_unlock(&lock);
	         pthread_create(&t[0], NULL, forker, (void *)3); pthread_join(t[0], NULL); NUM(ok));
	printf("order %d %d\n", order[0], order[1]);
	stop = 1;
	pthread_join(l[0], NULL);
	pthread_join(l[1], NULL);
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, forker, (void *)(i + 10));
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	NUM(ok);
	return 0;
}
