/*
 * pthread_cancel in blocking calls, cleanup handlers, disabled cancelling; thread-specific keys and
 * their destructors; thread names, attributes and stacks.
 */
#include "compat.h"
#include <pthread.h>

static int cleaned, destroyed, p[2];
static _Atomic bool ready, cancelled; /* how far the thread is; pthread_cancel has returned */
static pthread_key_t key;
static __thread int tls_var = 3;
static __thread char tls_big[10000];

static void cleanup(void *arg)
{
	cleaned += (int)(long)arg;
}

static void destructor(void *v)
{
	destroyed += (int)(long)v;
}

static void *reader(void *arg)
{
	char c;

	(void)arg;
	pthread_cleanup_push(cleanup, (void *)1);
	pthread_setspecific(key, (void *)10);
	ready = true;
	if (read(p[0], &c, 1) < 0)
		return (void *)1;
	pthread_cleanup_pop(0);
	return NULL;
}

static void *sleeper(void *arg)
{
	int old;

	(void)arg;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	ready = true;
	while (!cancelled)
		msleep(5);
	cleaned += 100;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
	pthread_testcancel();
	return (void *)2;
}

static void *spinner(void *arg)
{
	int old;

	(void)arg;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	ready = true;
	for (;;)
		;
	return NULL;
}

static void *names(void *arg)
{
	char name[16], path[64];
	pthread_attr_t a;
	size_t size;
	void *stack;

	(void)arg;
	tls_var += 4;
	tls_big[9999] = 1;
	ERR(pthread_setname_np(pthread_self(), "my-thread"));
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", gettid());
	STR(get_file(path));
	prctl(PR_GET_NAME, name);
	STR(name);
	ERR(pthread_setname_np(pthread_self(), "this name is too long"));
	pthread_getattr_np(pthread_self(), &a);
	pthread_attr_getstack(&a, &stack, &size);
	YES((char *)&a > (char *)stack && (char *)&a < (char *)stack + size);
	NUM(size);
	return (void *)(long)tls_var;
}

/* When the thread has got to where it is to be cancelled, however slow the machine. */
static void cancel(pthread_t t)
{
	while (!ready)
		msleep(1);
	msleep(5);
	ERR(pthread_cancel(t));
	cancelled = true;
}

int main(void)
{
	pthread_t t;
	pthread_attr_t a;
	void *ret;

	pthread_key_create(&key, destructor);
	RES(pipe(p));
	pthread_create(&t, NULL, reader, NULL);
	cancel(t);
	ERR(pthread_join(t, &ret));
	ready = cancelled = false;
	YES(ret == PTHREAD_CANCELED);
	printf("cleaned %d destroyed %d\n", cleaned, destroyed);
	pthread_create(&t, NULL, sleeper, NULL);
	cancel(t);
	ERR(pthread_join(t, &ret));
	ready = cancelled = false;
	YES(ret == PTHREAD_CANCELED);
	NUM(cleaned);
	pthread_create(&t, NULL, spinner, NULL);
	cancel(t);
	ERR(pthread_join(t, &ret));
	ready = cancelled = false;
	YES(ret == PTHREAD_CANCELED);
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 256 * 1024);
	pthread_create(&t, &a, names, NULL);
	ERR(pthread_join(t, &ret));
	NUM((long)ret);
	NUM(tls_var);
	NUM(tls_big[9999]);
	ERR(pthread_join(pthread_self(), NULL));
	ERR(pthread_setname_np(pthread_self(), "main-renamed"));
	STR(get_file("/proc/self/comm"));
	ERR(pthread_kill(pthread_self(), 0));
	ERR(pthread_kill(pthread_self(), 999));
	return 0;
}
