/*
 * A CPU-bound program whose threads meet at a barrier after every SPINS of work: bench-barrier
 * THREADS MEETINGS SPINS. SPINS is each thread's own work. bench-barrier spin: prints what a
 * million spins take, in ns.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_barrier_t barrier;
static long meetings, spins;

/* In a register: what a loop through memory costs depends on where the stack happens to be. */
static void work(long n)
{
	while (n-- > 0)
		__asm__ volatile("" : "+r"(n));
}

static void *run(void *arg)
{
	for (long i = 0; i < meetings; i++) {
		work(spins);
		pthread_barrier_wait(&barrier);
	}
	return arg;
}

static int spin(void)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	work(10000000);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%lld\n", (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec);
	return 0;
}

int main(int argc, char **argv)
{
	int threads;
	pthread_t *others;

	if (argc == 2 && strcmp(argv[1], "spin") == 0)
		return spin();
	if (argc != 4 || (threads = atoi(argv[1])) < 1) {
		fprintf(stderr,
		        "usage: bench-barrier THREADS MEETINGS SPINS | bench-barrier spin\n");
		return 2;
	}
	meetings = atol(argv[2]);
	spins = atol(argv[3]);
	others = calloc((size_t)threads, sizeof(*others));
	if (!others || pthread_barrier_init(&barrier, NULL, (unsigned)threads) != 0)
		return 1;
	for (int i = 1; i < threads; i++) {
		if (pthread_create(&others[i], NULL, run, NULL) != 0) {
			perror("bench-barrier: cannot start a thread");
			return 1;
		}
	}
	run(NULL);
	for (int i = 1; i < threads; i++)
		pthread_join(others[i], NULL);
	free(others);
	return 0;
}
