/*
 * A wake-up that goes to somebody else: threads of one process sleep, by the stub's own futex call,
 * on the word on which the sentry's workers sleep, so that of the wake-ups by which other
 * processes' stubs ask for a worker these get most. The others may be late, but they are answered.
 */
#include "stub_call.h"
#include <limits.h>

enum { THIEVES = 64, CALLS = 100, PATIENCE_MS = 60000 };

static _Atomic unsigned *done;

static void *steal(void *arg)
{
	_Atomic uint32_t *bell = &((struct stub_shared *)STUB_SHARED)->doorbell;

	(void)arg;
	for (;;)
		stub_call(SYS_futex, (uint64_t)bell, FUTEX_WAIT, atomic_load(bell), 0, 0, 0);
	return NULL;
}

static void thieves(void *arg)
{
	pthread_t t;

	(void)arg;
	for (unsigned i = 0; i < THIEVES; i++)
		NEED(pthread_create(&t, NULL, steal, NULL) == 0);
	for (;;)
		nap(1000);
}

/* Calls that come from a while of computing, when the workers have gone to sleep. */
static void calls(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < CALLS * rounds(); i++) {
		for (volatile unsigned k = 0; k < 1000000; k++)
			;
		NEED(access("/nowhere", F_OK) < 0);
		++*done;
	}
}

int main(void)
{
	pid_t pid;
	int status;

	if (!stub_is_there())
		return NOTHING_THERE;
	stub_find();
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(done != MAP_FAILED);
	pid = fork();
	NEED(pid >= 0);
	if (pid == 0)
		thieves(NULL);
	nap(100);
	contain(calls, NULL, PATIENCE_MS * rounds());
	kill(pid, SIGKILL);
	NEED(waitpid(pid, &status, 0) == pid);
	printf("%u calls were answered\n", *done);
	NEED(*done == CALLS * rounds());
	well();
	puts("nowhere");
	return 0;
}
