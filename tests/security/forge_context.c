/*
 * Lies to the sentry, in the memory that a stub shares with it: garbage while calls are under way,
 * every word of a request in turn with the values that somebody may have forgotten to check,
 * requests that no stub has made, answers to verbs that are not true, state words flipped, wake-ups
 * for nothing, forks answered with somebody else's process. Whoever lies may fail in any way; no
 * other process may notice.
 */
#include "stub_call.h"
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char buffer[1 << 16], *far_buffer;
static int scratch_fd;

static void handle(int sig)
{
	(void)sig;
}

/* Calls of every shape: with segments both ways, host operations, files to map, signal frames,
 * threads, forks. */
static void one_call(unsigned which)
{
	struct iovec iov[2] = {{buffer, 4096}, {far_buffer, 9000}};
	struct timespec soon = {0, 1000};
	struct stat st;
	void *m;
	pid_t pid;

	switch (which % 16) {
	case 0:
		pwrite(scratch_fd, buffer, 3000, 0);
		break;
	case 1:
		pread(scratch_fd, buffer, 5000, 0);
		break;
	case 2:
		pwritev(scratch_fd, iov, 2, 0);
		break;
	case 3:
		preadv(scratch_fd, iov, 2, 0);
		break;
	case 4:
		stat("/tmp/a/name/that/is/not/there", &st);
		break;
	case 5:
		m = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, scratch_fd, 0);
		if (m != MAP_FAILED)
			munmap(m, 16384);
		break;
	case 6:
		m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (m != MAP_FAILED && mprotect(m, 4096, PROT_NONE) == 0)
			munmap(m, 1 << 20);
		break;
	case 7:
		raise(SIGUSR1);
		break;
	case 8:
		syscall(SYS_futex, buffer, FUTEX_WAIT, buffer[0], &soon, NULL, 0);
		break;
	case 9:
		if ((pid = fork()) == 0)
			_exit(3);
		waitpid(pid, NULL, WNOHANG);
		break;
	case 10:
		syscall(SYS_getrusage, RUSAGE_THREAD, buffer);
		break;
	case 11:
		syscall(SYS_set_robust_list, buffer, 24);
		break;
	case 12:
		lseek(scratch_fd, 0, SEEK_SET);
		read(scratch_fd, far_buffer, 60000);
		break;
	case 13:
		write(scratch_fd, far_buffer, 60000);
		ftruncate(scratch_fd, 0);
		break;
	case 14:
		close(open("/proc/self/status", O_RDONLY));
		break;
	case 15:
		nanosleep(&soon, NULL);
		break;
	}
}

static void calls_for(unsigned ms, unsigned only)
{
	for (uint64_t end = now_ms() + ms, n = 0; now_ms() < end; n++)
		one_call(only < 16 ? only : (unsigned)n);
}

static void begin(void)
{
	far_buffer = malloc(1 << 17);
	scratch_fd = open("/tmp/scratch", O_RDWR | O_CREAT, 0666);
	signal(SIGUSR1, handle);
}

/* A thread that lies at once, so that what its creation returned may be one of its lies. */
static void accomplice(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, fn, arg);
}

struct lie {
	unsigned which, only; /* how it lies; the call that is made, 16: all */
	size_t offset;        /* of the word that is written */
	uint64_t value;
	bool wide;
};

/* ---- garbage in what is under way ------------------------------------------ */

static void write_random(struct stub_context *ctx, uint64_t *r)
{
	/* The header of the context: all but the window. */
	size_t at = next_random(r) % (offsetof(struct stub_context, window) / 8) * 8;

	*(volatile uint64_t *)((char *)ctx + at) = nasty(r);
}

static void flip_state(struct stub_context *ctx, uint64_t *r)
{
	static const uint32_t states[] = {STUB_GUEST,
	                                  STUB_REQUEST,
	                                  STUB_REPLY,
	                                  STUB_REQUEST | STUB_SLEEPS,
	                                  STUB_REPLY | STUB_SLEEPS,
	                                  ~0U};

	atomic_store(&ctx->state, states[next_random(r) % COUNT(states)]);
	if (next_random(r) % 4 == 0)
		ring();
}

