/*
 * Runs the tests of a sanitizer build: each in a forked child, as many at a time
 * as there are CPUs. `--filter=PATTERN` takes a shell pattern for suite/name.
 * Both are criterion's ways, too.
 */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_FAILED  1
#define STATUS_SKIPPED 77
#define TIMEOUT        120
#define JOBS_MAX       64

/* A test that runs. */
struct job {
	const struct plain_test *test; /* NULL: a free place */
	pid_t pid;
	double end; /* on the monotonic clock */
};

static struct plain_test *tests;
static bool failed; /* in the child: some expectation was not met */

static struct job job[JOBS_MAX];
static unsigned running, run, bad;

void plain_register(struct plain_test *t)
{
	t->next = tests;
	tests = t;
}

void plain_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "\n%s:%d: not so: %s\n", file, line, what);
	failed = true;
}

void plain_failed_now(const char *file, int line, const char *what)
{
	plain_failed(file, line, what);
	_exit(STATUS_FAILED);
}

void plain_skip(void)
{
	_exit(STATUS_SKIPPED);
}

static const struct plain_options *suite_options(const struct plain_test *t)
{
	static const struct plain_options none;

	for (const struct plain_test *s = tests; s; s = s->next)
		if (!s->fn && strcmp(s->suite, t->suite) == 0)
			return &s->options;
	return &none;
}

/* The suite's fixtures go around the test's own. */
static void child_run(const struct plain_test *t, const struct plain_options *suite)
{
	if (suite->init)
		suite->init();
	if (t->options.init)
		t->options.init();
	t->fn();
	if (t->options.fini)
		t->options.fini();
	if (suite->fini)
		suite->fini();
	/* By exit, so that the sanitizers' last checks are made. */
	exit(failed ? STATUS_FAILED : 0);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool test_passed(const struct plain_test *t, int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == t->options.signal;
	if (t->options.signal)
		return false;
	return WEXITSTATUS(status) == t->options.exit_code || WEXITSTATUS(status) == STATUS_SKIPPED;
}

static void job_start(struct job *j, const struct plain_test *t, const struct plain_options *suite)
{
	fflush(NULL);
	j->pid = fork();
	if (j->pid == 0)
		child_run(t, suite);
	if (j->pid < 0) {
		perror("fork");
		exit(STATUS_FAILED);
	}
	j->test = t;
	j->end = now() + (t->options.timeout ?: suite->timeout ?: TIMEOUT);
	running++;
	run++;
}

/* Frees its place if the test has ended; kills it if it takes too long. */
static void job_look(struct job *j)
{
	const struct plain_test *t = j->test;
	int status;

	if (waitpid(j->pid, &status, WNOHANG) == 0) {
		if (now() > j->end) {
			fprintf(stderr, "timeout of %s/%s\n", t->suite, t->name);
			kill(j->pid, SIGKILL);
		}
		return;
	}
	if (!test_passed(t, status)) {
		fprintf(stderr, "FAILED %s/%s (wait status 0x%x)\n", t->suite, t->name, status);
		bad++;
	}
	j->test = NULL;
	running--;
}

/* Returns when no more than so many tests run. */
static void jobs_await(unsigned most)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	while (running > most) {
		nanosleep(&pause, NULL);
		for (struct job *j = job; j < job + JOBS_MAX; j++)
			if (j->test)
				job_look(j);
	}
}

static void test_run(const struct plain_test *t, unsigned jobs)
{
	const struct plain_options *suite = suite_options(t);
	struct job *j = job;

	if (t->options.disabled || suite->disabled)
		return;
	jobs_await(jobs - 1);
	while (j->test)
		j++;
	job_start(j, t, suite);
}

static unsigned cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) > JOBS_MAX)
		return JOBS_MAX;
	return (unsigned)CPU_COUNT(&set);
}

int main(int argc, char **argv)
{
	unsigned jobs = cpu_count();
	const char *filter = "*";
	char name[256];

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--filter=", 9) == 0)
			filter = argv[i] + 9;
	for (const struct plain_test *t = tests; t; t = t->next) {
		snprintf(name, sizeof(name), "%s/%s", t->suite, t->name ?: "");
		if (t->fn && fnmatch(filter, name, 0) == 0)
			test_run(t, jobs);
	}
	jobs_await(0);
	printf("%u passed, %u failed\n", run - bad, bad);
	return bad != 0;
}
