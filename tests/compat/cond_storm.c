/*
 * Condition variables under load: a bounded queue with 6 producers and 6 consumers, broadcasts,
 * cancelled waits, timed waits that race with signals. pthread_cond_wait(3).
 */
#include "compat.h"
#include <pthread.h>

#define EACH 2000
#define ROOM 7

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int queue[ROOM], head, len, overfull;
static long produced, consumed;

static void *producer(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		pthread_mutex_lock(&lock);
		while (len == ROOM)
			pthread_cond_wait(&not_full, &lock);
		queue[(head + len++) % ROOM] = i + (int)(long)arg;
		overfull += len > ROOM;
		produced += i + (int)(long)arg;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *consumer(void *arg)
{
	(void)arg;
	for (int i = 0; i < EACH; i++) {
		pthread_mutex_lock(&lock);
		while (len == 0)
			pthread_cond_wait(&not_empty, &lock);
		consumed += queue[head];
		head = (head + 1) % ROOM;
		len--;
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static int generation, through;

static void *follower(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (int g = 0; g < 50; g++) {
		while (generation <= g)
			pthread_cond_wait(&gate, &lock);
		through++;
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void unlock(void *m)
{
	pthread_mutex_unlock(m);
}

static void *stuck(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	pthread_cleanup_push(unlock, &lock);
	for (;;)
		pthread_cond_wait(&gate, &lock);
	pthread_cleanup_pop(1);
	return NULL;
}

int main(void)
{
	pthread_t t[12];
	struct timespec ts;
	int timeouts = 0;
	void *ret;

	for (long i = 0; i < 6; i++) {
		pthread_create(&t[i], NULL, producer, (void *)i);
		pthread_create(&t[i + 6], NULL, consumer, NULL);
	}
	for (int i = 0; i < 12; i++)
		pthread_join(t[i], NULL);
	printf("left %d overfull %d equal %d sum %ld\n", len, overfull, produced == consumed,
	       consumed);
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, follower, NULL);
	for (int g = 0; g < 50; g++) {
		pthread_mutex_lock(&lock);
		generation++;
		pthread_cond_broadcast(&gate);
		pthread_mutex_unlock(&lock);
		sched_yield();
	}
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	NUM(through);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, stuck, NULL);
	msleep(30);
	for (int i = 0; i < 4; i++) {
		pthread_cancel(t[i]);
		pthread_join(t[i], &ret);
		YES(ret == PTHREAD_CANCELED);
	}
	ERR(pthread_mutex_trylock(&lock)); /* the cleanup handlers gave it back */
	for (int i = 0; i < 100; i++) {
		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += 100000;
		if (ts.tv_nsec >= 1000000000)
			ts.tv_sec++, ts.tv_nsec -= 1000000000;
		timeouts += pthread_cond_timedwait(&gate, &lock, &ts) == ETIMEDOUT;
	}
	NUM(timeouts);
	return 0;
}
