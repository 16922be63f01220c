/*
 * Threads that map, touch, protect and unmap at the same time; one thread's mapping is seen by all;
 * faults in parallel.
 */
#include "compat.h"
#include <pthread.h>

#define T 6
#define P 4096

static int wrong;
static char *shared_area;
static pthread_barrier_t barrier;

static void *churn(void *arg)
{
	long id = (long)arg;

	for (int i = 0; i < 200; i++) {
		size_t len = (size_t)(1 + (i + id) % 8) * P;
		char *p =
		    mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
			continue;
		}
		for (size_t o = 0; o < len; o += P)
			p[o] = (char)id;
		if (i % 3 == 0 && mprotect(p, P, PROT_READ))
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
		for (size_t o = 0; o < len; o += P)
			if (p[o] != (char)id)
				__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
		if (i % 5 == 0 && i % 3) { /* in one piece still */
			char *q = mremap(p, len, len * 4, MREMAP_MAYMOVE);

			if (q == MAP_FAILED || q[0] != (char)id || q[len * 4 - 1] != 0)
				__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
			p = q;
			len *= 4;
		}
		if (munmap(p, len))
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
	}
	pthread_barrier_wait(&barrier);
	/* All touch the same fresh pages at once. */
	for (int i = 0; i < 256; i++)
		__atomic_add_fetch((int *)(shared_area + i * P), 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static char *volatile published;

static void *publisher(void *arg)
{
	char *p = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	strcpy(p, "from the other thread");
	__atomic_store_n(&published, p, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	pthread_t t[T];
	int bad = 0;

	shared_area =
	    mmap(NULL, 256 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_barrier_init(&barrier, NULL, T);
	for (long i = 0; i < T; i++)
		pthread_create(&t[i], NULL, churn, (void *)(i + 1));
	for (int i = 0; i < T; i++)
		pthread_join(t[i], NULL);
	NUM(wrong);
	for (int i = 0; i < 256; i++)
		bad += *(int *)(shared_area + i * P) != T;
	NUM(bad);
	pthread_create(&t[0], NULL, publisher, NULL);
	while (!published)
		sched_yield();
	STR(published);
	pthread_join(t[0], NULL);
	STR(published);
	RES(munmap(published, P));
	return 0;
}
