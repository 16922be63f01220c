/*
 * systrap's own structures: the sentry's trusted knowledge of spaces and threads.
 *
 * A space lives while it has threads or its host process has not been reaped;
 * whichever ends last frees it. A thread belongs to one fiber, its task's; what
 * other host threads may touch is marked.
 */
#pragma once
#include "base/lock.h"
#include "base/reactor.h"
#include "base/timer.h"
#include "platform/platform_ops.h"
#include "platform/stub/abi.h"
#include "platform/systrap/patch_plan.h"
#include <sys/queue.h>

struct fiber;
struct patch_domain;
struct permits;

#define SYSTRAP_MAX_THREADS 65536 /* in the whole sandbox */

struct platform_space {
	u32 pid; /* of the stub, set when it is known (attach.c) */
	int pidfd;
	int socket;                  /* files to map go this way */
	int stub_socket, context_fd; /* the stub's ends, until it has them */
	u64 contexts;                /* where the sentry maps them */
	struct reactor_watch death;
	_Atomic bool dead;
	LIST_ENTRY(platform_space) known_link; /* guarded by attach.c's lock, if pid is set */
	/* Guarded by stock.c's lock, or by space.c's when its stub has ended. */
	STAILQ_ENTRY(platform_space) stock_link;

	struct lock lock;
	/* Who was last sent files: index and reply; guarded by lock. The next may be sent some when
	 * these ops are done. */
	unsigned file_k;
	u64 file_seq;
	unsigned threads;                                 /* guarded by lock */
	bool reaped;                                      /* guarded by lock: death seen */
	u64 used[STUB_MAX_THREADS / 64];                  /* guarded by lock: thread indices */
	TAILQ_HEAD(systrap_threads, systrap_thread) list; /* guarded by lock */

	/* Rewritten call sites (patch.c); set by the first thread or a fork, NULL: none yet. */
	struct patch_domain *_Atomic patches;
	_Atomic bool patches_mapped;
	_Atomic u32 patch_steps; /* odd: text is being rewritten; by one thread at a time */

	/* overdue.c; when the timer is armed for, 0: not. */
	struct timer overdue;
	_Atomic u64 overdue_at;
};

struct systrap_thread {
	struct platform_thread base;
	struct stub_context *ctx;
	unsigned k;           /* index in its space */
	u32 slot;             /* index among the sandbox's threads */
	s32 tid;              /* host thread; the main thread's is the space's pid */
	_Atomic u64 seq;      /* of the last reply with operations */
	_Atomic bool running; /* guest code may be running: interrupts need a signal */
	bool counted;         /* in systrap.running; the fiber's */
	_Atomic bool died;
	_Atomic bool late; /* late.c: it sleeps on with its answer, since when, */
	u64 late_since;
	TAILQ_ENTRY(systrap_thread) late_link; /* in the list of those */
	/* By when it must have gone, answered a verb, confirmed operations; 0: need not. */
	_Atomic u64 doomed_by, answer_by, ops_by;

	/* What of guest memory is in the window; private copies, checked. */
	struct stub_segment in[STUB_IN_SEGMENTS], out[STUB_OUT_SEGMENTS];
	unsigned ins, outs;
	u32 window_used;

	bool direct;    /* its stub may answer calls itself */
	bool told_used; /* the stub says that it has answered by what it was told of a file */

	/* The next reply's answer lasts, as it was found in that epoch of names. */
	bool answer_lasts, stat_lasts;
	u32 answer_epoch;
	struct told stat_told; /* and the attributes in it */

	struct permits *permits; /* permit.c; NULL: not asked for */

	bool usage_told; /* came with the call: request.usage */

	u32 patch_steps; /* of the space when a fetch was last tried again */

	TAILQ_ENTRY(systrap_thread) link; /* guarded by space->lock */
};

extern struct systrap_state {
	const struct platform_config *config;
	struct stub_shared *shared; /* the sentry's writable mapping */
	struct platform_space *zygote_space;
	struct systrap_thread *zygote;
	bool zygote_ready; /* guarded by the mutex of its users (space.c) */
	u32 warden;        /* its pid, set with zygote_ready */
	bool may_spin;
	bool one_worker; /* at most: where it is matters to those who wait for it */
	unsigned cpus;
	_Atomic u32 running; /* guest threads that run, as far as the sentry knows: exchange.c */
	_Atomic bool ending;
} systrap;

extern struct systrap_stats {
	_Atomic u64 calls, faults, interrupts, wakes, asks, forks, clones, lingers, hostops;
	/* As the stubs say, added up when a thread ends. */
	_Atomic u64 direct_calls, cpuids, stub_waits, stub_sleeps, stub_rings;
	_Atomic u64 fast_calls, patched, repairs, fetches, undone, shared;
	_Atomic u64 refused[PATCH_REFUSALS];
} systrap_stats;

