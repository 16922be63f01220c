/*
 * More threads than CPUs, of which some compute, some call all the time, and some sleep: each gets
 * its turn, or this does not end.
 */
#include "compat.h"
#include <pthread.h>
#include <stdatomic.h>

#define EACH  4
#define TURNS 50

static _Atomic int stop;
static _Atomic int turns[EACH];

static void *computes(void *arg)
{
	volatile unsigned long n = 0;

	while (!atomic_load(&stop))
		n++;
	return arg;
}

static void *calls(void *arg)
{
	struct stat st;

	while (!atomic_load(&stop))
		if (stat("/", &st))
			abort();
	return arg;
}

/* Two of them have a pipe, through which a byte goes to and fro. */
static int pipes[EACH][2];

static void *sleeps(void *arg)
{
	int i = (int)(long)arg;
	char c = 'x';

	for (int n = 0; n < TURNS; n++) {
		if (write(pipes[i ^ 1][1], &c, 1) != 1 || read(pipes[i][0], &c, 1) != 1)
			abort();
		atomic_fetch_add(&turns[i], 1);
	}
	return arg;
}

static void run(const char *what, void *(*busy)(void *))
{
	pthread_t others[EACH], sleepers[EACH];

	printf("%s:\n", what);
	atomic_store(&stop, 0);
	for (int i = 0; i < EACH; i++) {
		atomic_store(&turns[i], 0);
		if (pipe(pipes[i]))
			abort();
	}
	for (long i = 0; i < EACH; i++) {
		ERR(pthread_create(&others[i], NULL, busy, NULL));
		ERR(pthread_create(&sleepers[i], NULL, sleeps, (void *)i));
	}
	for (int i = 0; i < EACH; i++)
		pthread_join(sleepers[i], NULL);
	atomic_store(&stop, 1);
	for (int i = 0; i < EACH; i++) {
		pthread_join(others[i], NULL);
		NUM(atomic_load(&turns[i]));
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

int main(void)
{
	run("beside some that compute", computes);
	run("beside some that call", calls);
	return 0;
}
