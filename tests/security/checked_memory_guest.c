/*
 * A guest that owns its stub, and makes the stub's own calls to change its memory and to multiply.
 * With
 * --mm=checked ("checked") each of them is refused, however often and whenever it is tried, and
 * what the sentry tells a thread to do cannot be made into something else on the way; without
 * ("plain") they succeed, so that one sees what the option is for.
 */
#include "stub_call.h"
#include <pthread.h>

#define PAGE 4096UL
#define RW   (PROT_READ | PROT_WRITE)

static bool checked;
static char *victim;

static void *pages(unsigned n)
{
	char *p = mmap(NULL, n * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	memset(p, 0x5a, n * PAGE);
	return p;
}

static void expect(const char *what, long got, long plain)
{
	errno = 0;
	if (got != (checked ? -EPERM : plain))
		fail("%s: %ld", what, got);
}

static void change_memory(void)
{
	char *p = pages(8), *hole = pages(1);
	uint64_t at = (uint64_t)p;

	NEED(munmap(hole, PAGE) == 0);
	expect("mmap",
	       stub_call(SYS_mmap, (uint64_t)hole, PAGE, RW,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
	       (long)hole);
	expect("mmap of code",
	       stub_call(SYS_mmap, at, PAGE, RW | PROT_EXEC,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
	       (long)at);
	expect("mprotect", stub_call(SYS_mprotect, at + PAGE, PAGE, PROT_READ | PROT_EXEC, 0, 0, 0),
	       0);
	expect("mremap",
	       stub_call(SYS_mremap, at + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
	                 at + 3 * PAGE, 0),
	       (long)(at + 3 * PAGE));
	expect("madvise", stub_call(SYS_madvise, at + 4 * PAGE, PAGE, MADV_DONTNEED, 0, 0, 0), 0);
	/* As a forked child does with its contexts, but elsewhere. */
	expect("madvise of a birth",
	       stub_call(SYS_madvise, at + 6 * PAGE, PAGE, MADV_DONTFORK, 0, 0, 0), 0);
	expect("munmap", stub_call(SYS_munmap, at + 5 * PAGE, PAGE, 0, 0, 0, 0), 0);
	if (!checked)
		return;
	for (unsigned i = 0; i < 8 * PAGE; i++)
		if (p[i] != 0x5a)
			fail("memory changed at page %u", (unsigned)(i / PAGE));
	/* Over the stub itself, and over all there is. */
	expect("mmap over the stub",
	       stub_call(SYS_mmap, STUB_TEXT, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
	                 0),
	       0);
	expect("munmap of everything", stub_call(SYS_munmap, 0, GUEST_MAX, 0, 0, 0, 0), 0);
	expect("a file over the contexts",
	       stub_call(SYS_mmap, STUB_CONTEXTS, STUB_CONTEXTS_SIZE, RW, MAP_SHARED | MAP_FIXED,
	                 STUB_PLACED_FDS, 0),
	       0);
	expect("fork", stub_call(SYS_clone, STUB_FORK_FLAGS, 0, 0, 0, 0, 0), 0);
	expect("thread", stub_call(SYS_clone, STUB_THREAD_FLAGS, at + PAGE, 0, at, 0, 0), 0);
}

/* What the sentry has allowed once is not allowed again. */
static void repeat(void)
{
	for (unsigned i = 0; i < 200; i++) {
		char *p = pages(1);
		uint64_t at = (uint64_t)p;

		expect("the mmap again",
		       stub_call(SYS_mmap, at, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		                 -1, 0),
		       (long)at);
		NEED(!checked || *p == 0x5a);
		NEED(mprotect(p, PAGE, PROT_READ) == 0);
		expect("mprotect back", stub_call(SYS_mprotect, at, PAGE, RW, 0, 0, 0), 0);
		NEED(munmap(p, PAGE) == 0);
	}
}

static _Atomic bool over;

/* Makes of every order that is on its way to another thread one against the victim. */
static void *forge(void *arg)
{
	while (!over)
		for (unsigned k = 0; k < 4; k++) {
			struct stub_op *op = context(k)->reply.op;

			op[0].addr = (uint64_t)victim;
			op[0].prot = PROT_NONE;
			op[0].placed = STUB_SOCKET_FD;
		}
	return arg;
}

/* By a call, which fails where the victim is not to be read any more, instead of by a fault. */
static void see_victim(void)
{
	static char seen[PAGE];
	int p[2];

	NEED(pipe(p) == 0);
	NEED(write(p[1], victim, PAGE) == PAGE);
	NEED(read(p[0], seen, PAGE) == PAGE);
	for (unsigned i = 0; i < PAGE; i++)
		NEED(seen[i] == 0x5a);
	close(p[0]);
	close(p[1]);
}

static void forged_orders(void *arg)
{
	unsigned refused = 0;
	pthread_t thread;

	(void)arg;
	victim = pages(1);
	NEED(pthread_create(&thread, NULL, forge, NULL) == 0);
	for (unsigned i = 0; i < 2000 * rounds(); i++) {
		char *p = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		/* Which of them are forged on the way is chance. */
		if (p == MAP_FAILED || mprotect(p, PAGE, PROT_READ) || munmap(p, PAGE))
			refused++;
	}
	over = true;
	NEED(pthread_join(thread, NULL) == 0);
	see_victim();
	printf("%u orders were forged in vain\n", refused);
}

int main(int argc, char **argv)
{
	checked = argc > 1 && !strcmp(argv[1], "checked");
	stub_find();
	change_memory();
	repeat();
	if (checked) {
		/* It may forge itself to death; the victim is looked at if not. */
		unsigned seen = 0, tries = 0;

		for (; tries < 10 && !seen; tries++) {
			int status = contain_well(forged_orders, NULL, 30000);

			seen += WIFEXITED(status) && WEXITSTATUS(status) == 0;
		}
		printf("the victim was seen after %u attempts\n", tries);
		NEED(seen);
	}
	well();
	puts("nowhere");
	return 0;
}