static inline struct systrap_thread *systrap_thread(struct platform_thread *t)
{
	return container_of(t, struct systrap_thread, base);
}

/* What the stub has been told of files does not hold for what it will be asked. */
static inline void forget_files(struct stub_context *ctx)
{
	for (unsigned i = 0; i < STUB_FILES_TOLD; i++)
		ctx->files[i].fd = 0;
}

static inline struct stub_context *space_context(const struct platform_space *s, unsigned k)
{
	return stub_context_at(s->contexts, k);
}

/* overdue.c: what the sentry waits for must come in time, or the space is killed */
void overdue_init(struct platform_space *s);
void overdue_end(struct platform_space *s);
/* A verb's answer is waited for; it has come; operations are on their way with a reply. */
void overdue_answer(struct systrap_thread *t);
void overdue_answered(struct systrap_thread *t);
void overdue_ops(struct systrap_thread *t);
void thread_doom(struct platform_thread *pt);

/* probe.c */
const char *systrap_unsupported(void);

/* zygote.c */
/* Starts the zygote, and returns while it still makes itself a stub. */
must_check int zygote_create(void);
u64 zygote_vdso(void);

/* space.c */
must_check int space_alloc(struct platform_space **out);
/* The stub has, or will never need, its ends of the socket and the contexts. */
void space_hand_over(struct platform_space *s);
/* Frees a space that no stub belongs to. */
void space_abandon(struct platform_space *s);
/* Those whose stubs have ended are freed: the keeper. */
void spaces_clear(void);
void space_kill(struct platform_space *s);
void space_watch_start(struct platform_space *s);
must_check int space_thread_add(struct platform_space *s, int k, struct systrap_thread **out);
/* Drops t from its space and frees it; the space follows if it was the last. */
void space_thread_remove(struct systrap_thread *t);
int space_create(struct platform_space **space, struct platform_thread **thread);
int space_fork(struct platform_thread *t, struct platform_space **space,
               struct platform_thread **child);
int thread_clone(struct platform_thread *t, struct platform_thread **child);
void space_init(void);
unsigned space_threads(struct platform_space *space);
void thread_exit(struct platform_thread *t);

/* stats.c */
void systrap_stats_print(int fd);
/* t ends: what its stub has counted. */
void systrap_stats_take(const struct systrap_thread *t);

/* usage.c */
struct rusage;
int thread_usage(struct platform_thread *t, struct rusage *out);
u64 space_cpu_time(struct platform_space *s);

/* attach.c */
/*
 * The process pid is s's stub: opens its pidfd. token: what must be in its memory, 0 if the sentry
 * itself has forked it. -ESRCH if it is not.
 */
must_check int attach(struct platform_space *s, u32 pid, u64 token);
/* Before its stub is reaped. */
void attach_forget(struct platform_space *s);

/* permit.c: what stubs may do to their memory, where the sentry is asked each time. */
const char *permits_unsupported(void); /* a line for people, or NULL */
/* Before lock-down: waits for the zygote, starts to answer. */
must_check int permits_start(void);
must_check int permits_create(struct systrap_thread *t);
void permits_free(struct systrap_thread *t);
/* t->tid is set. -errno if that cannot be. */
must_check int permits_know(struct systrap_thread *t);
/* Adds an operation that t is about to be told to carry out, with its file. */
must_check int permits_add(struct systrap_thread *t, const struct stub_op *op, s32 fd);
/* Where that file is put; 0: it is sent. */
s32 permits_place(const struct systrap_thread *t);
/* Some have not been made use of. Any host thread. */
bool permits_open(const struct systrap_thread *t);
void permits_drop(struct systrap_thread *t);
/* A clone with these flags and this word for the tid, until it is done. */
void permits_clone(struct systrap_thread *t, u64 flags, u64 tid_word);
void permits_clone_done(struct systrap_thread *t);

/* Has the zygote fork a stub, which stands still in its first trap. */
must_check int space_bear(struct platform_space **space, struct systrap_thread **thread);

/* spare.c: such a stub made ahead; the first when workers are about to start. */
void spare_start(void);
must_check int spare_take(struct platform_space **space, struct systrap_thread **thread);
/* Has one made if there is none: the keeper. */
void spare_make(void);
/* It need not outlive the sandbox. */
void spare_end(void);

/* stock.c: spaces made ahead. */
must_check int stock_take(struct platform_space **out);
void stock_fill(void);

/* keeper.c: what is made ahead and cleared away when there is time. */
/*
 * There is something to do for it. False: no worker is awake, so that may last. Any host thread.
 */
bool keeper_want(void);
/* A worker has nothing else to do, now or for a while. */
void keeper_go(void);
void keeper_look(bool idle);

