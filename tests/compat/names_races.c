/*
 * Names that come and go all the time, and another thread, or process, that asks about them: what
 * has been changed before it asks is seen, however short a way the platform has found to answer.
 */
#include "compat.h"
#include "compat_names.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define ROUNDS 1500

struct race {
	_Atomic int turn; /* 2k + 1: the name is there, or not, look; 2k + 2: seen */
	sem_t changed, seen;
	_Atomic int wrong;
};

static void *watches(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		bool there = i % 2 == 0;

		for (int n = 0; n < 100 && atomic_load(&r->turn) != 2 * i + 1; n++)
			ask(2, at("f"));
		sem_wait(&r->changed);
		if ((ask(2, at("f")) == 0) != there || (ask(0, at("f")) == 0) != there ||
		    (ask(8, at("f")) == -1 && errno == EINVAL) != there)
			atomic_fetch_add(&r->wrong, 1);
		atomic_store(&r->turn, 2 * i + 2);
		sem_post(&r->seen);
	}
	return NULL;
}

static void come_and_go(struct race *r)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 2 == 0 ? make("f") : unlink(at("f")))
			die("f");
		atomic_store(&r->turn, 2 * i + 1);
		sem_post(&r->changed);
		sem_wait(&r->seen);
	}
	NUM(r->wrong);
	r->turn = r->wrong = 0;
}

static void races(void)
{
	struct race *r =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t th;

	sem_init(&r->changed, 1, 0);
	sem_init(&r->seen, 1, 0);
	pthread_create(&th, NULL, watches, r);
	come_and_go(r);
	pthread_join(th, NULL);
	if (fork_child() == 0) {
		watches(r);
		_exit(0);
	}
	come_and_go(r);
	wait(NULL);
	munmap(r, 4096);
}

int main(void)
{
	in_folders(races);
	return 0;
}