static void structured(struct stub_context *ctx, uint64_t *r)
{
	struct stub_request *rq = &ctx->request;
	struct stub_segment *s = &rq->segment[next_random(r) % STUB_IN_SEGMENTS];

	switch (next_random(r) % 8) {
	case 0:
		ctx->call.kind = (uint8_t)(next_random(r) % 7);
		break;
	case 1:
		ctx->call.segments = (uint8_t)nasty(r);
		break;
	case 2:
		s->addr = nasty(r);
		s->len = (uint32_t)nasty(r);
		s->offset = (uint32_t)nasty(r);
		break;
	case 3:
		s->len = STUB_WINDOW_SIZE - 1;
		s->offset = (uint32_t)(next_random(r) % 3);
		break;
	case 4:
		rq->result = (int64_t)nasty(r);
		rq->failed_op = (uint32_t)nasty(r);
		break;
	case 5:
		rq->regs.orig_rax = next_random(r) % 512;
		break;
	case 6:
		atomic_store(&ctx->ops_done, nasty(r));
		atomic_store(&ctx->tid, (uint32_t)nasty(r));
		break;
	case 7:
		*(volatile uint64_t *)&(
		    (uint64_t *)&rq->regs)[next_random(r) % (sizeof(rq->regs) / 8)] = nasty(r);
		break;
	}
}

static void *scribbler(void *arg)
{
	const struct lie *lie = arg;
	uint64_t r = seed(lie->which);

	for (;;) {
		struct stub_context *ctx = context((unsigned)(next_random(&r) % 4));

		if (lie->which == 0)
			write_random(ctx, &r);
		else if (lie->which == 1)
			flip_state(ctx, &r);
		else
			structured(ctx, &r);
		for (unsigned i = (unsigned)next_random(&r) % 2000; i; i--)
			__builtin_ia32_pause();
	}
	return NULL;
}

static void *caller_thread(void *arg)
{
	calls_for(1000000, 16);
	return arg;
}

static void scribbled(void *arg)
{

	begin();
	accomplice(scribbler, arg);
	accomplice(caller_thread, NULL);
	calls_for(1000000, 16);
}

/* ---- every word, every value ------------------------------------------------- */

/* Writes one word over and over, at the moments when a request is there to be taken. */
static void *word_writer(void *arg)
{
	volatile const struct lie *lie = arg;

	for (;;) {
		char *at = (char *)context(0) + lie->offset;

		if (lie->wide)
			*(volatile uint64_t *)at = lie->value;
		else
			*(volatile uint32_t *)at = (uint32_t)lie->value;
	}
	return NULL;
}

static void word_written(void *arg)
{

	begin();
	accomplice(word_writer, arg);
	for (unsigned i = 0; i < 16; i++)
		one_call(i);
	_exit(0);
}

/* ---- requests that no stub has made -------------------------------------------- */

/* One that a call may well look into, as its address is good; where it lies may be wrong. */
static struct stub_segment forged_segment(unsigned i, uint64_t *r)
{
	struct stub_segment s = {(uint64_t)buffer + 16 * i, 64, 128 * i};

	if (next_random(r) % 4 == 0)
		s.offset = (uint32_t)nasty(r);
	if (next_random(r) % 4 == 0)
		s.len = (uint32_t)nasty(r);
	return s;
}

/*
 * Harmless and harmful calls alike, but not exit, mostly, and no signals: one for process 1, which
 * judges all this, may be sent by right.
 */
static uint64_t forged_number(uint64_t *r)
{
	uint64_t nr = next_random(r) % 470;

	switch (nr) {
	case SYS_exit:
	case SYS_exit_group:
		return next_random(r) % 16 ? SYS_write : nr;
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
		return SYS_write;
	default:
		return nr;
	}
}

