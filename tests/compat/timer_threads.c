/*
 * SIGEV_THREAD timers, several timers at once, sleeps in threads last as long as asked.
 * timer_create(2).
 */
#include "compat.h"
#include <pthread.h>

static int calls[3];

static void on_timer(union sigval v)
{
	__atomic_add_fetch(&calls[v.sival_int], 1, __ATOMIC_SEQ_CST);
}

static void *sleeper(void *arg)
{
	long i = (long)arg, begun = now_ms();

	msleep(30 * (3 - i));
	return (void *)(long)(now_ms() - begun >= 30 * (3 - i) - 1);
}

int main(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer};
	struct itimerspec it = {{0, 10000000}, {0, 10000000}};
	timer_t tm[3];
	pthread_t t[3];
	void *slept[3];
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c;
	pthread_condattr_t ca;
	struct timespec ts;

	for (int i = 0; i < 3; i++) {
		ev.sigev_value.sival_int = i;
		RES(timer_create(CLOCK_MONOTONIC, &ev, &tm[i]));
		it.it_interval.tv_nsec = i == 2 ? 0 : 10000000;
		RES(timer_settime(tm[i], 0, &it, NULL));
	}
	for (int i = 0; i < 1000 && (calls[0] < 5 || calls[1] < 5 || calls[2] < 1); i++)
		usleep(2000);
	YES(calls[0] >= 5 && calls[1] >= 5);
	NUM(calls[2]);
	for (int i = 0; i < 3; i++)
		RES(timer_delete(tm[i]));
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, sleeper, (void *)i);
	for (int i = 0; i < 3; i++)
		ERR(pthread_join(t[i], &slept[i]));
	YES(slept[0] && slept[1] && slept[2]);

	/* Timed waits on both clocks. */
	for (int k = 0; k < 2; k++) {
		pthread_condattr_init(&ca);
		pthread_condattr_setclock(&ca, k ? CLOCK_MONOTONIC : CLOCK_REALTIME);
		pthread_cond_init(&c, &ca);
		clock_gettime(k ? CLOCK_MONOTONIC : CLOCK_REALTIME, &ts);
		ts.tv_nsec += 40000000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_sec++;
			ts.tv_nsec -= 1000000000;
		}
		long t0 = now_ms();
		pthread_mutex_lock(&m);
		ERR(pthread_cond_timedwait(&c, &m, &ts));
		pthread_mutex_unlock(&m);
		YES(now_ms() - t0 >= 38);
	}
	return 0;
}
