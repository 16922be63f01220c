/*
 * Mutexes: recursive, error-checking, robust (EOWNERDEAD, ENOTRECOVERABLE), priority inheritance,
 * timed, process-shared.
 */
#include "compat.h"
#include <pthread.h>

struct shared {
	pthread_mutex_t robust, pi, plain;
	pthread_cond_t cond;
	int counter, go;
};

static struct shared *sh;

static void make(pthread_mutex_t *m, int type, int robust, int protocol, int pshared)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	pthread_mutexattr_setrobust(&a, robust);
	pthread_mutexattr_setprotocol(&a, protocol);
	pthread_mutexattr_setpshared(&a, pshared);
	if (pthread_mutex_init(m, &a))
		die("pthread_mutex_init");
}

static void *take_and_die(void *arg)
{
	pthread_mutex_lock(arg);
	return NULL;
}

static void *pi_worker(void *arg)
{
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(arg);
		sh->counter++;
		pthread_mutex_unlock(arg);
	}
	return NULL;
}

int main(void)
{
	pthread_mutex_t m;
	pthread_t t[4];
	struct timespec ts;
	pthread_condattr_t ca;

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	make(&m, PTHREAD_MUTEX_RECURSIVE, 0, 0, 0);
	ERR(pthread_mutex_lock(&m));
	ERR(pthread_mutex_lock(&m));
	ERR(pthread_mutex_unlock(&m));
	ERR(pthread_mutex_unlock(&m));
	ERR(pthread_mutex_unlock(&m));
	make(&m, PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0);
	ERR(pthread_mutex_lock(&m));
	ERR(pthread_mutex_lock(&m));
	ERR(pthread_mutex_trylock(&m));
	ERR(pthread_mutex_unlock(&m));
	make(&m, PTHREAD_MUTEX_NORMAL, 0, 0, 0);
	pthread_mutex_lock(&m);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 30000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	ERR(pthread_mutex_timedlock(&m, &ts));
	ERR(pthread_mutex_trylock(&m));

	/* Robust, between threads. */
	make(&m, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, 0, 0);
	pthread_create(&t[0], NULL, take_and_die, &m);
	pthread_join(t[0], NULL);
	ERR(pthread_mutex_lock(&m));
	ERR(pthread_mutex_consistent(&m));
	ERR(pthread_mutex_unlock(&m));
	ERR(pthread_mutex_lock(&m));
	ERR(pthread_mutex_unlock(&m));
	pthread_create(&t[0], NULL, take_and_die, &m);
	pthread_join(t[0], NULL);
	ERR(pthread_mutex_lock(&m));
	ERR(pthread_mutex_unlock(&m)); /* not made consistent */
	ERR(pthread_mutex_lock(&m));

	/* Robust, between processes, when the owner exits, is killed, or executes another program.
	 */
	make(&sh->robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, 0, PTHREAD_PROCESS_SHARED);
	IN_CHILD("owner exits", pthread_mutex_lock(&sh->robust); _exit(1));
	ERR(pthread_mutex_lock(&sh->robust));
	pthread_mutex_consistent(&sh->robust);
	pthread_mutex_unlock(&sh->robust);
	IN_CHILD("owner is killed", pthread_mutex_lock(&sh->robust); kill(getpid(), SIGKILL));
	ERR(pthread_mutex_lock(&sh->robust));
	pthread_mutex_consistent(&sh->robust);
	pthread_mutex_unlock(&sh->robust);
	IN_CHILD("owner executes", pthread_mutex_lock(&sh->robust);
	         execl("/bin/true", "true", NULL));
	ERR(pthread_mutex_lock(&sh->robust));
	pthread_mutex_consistent(&sh->robust);
	/* A waiter in another process is woken by the death. */
	pthread_mutex_unlock(&sh->robust);
	pid_t pid = fork_child();
	if (pid == 0) {
		pthread_mutex_lock(&sh->robust);
		sh->go = 1;
		msleep(50);
		_exit(0);
	}
	while (!__atomic_load_n(&sh->go, __ATOMIC_SEQ_CST))
		msleep(1);
	ERR(pthread_mutex_lock(&sh->robust));
	reap("owner", pid);

	/* Priority inheritance. */
	make(&sh->pi, PTHREAD_MUTEX_ERRORCHECK, 0, PTHREAD_PRIO_INHERIT, PTHREAD_PROCESS_SHARED);
	sh->counter = 0;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, pi_worker, &sh->pi);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	NUM(sh->counter);
	ERR(pthread_mutex_lock(&sh->pi));
	ERR(pthread_mutex_lock(&sh->pi));
	IN_CHILD("child", ERR(pthread_mutex_trylock(&sh->pi)); ERR(pthread_mutex_unlock(&sh->pi)));
	ERR(pthread_mutex_unlock(&sh->pi));

	/* Condition variable and mutex shared by processes. */
	make(&sh->plain, PTHREAD_MUTEX_NORMAL, 0, 0, PTHREAD_PROCESS_SHARED);
	pthread_condattr_init(&ca);
	pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&sh->cond, &ca);
	sh->go = 0;
	pid = fork_child();
	if (pid == 0) {
		pthread_mutex_lock(&sh->plain);
		while (!sh->go)
			pthread_cond_wait(&sh->cond, &sh->plain);
		sh->go = 2;
		pthread_mutex_unlock(&sh->plain);
		_exit(0);
	}
	msleep(20);
	pthread_mutex_lock(&sh->plain);
	sh->go = 1;
	pthread_cond_signal(&sh->cond);
	pthread_mutex_unlock(&sh->plain);
	reap("cond waiter", pid);
	NUM(sh->go);
	return 0;
}