/* Plays the stub: asks for anything, answers anything. */
static void forged(void *arg)
{
	struct stub_context *ctx = context(0);
	uint64_t r = seed((unsigned)(uintptr_t)arg);

	begin();
	for (;;) {
		struct stub_request *rq = &ctx->request;
		uint64_t *words = (uint64_t *)rq;

		for (size_t i = 0; i < sizeof(*rq) / 8; i++)
			if (next_random(&r) % 3)
				words[i] = nasty(&r);
		ctx->call.fast = next_random(&r) % 4 == 0;
		ctx->call.nr = (uint32_t)nasty(&r);
		for (unsigned i = 0; i < 6; i++)
			if (next_random(&r) % 3)
				ctx->call.arg[i] = nasty(&r);
		ctx->call.kind = (uint8_t)(next_random(&r) % 6);
		if (next_random(&r) % 2)
			ctx->call.segments =
			    (uint8_t)(next_random(&r) % 8 ? next_random(&r) % 7 : nasty(&r));
		for (unsigned i = 0; i < STUB_IN_SEGMENTS; i++)
			if (next_random(&r) % 2)
				rq->segment[i] = forged_segment(i, &r);
		/* With pointers that are good now and then. */
		rq->regs.orig_rax = forged_number(&r);
		if (next_random(&r) % 2)
			rq->regs.rsi = (uint64_t)buffer;
		if (next_random(&r) % 2)
			rq->regs.rdi = next_random(&r) % 8;
		if (next_random(&r) % 2)
			rq->regs.rdx = next_random(&r) % 70000;
		if (next_random(&r) % 4 == 0)
			rq->signo = SIGSEGV;
		atomic_store(&ctx->state, STUB_REQUEST);
		ring();
		for (unsigned i = 0; i < 20000 && atomic_load(&ctx->state) != STUB_REPLY; i++)
			__builtin_ia32_pause();
	}
}

/* ---- wake-ups for nothing, tokens ------------------------------------------------- */

/* A million: the sentry is woken each time that it sleeps, and finds nothing. */
static void spurious(void *arg)
{
	_Atomic unsigned *rung = arg;

	for (unsigned i = 0; i < 1000000 * rounds(); i++, ++*rung)
		ring();
	_exit(0);
}

/* The same with a state word that says there is something; that may be the end of whoever does so.
 */
static void spurious_requests(void *arg)
{
	struct stub_context *ctx = context(0);

	(void)arg;
	for (unsigned i = 0; i < 1000000 * rounds(); i++) {
		if (i % 4 == 0)
			ring();
		if (i % 1000 == 0)
			atomic_store(&ctx->state, STUB_REQUEST);
	}
	_exit(0);
}

/* Answers for the stub that is to fork: with a process that is none of its children, or is already
 * known. */
static void *fork_liar(void *arg)
{
	uint64_t r = seed((unsigned)(uintptr_t)arg);
	struct stub_context *ctx = context(0);

	for (;;) {
		if (atomic_load(&ctx->state) != STUB_REPLY || ctx->reply.verb != VERB_FORK)
			continue;
		ctx->call.kind = REQUEST_DONE;
		ctx->request.result =
		    next_random(&r) % 2 ? (int64_t)(next_random(&r) % 65536) : (int64_t)nasty(&r);
		if (next_random(&r) % 2)
			((struct stub_params *)STUB_PARAMS)->token = ctx->reply.arg[0];
		atomic_store(&ctx->state, STUB_REQUEST);
		ring();
	}
	return NULL;
}

static void forks_lied_about(void *arg)
{

	accomplice(fork_liar, arg);
	for (;;) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, WNOHANG);
	}
}

/* ---- the socket, by which files to map come ------------------------------------------ */

static uint64_t stub_socket(void)
{
	return (uint64_t)((struct stub_params *)STUB_PARAMS)->socket;
}

/* Takes what was meant for another thread's mapping, and leaves the socket closed in the end. */
static void *file_thief(void *arg)
{
	for (;;) {
		char control[256], byte;
		struct iovec iov = {&byte, 1};
		struct msghdr msg = {.msg_iov = &iov,
		                     .msg_iovlen = 1,
		                     .msg_control = control,
		                     .msg_controllen = sizeof(control)};

		stub_call(SYS_recvmsg, stub_socket(), (uint64_t)&msg, 0x40, 0, 0, 0);
	}
	return arg;
}

static void files_stolen(void *arg)
{

	begin();
	accomplice(file_thief, NULL);
	nap(20);
	calls_for(500, 5);
	stub_call(SYS_close, stub_socket(), 0, 0, 0, 0, 0);
	calls_for(500, 16);
	(void)arg;
}

