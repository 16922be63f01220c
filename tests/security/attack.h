/*
 * What all guest programs here share. An attack does its worst in children,
 * by contain(), so that the parent can say whether the rest of the sandbox is
 * well: whatever one process does to itself, no other may notice.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ATTACK   static inline __attribute__((unused))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

__attribute__((noreturn, format(printf, 1, 2))) ATTACK void fail(const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	fputs("FAILED: ", stdout);
	vprintf(fmt, ap);
	printf(" (%s)\n", strerror(e));
	fflush(stdout);
	_exit(1);
}

#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail("%s:%d: %s", __FILE__, __LINE__, #condition);                         \
	} while (0)

ATTACK unsigned number_from(const char *variable, unsigned otherwise)
{
	const char *s = getenv(variable);

	return s ? (unsigned)strtoul(s, NULL, 0) : otherwise;
}

/* How much of what is repeated. */
ATTACK unsigned rounds(void)
{
	return number_from("ROUNDS", 1);
}

/* xorshift64*; a thread of its own needs a state of its own. */
ATTACK uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state ? *state : 88172645463325252ULL;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 2685821657736338717ULL;
}

ATTACK uint64_t seed(unsigned which)
{
	uint64_t s = number_from("SEED", 1) * 1000003ULL + which;

	next_random(&s);
	return s;
}

/* A number that somebody may have forgotten to check. */
ATTACK uint64_t nasty(uint64_t *state)
{
	static const uint64_t some[] = {0,
	                                1,
	                                2,
	                                6,
	                                7,
	                                8,
	                                9,
	                                0x7f,
	                                0xff,
	                                0xffff,
	                                0x10000,
	                                0x10001,
	                                0x7fffffff,
	                                0x80000000,
	                                0xffffffff,
	                                0xfffff000,
	                                0x7fffffffffffffff,
	                                0x8000000000000000,
	                                0xfffffffffffff000,
	                                0xffffffffffffffff,
	                                0x7ff000000000,
	                                0x7ff020000000,
	                                0x7fffffffe000,
	                                0xffff800000000000,
	                                0xffffffff81000000};
	uint64_t r = next_random(state);

	switch (r & 3) {
	case 0:
		return next_random(state);
	case 1:
		return some[(r >> 8) % COUNT(some)] + ((r >> 40) % 3) - 1;
	default:
		return some[(r >> 8) % COUNT(some)];
	}
}

ATTACK uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

ATTACK void nap(unsigned ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

/*
 * Runs attack in a child for at most ms, then kills it. The wait status. A child that SIGKILL does
 * not end is a fault of the sandbox, and found by the time limit of the whole test.
 */
ATTACK int contain(void (*attack)(void *arg), void *arg, unsigned ms)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		attack(arg);
		fflush(stdout);
		_exit(0);
	}
	for (uint64_t end = now_ms() + ms; now_ms() < end; nap(1)) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return status;
		if (got < 0)
			fail("waitpid");
	}
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	return status;
}

/* Fails if the attack came to the conclusion that it got somewhere. */
ATTACK int contain_well(void (*attack)(void *arg), void *arg, unsigned ms)
{
	int status = contain(attack, arg, ms);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		_exit(1);
	return status;
}

static void *attack_thread(void *arg)
{
	++*(int *)arg;
	return NULL;
}

/* Is the sandbox of use to others still: processes, threads, files, pipes, memory? */
#include <pthread.h>
ATTACK void well(void)
{
	char name[] = "/tmp/well-XXXXXX", buf[16] = "";
	int p[2], fd, status, counter = 0;
	pthread_t thread;
	pid_t pid;
	void *m;

	NEED(pipe(p) == 0);
	pid = fork();
	NEED(pid >= 0);
	if (pid == 0)
		_exit(write(p[1], "hello", 5) == 5 ? 7 : 8);
	NEED(read(p[0], buf, 5) == 5 && !memcmp(buf, "hello", 5));
	NEED(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	close(p[0]);
	close(p[1]);
	fd = mkstemp(name);
	NEED(fd >= 0 && write(fd, "0123456789", 10) == 10 && pread(fd, buf, 10, 0) == 10 &&
	     !memcmp(buf, "0123456789", 10));
	NEED(unlink(name) == 0 && close(fd) == 0);
	NEED(pthread_create(&thread, NULL, attack_thread, &counter) == 0);
	NEED(pthread_join(thread, NULL) == 0 && counter == 1);
	m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(m != MAP_FAILED);
	memset(m, 1, 1 << 20);
	NEED(munmap(m, 1 << 20) == 0);
}

__attribute__((constructor)) static void attack_begin(void)
{
	struct rlimit no_core = {0, 0};

	setvbuf(stdout, NULL, _IOLBF, 0);
	setrlimit(RLIMIT_CORE, &no_core);
}
