/*
 * Priority-inheritance futexes by hand: LOCK_PI, TRYLOCK_PI, UNLOCK_PI, waiters bit, dead owners,
 * errors. futex(2).
 */
#include "compat.h"
#include <linux/futex.h>
#include <pthread.h>

static unsigned int word;
static int state;

static long futex(void *addr, int op, unsigned int val, void *ts)
{
	return syscall(SYS_futex, addr, op, val, ts, NULL, 0);
}

static void *contender(void *arg)
{
	(void)arg;
	__atomic_store_n(&state, 1, __ATOMIC_SEQ_CST);
	if (futex(&word, FUTEX_LOCK_PI, 0, NULL) != 0)
		return (void *)1;
	__atomic_store_n(&state, 2, __ATOMIC_SEQ_CST);
	if ((word & FUTEX_TID_MASK) != (unsigned int)gettid())
		return (void *)2;
	return (void *)(futex(&word, FUTEX_UNLOCK_PI, 0, NULL) == 0 ? 0L : 3L);
}

int main(void)
{
	struct timespec ts;
	pthread_t t;
	void *ret;

	RES(futex(&word, FUTEX_LOCK_PI, 0, NULL));
	YES(word == (unsigned int)gettid());
	RES(futex(&word, FUTEX_LOCK_PI, 0, NULL));
	RES(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL));
	pthread_create(&t, NULL, contender, NULL);
	while (!__atomic_load_n(&state, __ATOMIC_SEQ_CST))
		sched_yield();
	msleep(50);
	YES(word == ((unsigned int)gettid() | FUTEX_WAITERS));
	NUM(state);
	RES(futex(&word, FUTEX_UNLOCK_PI, 0, NULL));
	pthread_join(t, &ret);
	NUM((long)ret);
	NUM(state);
	HEX(word);
	RES(futex(&word, FUTEX_UNLOCK_PI, 0, NULL));
	word = 1 << 22;
	RES(futex(&word, FUTEX_LOCK_PI, 0, NULL));
	word = 0;
	RES(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL));
	pid_t me = gettid();
	YES(word == (unsigned int)me);
	IN_CHILD("another process, absolute timeout",
	         unsigned int *shared =
	             mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	         *shared = (unsigned int)me; clock_gettime(CLOCK_REALTIME, &ts);
	         RES(futex(shared, FUTEX_LOCK_PI, 0, &ts)));
	RES(futex((char *)&word + 2, FUTEX_LOCK_PI, 0, NULL));
	RES(futex(bad_ptr(), FUTEX_LOCK_PI, 0, NULL));
	RES(futex(bad_ptr(), FUTEX_UNLOCK_PI, 0, NULL));
	return 0;
}