/* armed.c: which threads the workers look at. */
must_check int armed_slot_take(struct systrap_thread *t);
/* From now on the workers may look at t. */
void armed_slot_publish(struct systrap_thread *t);
void armed_slot_release(struct systrap_thread *t);
/* The calling fiber parks until t's stub asks for something or t dies. */
void armed_wait(struct systrap_thread *t);
/* Ends the wait of t's fiber from outside: its stub is gone. */
void armed_fail(struct systrap_thread *t);
int armed_poll(void);
/* How many armed threads run guest code now, counted up to limit. */
unsigned armed_busy(unsigned limit);
/* They could use all CPUs. */
bool armed_crowded(void);
/* How many threads but t are awake, be it for an answer, counted up to limit. The worker. */
unsigned armed_awake(const struct systrap_thread *t, unsigned limit);
/* Waits until no scan holds a thread or fiber it has found earlier. */
void armed_quiesce(void);

/* exchange.c: replies and requests. */
/*
 * Sends the reply prepared in t->ctx and waits for the next request. False if
 * t died. Only the fields of t and a copy of the request may be used afterwards.
 */
must_check bool exchange(struct systrap_thread *t, enum stub_verb verb);
/* The same for a verb that answers with REQUEST_DONE: its result, -ESRCH if t died. */
must_check s64 exchange_verb(struct systrap_thread *t, enum stub_verb verb);
void exchange_post(struct systrap_thread *t, enum stub_verb verb);
/* Wakes a thread that sleeps with its answer. */
void exchange_wake(struct systrap_thread *t);
/* t's fiber will make no more. */
void exchange_end(struct systrap_thread *t);
/* Files that go with the next reply, which carries no host operations. */
must_check int exchange_send_files(struct systrap_thread *t, const s32 *fd, u32 n);
int thread_run(struct platform_thread *t, struct event *event, int *failed_op);
s64 thread_sync(struct platform_thread *t);
bool thread_ops_done(const struct platform_thread *t);
bool thread_waits_direct(const struct platform_thread *t);
void thread_interrupt(struct platform_thread *t);
void thread_looks(struct platform_thread *t);
/* Sends registers along with the reply. */
void reply_registers(struct systrap_thread *t);
/* Takes all registers from the request. */
void request_registers(struct systrap_thread *t);
/* Takes those that request_call left. */
void late_registers(struct platform_thread *t);

/* late.c: answers that wait for a CPU. */
/* True: t, which sleeps with its answer, need not be woken now. Its fiber. */
must_check bool late_put(struct systrap_thread *t);
/* t is awake, or ends. */
void late_forget(struct systrap_thread *t);
/* Wakes one if it is time. idle: the worker has found nothing to do. */
void late_look(bool idle);
/* Wakes all of them: the worker is about to sleep. */
void late_flush(void);

/* guestmem.c */
extern const struct uspace_ops guestmem_ops;
/* exchange.c, for guestmem_ops */
void thread_waits(struct uspace *u);
void thread_taken(struct uspace *u);
void guestmem_begin(struct systrap_thread *t);
void guestmem_reply(struct systrap_thread *t);
void guestmem_flush(struct systrap_thread *t);
void guestmem_settle(struct platform_thread *t);
size_t space_read(struct platform_space *s, void *dst, u64 src, size_t n);
size_t space_write(struct platform_space *s, u64 dst, const void *src, size_t n);

/* patch.c: call sites that do not trap. */
/*
 * A system call has come, or another event: makes the registers those of the original code. Those
 * of a call by a rewritten site may come late: patch_late then.
 */
void patch_late(struct systrap_thread *t);
void patch_call(struct systrap_thread *t);
void patch_event(struct systrap_thread *t);
/* The guest is to go on at a new place: past a jump if it lies inside of one. */
void patch_enter(struct systrap_thread *t);
/*
 * True if the fault comes of rewriting and not of the guest: the registers then say where to go
 * on.
 */
must_check bool patch_repair(struct systrap_thread *t, const struct event *event);
/* patch_view.c: n bytes that have been read from there; somebody is about to write there. */
void patch_hide(struct platform_space *s, void *buf, u64 addr, size_t n);
void patch_restore(struct platform_space *s, u64 addr, size_t n);
/* Text in [low, high) becomes again what it was, by t; no operations are queued. */
void patch_undo(struct platform_thread *t, u64 low, u64 high);
void patch_rewrite(struct platform_thread *t, u64 site, u64 low, u64 high);
/* An operation of t's next reply that maps a file: may be changed to map a copy. May park. */
void patch_map(struct systrap_thread *t, struct hostop *op);
void patch_fork(struct platform_space *child, const struct platform_space *parent);
/* The space is empty again, or ends. */
void patch_forget(struct platform_space *s);

/* sigframe.c */
int sigframe_push(struct platform_thread *t, const struct signal_frame *f);
int sigframe_pop(struct platform_thread *t, u64 *mask, stack_t *altstack);
int xstate_get(struct platform_thread *t, void *buf, size_t n);
int xstate_set(struct platform_thread *t, const void *buf, size_t n);
