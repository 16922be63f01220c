/*
 * Host threads that never come back to the sentry: asleep in the stub's own
 * futex call, in a wait for a reply that is overwritten, in a copy that they were asked for.
 * SIGKILL must end their process all the same, exit_group and execve too, and what the sentry holds
 * for them must not hold up others.
 */
#include "stub_call.h"
#include <pthread.h>

static void sleep_in_stub(void)
{
	static int word;

	for (;;)
		stub_call(SYS_futex, (uint64_t)&word, FUTEX_WAIT, 0, 0, 0, 0);
}

static _Atomic bool asleep_soon;

static void *sleeper(void *arg)
{
	asleep_soon = true;
	sleep_in_stub();
	return arg;
}

static void asleep(void *arg)
{
	(void)arg;
	sleep_in_stub();
}

/* Another thread is asleep so; this one ends the process, or its image. */
static void other_asleep(void *how)
{
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, sleeper, NULL) == 0);
	/* Before that it can be told to end, like any other. */
	while (!asleep_soon)
		nap(10);
	nap(100);
	if (!strcmp(how, "exit"))
		_exit(0);
	if (!strcmp(how, "exec"))
		execl("/proc/self/exe", "stuck_threads", "well", NULL);
	if (!strcmp(how, "signal"))
		raise(SIGTERM);
	pause();
}

/* Hides every reply from the thread that waits for it. */
static void *hide_replies(void *k)
{
	struct stub_context *ctx = context((unsigned)(uintptr_t)k);

	for (;;)
		if (atomic_load(&ctx->state) == STUB_REPLY)
			atomic_store(&ctx->state, STUB_REQUEST | STUB_SLEEPS);
	return NULL;
}

/* The calls of this thread are answered, but it does not hear of it. */
static void replies_hidden(void *call)
{
	pthread_t thread;
	char buf[8192];
	int fd = open("/tmp/shared", O_RDWR | O_CREAT, 0666);

	NEED(pthread_create(&thread, NULL, hide_replies, NULL) == 0);
	memset(buf, 'x', sizeof(buf));
	for (;;) {
		switch (*(char *)call) {
		case 'w': /* in pieces, so that the sentry asks for some */
			for (unsigned i = 1; i < sizeof(buf); i *= 2)
				pwrite(fd, buf, i, 0);
			break;
		case 'm':
			munmap(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0), 8192);
			break;
		case 'f':
			if (fork() == 0)
				_exit(0);
			waitpid(-1, NULL, WNOHANG);
			break;
		case 's':
			signal(SIGUSR1, SIG_IGN);
			raise(SIGUSR1);
			break;
		}
	}
}

/* What the others share with it goes on. */
static void shared_is_free(void)
{
	char c = 'y', path[64];
	int fd = open("/tmp/shared", O_RDWR | O_CREAT, 0666);

	NEED(fd >= 0 && pwrite(fd, &c, 1, 0) == 1 && ftruncate(fd, 0) == 0);
	close(fd);
	/* Whoever is still there can be looked at. */
	for (int pid = 1; pid < 30; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/maps", pid);
		fd = open(path, O_RDONLY);
		while (fd >= 0 && read(fd, path, sizeof(path)) > 0)
			;
		close(fd);
	}
}

struct attempt {
	void (*attack)(void *arg);
	const char *arg;
	int expect; /* wait status; -1: it is killed by the parent */
};

/* In a process of its own, as each takes the sentry some seconds to see through. */
static void attempt(const struct attempt *a)
{
	int status = contain_well(a->attack, (void *)a->arg, a->expect < 0 ? 200 : 30000);

	if (a->expect >= 0 ? status != a->expect : !WIFSIGNALED(status))
		fail("'%s' ended with %x", a->arg, (unsigned)status);
	printf("'%s' ended\n", a->arg);
	_exit(0);
}

int main(int argc, char **argv)
{
	/* An execve that another thread does not let happen ends in a kill. */
	static const struct attempt attempts[] = {
	    {asleep, "asleep", -1},          {other_asleep, "exit", 0},
	    {other_asleep, "exec", SIGKILL}, {other_asleep, "signal", SIGTERM},
	    {replies_hidden, "w", -1},       {replies_hidden, "m", -1},
	    {replies_hidden, "f", -1},       {replies_hidden, "s", -1}};
	int status;

	(void)argv;
	if (argc > 1) {
		well();
		return 9;
	}
	if (!stub_is_there())
		return NOTHING_THERE;
	stub_find();
	for (unsigned r = 0; r < rounds(); r++) {
		for (size_t i = 0; i < COUNT(attempts); i++)
			if (fork() == 0)
				attempt(&attempts[i]);
		for (size_t i = 0; i < COUNT(attempts); i++)
			NEED(wait(&status) > 0 && status == 0);
		shared_is_free();
		well();
	}
	puts("nowhere");
	return 0;
}
