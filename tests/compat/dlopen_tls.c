/*
 * dlopen of a library at run time, its constructors and thread-local storage in old and new
 * threads, dl_iterate_phdr, large malloc and free patterns through brk and mmap. dlopen(3),
 * malloc(3).
 */
#include "compat.h"
#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>

static int objects;

static int count(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info, (void)size, (void)data;
	objects++;
	return 0;
}

static void *alloc(void *arg)
{
	unsigned int seed = (unsigned int)(long)arg;
	char *p[200] = {NULL};
	long bad = 0;

	for (int i = 0; i < 4000; i++) {
		unsigned int k = (unsigned int)rand_r(&seed) % 200;
		size_t n = (size_t)(rand_r(&seed) % 5000 + 1);

		if (i % 500 == 0)
			n = 1 << 20;
		if (p[k]) {
			bad += p[k][0] != (char)k;
			free(p[k]);
		}
		p[k] = malloc(n);
		memset(p[k], (int)k, n);
	}
	for (int k = 0; k < 200; k++)
		free(p[k]);
	return (void *)bad;
}

int main(void)
{
	double (*cosine)(double);
	pthread_t t[4];
	void *h, *ret;
	int before;

	dl_iterate_phdr(count, NULL);
	YES(objects >= 3);
	before = objects;
	h = dlopen("libresolv.so.2", RTLD_NOW);
	YES(h != NULL);
	objects = 0;
	dl_iterate_phdr(count, NULL);
	NUM(objects - before);
	YES(h && dlsym(h, "__dn_expand") != NULL);
	YES(h && dlsym(h, "no_such_symbol") == NULL);
	h = dlopen("libm.so.6", RTLD_LAZY);
	*(void **)&cosine = h ? dlsym(h, "cos") : NULL;
	printf("%.6f\n", cosine ? cosine(1.0) : 0);
	YES(dlopen("./no-such-library.so", RTLD_NOW) == NULL);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, alloc, (void *)(i + 1));
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		NUM((long)ret);
	}
	RES(malloc_trim(0) >= 0);
	char *big = malloc(100 << 20);
	big[0] = 1;
	big[(100 << 20) - 1] = 2;
	big = realloc(big, 200 << 20);
	NUM(big[0] + big[(100 << 20) - 1]);
	free(big);
	return 0;
}
