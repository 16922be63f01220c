/*
 * Every system call number, by every way into the host's kernel: from guest code, from the
 * stub's own call instruction with hostile registers, with the number's x32 bit, by
 * `int 0x80` and by `sysenter`. What becomes of them is seen from outside (stub_calls).
 *
 * A child goes through the numbers. Should one of them end it, or hold it up, the next child
 * goes on behind that.
 */
#include "stub_call.h"

#define NUMBERS      1024
#define NUMBERS_I386 512
#define X32_BIT      0x40000000UL
#define HELD_UP_MS   80

struct way {
	const char *name;
	void (*call)(long nr);
	long bit, numbers;
};

static _Atomic long *at;

/* Registers that fit some call each: nothing, all bits, the stub's own places. */
static const uint64_t hostile[][6] = {
    {0, 0, 0, 0, 0, 0},
    {~0UL, ~0UL, ~0UL, ~0UL, ~0UL, ~0UL},
    {STUB_TEXT, 0x1000, 7, 0x32, ~0UL, 0},
    {STUB_CONTEXTS, STUB_PARAMS, 0x1000, STUB_SHARED, STUB_STACKS, 3},
};

/* Whoever finds itself to be a copy has no part in this. */
static void leave_if_copy(long nr, long result)
{
	long call = nr & ~(long)X32_BIT;

	if (result == 0 &&
	    (call == SYS_fork || call == SYS_vfork || call == SYS_clone || call == SYS_clone3))
		_exit(0);
}

static void from_guest(long nr)
{
	for (size_t i = 0; i < COUNT(hostile); i++) {
		register uint64_t r10 __asm__("r10") = hostile[i][3];
		register uint64_t r8 __asm__("r8") = hostile[i][4];
		register uint64_t r9 __asm__("r9") = hostile[i][5];
		long result;

		__asm__ volatile("syscall"
		                 : "=a"(result)
		                 : "a"(nr), "D"(hostile[i][0]), "S"(hostile[i][1]),
		                   "d"(hostile[i][2]), "r"(r10), "r"(r8), "r"(r9)
		                 : "rcx", "r11", "memory", "cc");
		leave_if_copy(nr, result);
	}
}

static void from_stub(long nr)
{
	for (size_t i = 0; i < COUNT(hostile); i++) {
		const uint64_t *r = hostile[i];

		leave_if_copy(nr, stub_call(nr, r[0], r[1], r[2], r[3], r[4], r[5]));
	}
}

static void by_int80(long nr)
{
	long result;

	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(nr), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
	                 : "r8", "r9", "r10", "r11", "memory", "cc");
}

static void by_sysenter(long nr)
{
	__asm__ volatile("mov %%rsp, %%rbp\n sysenter"
	                 :
	                 : "a"(nr), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
	                 : "memory", "cc");
}

static void numbers_from(const struct way *w, long nr)
{
	for (; nr < w->numbers; nr++) {
		atomic_store(at, nr);
		w->call(nr | w->bit);
	}
	atomic_store(at, nr);
	_exit(0);
}

/* Until the child has ended (true) or made no progress for a while. */
static bool follow(pid_t pid)
{
	uint64_t since = now_ms();
	long last = atomic_load(at);
	int status;

	while (now_ms() - since < HELD_UP_MS) {
		if (waitpid(pid, &status, WNOHANG) == pid &&
		    (WIFEXITED(status) || WIFSIGNALED(status)))
			return true;
		if (atomic_load(at) != last) {
			last = atomic_load(at);
			since = now_ms();
		}
		nap(1);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && !WIFSIGNALED(status))
		;
	return false;
}

static void go(const struct way *w)
{
	enum { ENDED = 3, HELD_UP = 1, ENOUGH = 6 };
	unsigned chances = 0;

	printf("%s\n", w->name);
	for (long nr = 0; nr < w->numbers;) {
		bool ended;
		pid_t pid;

		atomic_store(at, nr);
		pid = fork();
		NEED(pid >= 0);
		if (pid == 0)
			numbers_from(w, nr);
		ended = follow(pid);
		chances = atomic_load(at) == nr ? chances : 0;
		nr = atomic_load(at);
		/*
		 * It may have ended before it came to the call, by a signal that an earlier call
		 * asked for, so each number gets a second chance; or a busy host may have held it
		 * up, and it gets a few. `int 0x80` ends a child that has made no other call.
		 */
		chances += ended ? ENDED : HELD_UP;
		if (chances >= ENOUGH || (ended && w->call == by_int80)) {
			chances = 0;
			nr++;
		}
	}
}

int main(void)
{
	static const struct way ways[] = {
	    {"guest", from_guest, 0, NUMBERS},       {"guest, x32", from_guest, X32_BIT, NUMBERS},
	    {"stub", from_stub, 0, NUMBERS},         {"stub, x32", from_stub, X32_BIT, NUMBERS},
	    {"int 0x80", by_int80, 0, NUMBERS_I386}, {"sysenter", by_sysenter, 0, 4},
	};

	stub_find();
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(at != MAP_FAILED);
	puts("ready");
	/* Until it is watched. */
	NEED(getchar() == 'g');
	for (size_t i = 0; i < COUNT(ways); i++)
		go(&ways[i]);
	well();
	puts("nowhere");
	return 0;
}
