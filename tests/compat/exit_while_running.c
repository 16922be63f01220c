/*
 * exit_group while other threads run, sleep, fault, create threads and fork; exec likewise; nothing
 * survives, no hang.
 */
#include "compat.h"
#include <pthread.h>

static void *spin(void *arg)
{
	(void)arg;
	for (;;)
		;
	return NULL;
}

static void *calls(void *arg)
{
	(void)arg;
	for (;;)
		getppid();
	return NULL;
}

static void *sleepers(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void *mapper(void *arg)
{
	(void)arg;
	for (;;) {
		char *p =
		    mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p != MAP_FAILED) {
			memset(p, 1, 65536);
			munmap(p, 65536);
		}
	}
	return NULL;
}

static void *nop(void *arg)
{
	return arg;
}

static void *creator(void *arg)
{
	pthread_t t;

	for (;;)
		if (pthread_create(&t, NULL, nop, arg) == 0)
			pthread_join(t, NULL);
	return NULL;
}

static void *forker(void *arg)
{
	(void)arg;
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	return NULL;
}

static void start(int mix)
{
	void *(*kinds[])(void *) = {spin, calls, sleepers, mapper, creator, forker};
	pthread_t t;

	for (int i = 0; i < 6; i++)
		if (mix & (1 << i))
			pthread_create(&t, NULL, kinds[i], NULL);
	msleep(15);
}

int main(void)
{
	for (int mix = 1; mix < 64; mix = mix * 2 + (mix & 1)) {
		printf("mix %d\n", mix);
		IN_CHILD("_exit", start(mix); _exit(3));
		IN_CHILD("fatal signal", start(mix); kill(getpid(), SIGTERM); pause());
		IN_CHILD("exec", start(mix); execl("/bin/sh", "sh", "-c", "exit 4", NULL);
		         _exit(9));
		IN_CHILD("crash", start(mix); *(volatile char *)bad_ptr() = 1);
	}
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork_child();

		if (pid == 0) {
			start(63);
			for (;;)
				pause();
		}
		msleep(5 + i);
		kill(pid, SIGKILL);
		reap("killed from outside", pid);
	}
	return 0;
}
