/*
 * The ptrace platform's own structures.
 *
 * All requests to tracees must come from the thread that traces them, so the
 * sandbox has one worker, and that is the tracer: what runs on fibers and what
 * poll does is one host thread, and needs no locks. Only what is atomic here is touched
 * by others (reactor, timers, blocking pool): to interrupt a thread and to kill a space.
 *
 * A thread is either running (in guest code, or in one call that the sentry has it
 * make) or has reported a stop that its fiber has taken: then it stands still.
 */
#pragma once
#include "base/mutex.h"
#include "platform/platform_ops.h"
#include "platform/stub/layout.h"
#include <sys/queue.h>

struct fiber;

/* What the host's own calls and signal frames are put in; the params page of a systrap stub. */
#define SCRATCH      STUB_PARAMS
#define SCRATCH_SIZE 0x10000UL
/* Deadlines of futex waits, 16 bytes for each id that a host thread can have (PID_MAX_LIMIT). */
#define DEADLINES      STUB_STACKS
#define DEADLINES_SIZE (64UL << 20)

struct platform_space {
	u32 pid;
	int pidfd;
	unsigned threads;
};

struct ptrace_thread {
	struct platform_thread base;
	s32 tid;
	/* The host's view of the last stop: whence the segment selectors. */
	struct user_regs_struct host;
	int status;    /* of the stop that it has reported */
	bool reported; /* and nobody has taken */
	struct fiber *waiter;
	_Atomic bool died;
	_Atomic bool interrupt; /* wanted; cleared when an event has been taken */
	_Atomic bool running;   /* in guest code or a wait: an interrupt needs a signal */
	_Atomic bool busy;      /* queued operations are being carried out */
	LIST_ENTRY(ptrace_thread) link;
};

struct ptrace_state {
	const struct platform_config *config;
	u64 text; /* where the stub's page is: elsewhere until the zygote has been set up */
	int socket, stub_socket;
	bool ending;
	/* Over any use of a space's scratch page, files in flight, and forks, which copy both. */
	struct mutex scratch;
	struct mutex zygote_mutex; /* over space_create */
	struct ptrace_thread *zygote;
};
extern struct ptrace_state tracing;

extern struct ptrace_stats {
	u64 calls, faults, interrupts, injected, forks, clones;
} ptrace_stats;

static inline struct ptrace_thread *ptrace_thread(struct platform_thread *t)
{
	return container_of(t, struct ptrace_thread, base);
}

extern const u8 ptrace_stub[], ptrace_stub_end[], ptrace_stub_call[], ptrace_stub_call_done[],
    ptrace_stub_cmpxchg[], ptrace_stub_cmpxchg_done[], ptrace_stub_trap[], ptrace_stub_wait[];
/* An address of the stub's page in the guest. */
static inline u64 stub_at(const u8 *symbol)
{
	return tracing.text + (u64)(symbol - ptrace_stub);
}

/* ---- tracer.c ------------------------------------------------------------ */

/* Before any thread is started: stops are announced by SIGCHLD, to the worker only. */
must_check int tracer_init(void);
/* Looks for stops and ends, and unparks who waits for them. True-ish if there was one. */
int tracer_poll(void);
/* A request; -errno. */
must_check long tracer_request(long request, s32 tid, u64 addr, void *data);
void tracer_watch(struct ptrace_thread *t);
void tracer_unwatch(struct ptrace_thread *t);
/* Lets it go on (PTRACE_CONT, PTRACE_SYSEMU) with a signal or 0. False: it is dead. */
must_check bool tracer_resume(struct ptrace_thread *t, long request, int signo);
/* Parks until it has stopped: its status is in t->status. False: it is dead. */
must_check bool tracer_await(struct ptrace_thread *t);
must_check bool tracer_get_regs(struct ptrace_thread *t);
/* Sets r with the selectors that the host showed last, and no call to be restarted. */
must_check bool tracer_set_regs(struct ptrace_thread *t, const struct user_regs_struct *r);

/* ---- inject.c ------------------------------------------------------------ */

/* Has t, which stands still, make a host call; its result, or -ESRCH when it died. */
s64 inject_call(struct ptrace_thread *t, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
/* The same for a call that may last; -EINTR when an interrupt has come. */
s64 inject_wait(struct ptrace_thread *t, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
/* 0, -EFAULT or -ESRCH. */
s64 inject_cmpxchg(struct ptrace_thread *t, u64 addr, u32 expect, u32 value, u32 *old);

/* ---- run.c, hostops.c ---------------------------------------------------- */

int ptrace_run(struct platform_thread *pt, struct event *event, int *failed_op);
s64 ptrace_sync(struct platform_thread *pt);
bool ptrace_ops_done(const struct platform_thread *pt);
void ptrace_interrupt(struct platform_thread *pt);

struct ops_result {
	s64 result;  /* the last one's */
	int failed;  /* its index, or -1 */
	bool counts; /* the result is the call's */
	bool interrupted;
};
void hostops_carry_out(struct ptrace_thread *t, struct ops_result *out);

/* ---- fault.c ------------------------------------------------------------- */

/* t has stopped with a signal: false if it is none of the guest's doing. */
must_check bool fault_take(struct ptrace_thread *t, struct event *event);

/* ---- space.c, zygote.c --------------------------------------------------- */

/* The child of the sentry that becomes the first space; before lock-down. */
must_check int zygote_fork(void);
/* On the worker: makes a stub of it. */
must_check int zygote_attach(void);
u64 ptrace_vdso(void);
must_check int space_adopt(s32 pid, struct platform_space **space, struct ptrace_thread **t);
int ptrace_space_create(struct platform_space **space, struct platform_thread **out);
int ptrace_space_fork(struct platform_thread *pt, struct platform_space **space,
                      struct platform_thread **out);
int ptrace_thread_clone(struct platform_thread *pt, struct platform_thread **out);
unsigned ptrace_space_threads(struct platform_space *s);
void ptrace_thread_exit(struct platform_thread *pt);
void ptrace_space_kill(struct platform_space *s);

/* ---- guestmem.c, sigframe.c, probe.c ------------------------------------- */

extern const struct uspace_ops ptrace_guestmem_ops;
size_t ptrace_space_read(struct platform_space *s, void *dst, u64 src, size_t n);
size_t ptrace_space_write(struct platform_space *s, u64 dst, const void *src, size_t n);
/* At an offset from SCRATCH, which no guest address reaches. True if all could be copied. */
must_check bool scratch_read(struct ptrace_thread *t, void *dst, u64 offset, size_t n);
must_check bool scratch_write(struct ptrace_thread *t, u64 offset, const void *src, size_t n);

int ptrace_frame_push(struct platform_thread *pt, const struct signal_frame *f);
int ptrace_frame_pop(struct platform_thread *pt, u64 *mask, stack_t *altstack);
int ptrace_xstate_get(struct platform_thread *pt, void *buf, size_t n);
int ptrace_xstate_set(struct platform_thread *pt, const void *buf, size_t n);
/* The host's image of t's FPU state; bytes or -errno. */
must_check long xstate_load(struct ptrace_thread *t, void *buf, size_t n);
must_check int xstate_store(struct ptrace_thread *t, const void *buf, size_t n);
must_check int xstate_clear(struct ptrace_thread *t);

const char *ptrace_unsupported(void);
