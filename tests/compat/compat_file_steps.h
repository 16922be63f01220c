/*
 * Steps that change what an open file says of itself, each taken by a program itself, by another
 * thread of it, and by another process; and all three ask before and after.
 */
#ifndef COMPAT_FILE_STEPS_H
#define COMPAT_FILE_STEPS_H

#include <pthread.h>
#include <semaphore.h>

/* What a native run shows is to be seen here, too; QUIET where file systems differ. */
enum { QUIET = 1, OWN = 2 /* of the process's own descriptors: not by another process */ };

struct step {
	const char *name;
	long (*fn)(void);
	int how;
};
#define STEP(f, how) ((struct step){#f, step_##f, how})

static const struct step *steps;
static unsigned step_count;

static const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};

enum { LEARN = -1, CHECK = -2, END = -3 };

struct helper {
	const char *name;
	sem_t asked, done;
	int what;
	long result;
	char said[500];
};

COMPAT_INLINE void *helper_loop(void *arg)
{
	struct helper *h = arg;

	for (;;) {
		sem_wait(&h->asked);
		if (h->what == LEARN)
			learn();
		else if (h->what == CHECK)
			check(h->said);
		else if (h->what == END)
			return NULL;
		else
			h->result = steps[h->what].fn() < 0 ? -errno : 0;
		sem_post(&h->done);
	}
}

COMPAT_INLINE void let(struct helper *h, int what)
{
	h->what = what;
	sem_post(&h->asked);
	if (what != END)
		sem_wait(&h->done);
}

static struct helper *helpers; /* a thread, and a process that has our files by other descriptors */
#define HELPERS 2

COMPAT_INLINE void take_step(unsigned k, int by)
{
	struct stat before[2], after[2];
	char bad[500];
	long r;

	/* All is to be learnt anew, flags included, and a read is to change something. */
	futimens(FILE_FD, long_ago);
	learn();
	for (int i = 0; i < HELPERS; i++)
		let(&helpers[i], LEARN);
	for (int i = 0; i < 2; i++)
		raw_fstat(FILE_FD + i, &before[i]);
	/* So that times differ. */
	usleep(12000);
	if (by < 0) {
		r = steps[k].fn() < 0 ? -errno : 0;
	} else {
		let(&helpers[by], (int)k);
		r = helpers[by].result;
	}
	check(bad);
	for (int i = 0; i < 2; i++)
		raw_fstat(FILE_FD + i, &after[i]);
	printf("%s by %s:", steps[k].name, by < 0 ? "itself" : helpers[by].name);
	if (!(steps[k].how & QUIET))
		printf(" %s%s%s", r ? err_name((int)-r) : "done",
		       memcmp(&before[0], &after[0], sizeof(after[0])) ? ", file" : "",
		       memcmp(&before[1], &after[1], sizeof(after[1])) ? ", dir" : "");
	printf("%s%s\n", bad[0] ? " WRONG" : "", bad);
	for (int i = 0; i < HELPERS; i++) {
		let(&helpers[i], CHECK);
		if (helpers[i].said[0])
			printf("  %s: WRONG%s\n", helpers[i].name, helpers[i].said);
	}
}

COMPAT_INLINE void all_steps(int by)
{
	for (unsigned k = 0; k < step_count; k++)
		if (by != 1 || !(steps[k].how & OWN))
			take_step(k, by);
}

/* Takes the n steps in turn, once for each who may. */
COMPAT_INLINE void take_steps(const struct step *list, unsigned n)
{
	pthread_t thread;
	pid_t pid;

	steps = list;
	step_count = n;
	helpers = mmap(NULL, sizeof(*helpers) * HELPERS, PROT_READ | PROT_WRITE,
	               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < HELPERS; i++) {
		sem_init(&helpers[i].asked, 1, 0);
		sem_init(&helpers[i].done, 1, 0);
	}
	helpers[0].name = "a thread";
	helpers[1].name = "a process";
	learn();
	pid = fork();
	if (pid == 0) {
		helper_loop(&helpers[1]);
		_exit(0);
	}
	pthread_create(&thread, NULL, helper_loop, &helpers[0]);
	for (int by = -1; by < HELPERS; by++)
		all_steps(by);
	for (int i = 0; i < HELPERS; i++)
		let(&helpers[i], END);
	pthread_join(thread, NULL);
	waitpid(pid, NULL, 0);
	munmap(helpers, sizeof(*helpers) * HELPERS);
}

#endif
