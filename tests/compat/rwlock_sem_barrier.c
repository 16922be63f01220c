/*
 * Read-write locks, semaphores (unnamed, named, process-shared), barriers between processes, spin
 * locks, once.
 */
#include "compat.h"
#include <pthread.h>
#include <semaphore.h>

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int inits, reads, writes, bad;
static volatile int a, b;

static void init(void)
{
	inits++;
}

static void *mixed(void *arg)
{
	pthread_once(&once, init);
	for (int i = 0; i < 300; i++) {
		if ((i + (long)arg) % 10 == 0) {
			pthread_rwlock_wrlock(&rw);
			a++;
			b++;
			writes++;
			pthread_rwlock_unlock(&rw);
		} else {
			pthread_rwlock_rdlock(&rw);
			if (a != b)
				__atomic_add_fetch(&bad, 1, __ATOMIC_SEQ_CST);
			__atomic_add_fetch(&reads, 1, __ATOMIC_SEQ_CST);
			pthread_rwlock_unlock(&rw);
		}
	}
	return NULL;
}

struct shared {
	sem_t sem, done;
	pthread_barrier_t barrier;
	int serial, passed;
};

int main(void)
{
	pthread_t t[8];
	struct shared *sh =
	    mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t ba;
	struct timespec ts;
	char name[32];
	sem_t *s;
	int v;
	pid_t pids[3];

	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, mixed, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	printf("once %d reads %d writes %d bad %d\n", inits, reads, writes, bad);
	ERR(pthread_rwlock_rdlock(&rw));
	ERR(pthread_rwlock_tryrdlock(&rw));
	ERR(pthread_rwlock_trywrlock(&rw));
	clock_gettime(CLOCK_REALTIME, &ts);
	ERR(pthread_rwlock_timedwrlock(&rw, &ts));

	RES(sem_init(&sh->sem, 1, 0));
	RES(sem_init(&sh->done, 1, 0));
	RES(sem_trywait(&sh->sem));
	clock_gettime(CLOCK_REALTIME, &ts);
	RES(sem_timedwait(&sh->sem, &ts));
	pids[0] = fork_child();
	if (pids[0] == 0) {
		for (int i = 0; i < 100; i++)
			sem_wait(&sh->sem);
		sem_post(&sh->done);
		_exit(0);
	}
	for (int i = 0; i < 100; i++)
		sem_post(&sh->sem);
	RES(sem_wait(&sh->done));
	reap("semaphore child", pids[0]);
	RES(sem_getvalue(&sh->sem, &v));
	NUM(v);

	pthread_barrierattr_init(&ba);
	pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED);
	ERR(pthread_barrier_init(&sh->barrier, &ba, 4));
	for (int i = 0; i < 3; i++) {
		pids[i] = fork_child();
		if (pids[i] == 0) {
			for (int k = 0; k < 20; k++)
				if (pthread_barrier_wait(&sh->barrier) ==
				    PTHREAD_BARRIER_SERIAL_THREAD)
					__atomic_add_fetch(&sh->serial, 1, __ATOMIC_SEQ_CST);
			_exit(0);
		}
	}
	for (int k = 0; k < 20; k++)
		if (pthread_barrier_wait(&sh->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&sh->serial, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++)
		reap("barrier", pids[i]);
	NUM(sh->serial);

	snprintf(name, sizeof(name), "/compat-%d", getpid());
	s = sem_open(name, O_CREAT | O_EXCL, 0600, 2);
	YES(s != SEM_FAILED);
	YES(sem_open(name, O_CREAT | O_EXCL, 0600, 2) == SEM_FAILED && errno == EEXIST);
	IN_CHILD("named", sem_t *o = sem_open(name, 0); RES(sem_wait(o)); RES(sem_wait(o));
	         RES(sem_trywait(o)));
	RES(sem_getvalue(s, &v));
	NUM(v);
	RES(sem_unlink(name));
	RES(sem_unlink(name));
	YES(sem_open(name, 0) == SEM_FAILED && errno == ENOENT);
	return 0;
}
