/*
 * futex(2): WAIT and WAKE, EAGAIN, timeouts relative and absolute, BITSET, REQUEUE, CMP_REQUEUE,
 * WAKE_OP, errors.
 */
#include "compat.h"
#include <linux/futex.h>
#include <pthread.h>

static unsigned int word, word2;
static int woken, started;

static long futex(void *addr, int op, unsigned int val, void *ts, void *addr2, unsigned int val3)
{
	return syscall(SYS_futex, addr, op, val, ts, addr2, val3);
}

static void *waiter(void *arg)
{
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	while (futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, (unsigned int)(uintptr_t)arg) < 0 &&
	       errno == EINTR)
		;
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start(pthread_t *t, int n, unsigned int bits)
{
	started = 0;
	woken = 0;
	for (int i = 0; i < n; i++)
		pthread_create(&t[i], NULL, waiter, (void *)(uintptr_t)(bits ? bits : 1u << i));
	while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < n)
		sched_yield();
	msleep(100);
}

int main(void)
{
	struct timespec ts = {0, 20000000}, bad = {0, 1000000000}, abs;
	pthread_t t[4];
	long t0;

	word = 1;
	RES(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0));
	t0 = now_ms();
	RES(futex(&word, FUTEX_WAIT, 1, &ts, NULL, 0));
	YES(now_ms() - t0 >= 19);
	RES(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, &ts, NULL, 0));
	RES(futex(&word, FUTEX_WAIT, 1, &bad, NULL, 0));
	RES(futex(&word, FUTEX_WAIT, 1, bad_ptr(), NULL, 0));
	RES(futex(bad_ptr(), FUTEX_WAIT, 1, NULL, NULL, 0));
	RES(futex((char *)&word + 1, FUTEX_WAIT, 1, NULL, NULL, 0));
	RES(futex((char *)&word + 1, FUTEX_WAKE, 1, NULL, NULL, 0));
	RES(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	RES(futex(&word, 99, 0, NULL, NULL, 0));
	RES(futex(&word, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0));
	RES(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
	clock_gettime(CLOCK_MONOTONIC, &abs);
	RES(futex(&word, FUTEX_WAIT_BITSET, 1, &abs, NULL, ~0u));
	clock_gettime(CLOCK_REALTIME, &abs);
	RES(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &abs, NULL, ~0u));

	word = 0;
	start(t, 4, ~0u);
	RES(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	RES(futex(&word, FUTEX_WAKE, 100, NULL, NULL, 0));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	NUM(woken);

	start(t, 4, 0);
	RES(futex(&word, FUTEX_WAKE_BITSET, 100, NULL, NULL, 0x2));
	pthread_join(t[1], NULL);
	NUM(woken);
	RES(futex(&word, FUTEX_WAKE_BITSET, 100, NULL, NULL, 0x5));
	RES(futex(&word, FUTEX_WAKE_BITSET, 100, NULL, NULL, 0xf));
	for (int i = 0; i < 4; i++)
		if (i != 1)
			pthread_join(t[i], NULL);

	start(t, 4, ~0u);
	RES(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)2, &word2, 7)); /* value differs */
	RES(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)2, &word2, 0)); /* wake 1, move 2 */
	RES(futex(&word2, FUTEX_WAKE, 100, NULL, NULL, 0));
	RES(futex(&word, FUTEX_WAKE, 100, NULL, NULL, 0));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);

	start(t, 2, ~0u);
	word2 = 5;
	/* word2 += 3; wake word; the old value 5 is > 4, so wake word2 as well */
	RES(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &word2,
	          FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 4)));
	NUM(word2);
	RES(futex(&word, FUTEX_WAKE_OP, 0, (void *)10, &word,
	          FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0)));
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	RES(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, bad_ptr(),
	          FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 4)));
	return 0;
}
