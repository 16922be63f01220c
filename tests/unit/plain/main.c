/*
 * Runs the tests of a sanitizer build: each in a forked child, one after the
 * other. `--filter=PATTERN` takes a shell pattern for suite/name, as
 * criterion's does.
 */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_FAILED  1
#define STATUS_SKIPPED 77
#define TIMEOUT        120

static struct plain_test *tests;
static bool failed; /* in the child: some expectation was not met */

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

/* The child's wait status, after killing it if it takes too long. */
static int child_wait(pid_t pid, double timeout)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct timespec now;
	double end;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = (double)now.tv_sec + timeout;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((double)now.tv_sec > end) {
			fprintf(stderr, "timeout\n");
			kill(pid, SIGKILL);
		}
		nanosleep(&pause, NULL);
	}
	return status;
}

static bool test_passed(const struct plain_test *t, int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == t->options.signal;
	if (t->options.signal)
		return false;
	return WEXITSTATUS(status) == t->options.exit_code || WEXITSTATUS(status) == STATUS_SKIPPED;
}

static bool test_run(const struct plain_test *t)
{
	const struct plain_options *suite = suite_options(t);
	double timeout = t->options.timeout ?: suite->timeout ?: TIMEOUT;
	pid_t pid;
	int status;

	if (t->options.disabled || suite->disabled)
		return true;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child_run(t, suite);
	status = child_wait(pid, timeout);
	if (test_passed(t, status))
		return true;
	fprintf(stderr, "FAILED %s/%s (wait status 0x%x)\n", t->suite, t->name, status);
	return false;
}

int main(int argc, char **argv)
{
	const char *filter = "*";
	unsigned run = 0, bad = 0;
	char name[256];

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--filter=", 9) == 0)
			filter = argv[i] + 9;
	for (const struct plain_test *t = tests; t; t = t->next) {
		if (!t->fn)
			continue;
		snprintf(name, sizeof(name), "%s/%s", t->suite, t->name);
		if (fnmatch(filter, name, 0) != 0)
			continue;
		run++;
		bad += !test_run(t);
	}
	printf("%u passed, %u failed\n", run - bad, bad);
	return bad != 0;
}