/* Maps for writing what has been stolen, and writes. */
static void *writing_thief(void *arg)
{
	union {
		struct cmsghdr header;
		char bytes[256];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	int *fds = (int *)CMSG_DATA(&control.header);

	for (unsigned tries = 1;; tries++) {
		struct msghdr msg = {.msg_iov = &iov,
		                     .msg_iovlen = 1,
		                     .msg_control = &control,
		                     .msg_controllen = sizeof(control)};
		long got =
		    stub_call(SYS_recvmsg, stub_socket(), (uint64_t)&msg, MSG_DONTWAIT, 0, 0, 0);

		/* Its own calls only does the sentry get to interrupt, when it ends all this. */
		if (tries % 64 == 0)
			sched_yield();
		if (got <= 0 || msg.msg_controllen < CMSG_LEN(sizeof(int)))
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= control.header.cmsg_len;
		     i++) {
			long at = stub_call(SYS_mmap, 0x10000000, 4096, PROT_READ | PROT_WRITE,
			                    MAP_SHARED | MAP_FIXED, (uint64_t)fds[i], 0);
			if (at == 0x10000000)
				memcpy((void *)at, "PWNED", 5);
			++*(_Atomic unsigned *)arg;
		}
	}
	return NULL;
}

/*
 * A file that may only be read is mapped; the descriptor that comes for it is stolen and mapped for
 * writing. Nothing that was opened for reading may be written in this way.
 */
static unsigned write_through(const char *path, int prot, int flags)
{
	_Atomic unsigned *count =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char was[64], now[64];
	int fd = open(path, O_RDONLY);
	ssize_t n;
	pid_t pid;

	if (fd < 0)
		return 0;
	n = pread(fd, was, sizeof(was), 0);
	for (unsigned tries = 0; tries < 20 && !*count; tries++) {
		pid = fork();
		NEED(pid >= 0);
		if (pid == 0) {

			accomplice(writing_thief, (void *)count);
			nap(10);
			mmap(NULL, 4096, prot, flags, fd, 0);
			/* Of no use any more, as its own thread waits for what was stolen. */
			_exit(0);
		}
		nap(60);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (pread(fd, now, sizeof(now), 0) != n || memcmp(was, now, (size_t)n))
		fail("'%s' was written through a mapping for reading", path);
	close(fd);
	return *count;
}

static void read_only_files(void *arg)
{
	int fd = open("/tmp/readonly", O_RDWR | O_CREAT, 0444);

	(void)arg;
	NEED(fd >= 0 && write(fd, "as it was", 9) == 9);
	close(fd);
	unsigned n = write_through("/tmp/readonly", PROT_READ, MAP_SHARED) +
	             write_through("/tmp/readonly", PROT_READ | PROT_WRITE, MAP_PRIVATE) +
	             write_through("/proc/self/exe", PROT_READ, MAP_SHARED) +
	             write_through("/etc/passwd", PROT_READ, MAP_SHARED);
	printf("%u descriptors stolen\n", n);
	_exit(0);
}

/* ---- another process's memory ------------------------------------------------------ */

/* Of all that its host process may have open nothing can be mapped. */
static void descriptors_mapped(void *arg)
{
	const uint64_t flags[] = {MAP_SHARED | MAP_FIXED, MAP_PRIVATE | MAP_FIXED};

	(void)arg;
	for (uint64_t fd = 0; fd < 6000; fd++)
		for (size_t i = 0; i < COUNT(flags); i++) {
			long at = stub_call(SYS_mmap, 0x10000000, 4096, PROT_READ, flags[i], fd, 0);

			if (at == 0x10000000)
				fail("descriptor %u of the stub was mapped", (unsigned)fd);
		}
	_exit(0);
}

/* Maps what it can steal: the context of a child, which is sent with the order to fork. Speaks for
 * the child then, by every word of it. */
static void *context_thief(void *arg)
{
	union {
		struct cmsghdr header;
		char bytes[256];
	} control;
	uint64_t r = seed(55), *words = (uint64_t *)0x10000000;
	char byte;
	struct iovec iov = {&byte, 1};

	for (;;) {
		struct msghdr msg = {.msg_iov = &iov,
		                     .msg_iovlen = 1,
		                     .msg_control = &control,
		                     .msg_controllen = sizeof(control)};
		/* MSG_PEEK, every other time, so that the fork itself succeeds. */
		long got = stub_call(SYS_recvmsg, stub_socket(), (uint64_t)&msg,
		                     next_random(&r) % 2 ? 2 : 0, 0, 0, 0);

		if (got <= 0 || msg.msg_controllen < CMSG_LEN(2 * sizeof(int)))
			continue;
		int *fds = (int *)CMSG_DATA(&control.header);
		if (stub_call(SYS_mmap, (uint64_t)words, STUB_CONTEXT_SIZE, PROT_READ | PROT_WRITE,
		              MAP_SHARED | MAP_FIXED, (uint64_t)fds[0], 0) != (long)words)
			continue;
		++*(_Atomic unsigned *)arg;
		for (unsigned i = 0; i < 100000; i++)
			words[next_random(&r) % (STUB_HEADER_SIZE / 8)] = nasty(&r);
	}
	return NULL;
}

static void children_spoken_for(void *arg)
{
	accomplice(context_thief, arg);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			begin();
			calls_for(20, 16);
			execl("/proc/self/exe", "nobody", NULL);
			_exit(0);
		}
		waitpid(pid, NULL, WNOHANG);
	}
}

