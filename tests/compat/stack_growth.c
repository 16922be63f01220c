/*
 * The main stack grows down to RLIMIT_STACK and is [stack] in maps; thread stacks have guards;
 * MAP_GROWSDOWN. mmap(2).
 */
#include "compat.h"
#include <pthread.h>

__attribute__((noinline)) static int dive(int kib)
{
	volatile char frame[1024];

	frame[0] = (char)kib;
	frame[1023] = 1;
	return kib > 1 ? dive(kib - 1) + frame[1023] : frame[1023];
}

static void *thread(void *arg)
{
	return (void *)(long)dive((int)(long)arg);
}

static long stack_kib(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long a, b;
	char line[512];
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &a, &b) == 2)
			kib = (long)(b - a) / 1024;
	if (f)
		fclose(f);
	return kib;
}

int main(int argc, char **argv)
{
	struct rlimit rl;
	pthread_attr_t at;
	pthread_t t;
	void *ret;
	long before = stack_kib();

	if (argc > 1) {
		NUM(dive(atoi(argv[1])));
		return 3;
	}
	YES(before > 0 && before < 4096);
	NUM(dive(5000));
	YES(stack_kib() >= 5000);
	getrlimit(RLIMIT_STACK, &rl);
	rl.rlim_cur = 1 << 20;
	IN_CHILD("within 1 MiB", setrlimit(RLIMIT_STACK, &rl);
	         execl("/proc/self/exe", "x", "700", NULL));
	IN_CHILD("beyond 1 MiB", setrlimit(RLIMIT_STACK, &rl);
	         execl("/proc/self/exe", "x", "1400", NULL));
	rl.rlim_cur = 16 << 20;
	if (rl.rlim_max >= rl.rlim_cur)
		IN_CHILD("within 16 MiB", setrlimit(RLIMIT_STACK, &rl);
		         execl("/proc/self/exe", "x", "13000", NULL));
	pthread_attr_init(&at);
	pthread_attr_setstacksize(&at, 1 << 20);
	pthread_create(&t, &at, thread, (void *)700L);
	pthread_join(t, &ret);
	NUM((long)ret);
	IN_CHILD("thread hits its guard", pthread_create(&t, &at, thread, (void *)2000L);
	         pthread_join(t, NULL));

	/* MAP_GROWSDOWN grows when the page below is touched. */
	char *m = mmap(NULL, 2 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(m, 2 << 20);
	char *g = MAP(mmap(m + (1 << 20), 4096, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	g[0] = 1;
	IN_CHILD("grows down", volatile char *v = g; v[-1] = 2; printf("%d %d\n", v[-1], v[0]));
	return 0;
}
