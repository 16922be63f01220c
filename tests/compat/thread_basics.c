/*
 * 200 pthreads with a mutex, a condition variable and a barrier; join values; TLS; detached
 * threads. pthreads(7).
 */
#include "compat.h"
#include <pthread.h>

#define N 200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static int counter, waiting, go, serial;
static __thread int tls = 5;
static int tls_ok;

static void *worker(void *arg)
{
	long i = (long)arg;

	tls += (int)i;
	for (int k = 0; k < 100; k++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		__atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&lock);
	waiting++;
	while (!go)
		pthread_cond_wait(&cond, &lock);
	tls_ok += tls == 5 + (int)i;
	pthread_mutex_unlock(&lock);
	return (void *)(i * i);
}

static void *quick(void *arg)
{
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	static pthread_t t[N];
	pthread_attr_t attr;
	long total = 0, expect = 0;
	int made = 0, ended = 0;
	void *ret;

	pthread_barrier_init(&barrier, NULL, N + 1);
	for (long i = 0; i < N; i++)
		made += pthread_create(&t[i], NULL, worker, (void *)i) == 0;
	NUM(made);
	if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		serial++;
	for (;;) {
		pthread_mutex_lock(&lock);
		if (waiting == N)
			break;
		pthread_mutex_unlock(&lock);
		sched_yield();
	}
	go = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	for (long i = 0; i < N; i++) {
		pthread_join(t[i], &ret);
		total += (long)ret;
		expect += i * i;
	}
	NUM(counter);
	NUM(tls_ok);
	NUM(tls);
	NUM(serial);
	YES(total == expect);

	/* Create and join one after another, then detached. */
	for (int i = 0; i < 500; i++)
		if (pthread_create(&t[0], NULL, quick, &ended) || pthread_join(t[0], NULL))
			die("pthread");
	NUM(ended);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 100; i++)
		if (pthread_create(&t[0], &attr, quick, &ended))
			die("pthread");
	while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) < 600)
		sched_yield();
	NUM(ended);
	return 0;
}