/* ---- ----------------------------------------------------------------------------- */

static void check(const char *what, void (*attack)(void *arg), void *arg, unsigned ms)
{
	contain_well(attack, arg, ms);
	printf("%s\n", what);
	well();
}

static void wake_ups(void)
{
	_Atomic unsigned *rung =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	NEED(rung != MAP_FAILED);
	check("wake-ups for nothing", spurious, (void *)rung, 100000 * rounds());
	printf("%u wake-ups\n", *rung);
	NEED(*rung == 1000000 * rounds());
}

static void others_memory(void)
{
	_Atomic unsigned *stolen =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	NEED(stolen != MAP_FAILED);
	check("descriptors mapped", descriptors_mapped, NULL, 10000);
	check("children spoken for", children_spoken_for, (void *)stolen, 1500 * rounds());
	printf("%u contexts stolen\n", *stolen);
	NEED(*stolen > 0);
}

static void every_word(void)
{
	static const uint64_t values[] = {
	    0, 1, 7, 0x10001, 0x7fffffff, 0xffffffff, 0x8000000000000000, 0xfffffffffffff001};
	size_t padding = offsetof(struct stub_context, tid) + sizeof(uint32_t);
	size_t end = offsetof(struct stub_context, reply);
	unsigned n = 0;

	for (size_t at = 0; at < end; at += 4) {
		if (at >= padding && at < offsetof(struct stub_context, self))
			continue;
		/* A different value for each word and run, all of them in a longer one. */
		for (size_t v = 0; v < (rounds() > 4 ? COUNT(values) : 1); v++) {
			struct lie lie = {.offset = at,
			                  .value = values[(v + at / 4 + seed(0)) % COUNT(values)],
			                  .wide = at % 8 == 0};
			/* It may have asked for any call, that for an exit of status 1 included. */
			contain(word_written, &lie, 60);
			n++;
		}
	}
	printf("%u words written\n", n);
	well();
}

int main(int argc, char **argv)
{
	struct lie lies[] = {{.which = 0}, {.which = 1}, {.which = 2}};

	if (argc && !strcmp(argv[0], "nobody"))
		return 0;
	if (!stub_is_there())
		return NOTHING_THERE;
	stub_find();
	for (unsigned i = 0; i < COUNT(lies); i++)
		check("scribbled", scribbled, &lies[i], 1000 * rounds());
	for (uintptr_t i = 0; i < 3; i++)
		check("forged", forged, (void *)i, 1000 * rounds());
	wake_ups();
	check("requests for nothing", spurious_requests, NULL, 10000 * rounds());
	for (uintptr_t i = 10; i < 12; i++)
		check("forks lied about", forks_lied_about, (void *)i, 1000 * rounds());
	check("files stolen", files_stolen, NULL, 3000);
	check("read-only files", read_only_files, NULL, 60000);
	others_memory();
	every_word();
	puts("nowhere");
	return 0;
}
