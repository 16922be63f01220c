/*
 * The platform: how guest code is run and stopped. This header is the only
 * door between the sentry and an implementation (systrap, ptrace). Nothing
 * above it knows what a SIGSYS, a ptrace request or a seccomp filter is;
 * nothing below it knows what a file or a process id is.
 *
 * A *space* is one guest address space (a stub process of the host). A
 * *thread* runs guest code in one space (a host thread of that stub). The life
 * of a thread as its task's fiber sees it:
 *
 *	platform_space_create -> thread                (first program)
 *	for (;;) {
 *		platform_thread_run(thread, &event)    parks the fiber until guest code needs the
 *sentry
 *		... handle the event, change thread->regs, queue host operations ...
 *	}
 *	platform_thread_exit
 *
 * Between a return from platform_thread_run and the next call the guest thread
 * stands still and everything about it may be looked at and changed by its own
 * fiber. Other fibers may call only platform_thread_interrupt and
 * platform_space_kill on it.
 *
 * All functions that return int return 0 or -errno and must be called on a
 * fiber, as they may park. All that comes from the stub is untrusted: it is
 * copied once and checked before it is handed up.
 */
#pragma once
#include "base/told.h"
#include "base/types.h"
#include "base/uspace.h"
#include <signal.h>
#include <sys/stat.h>
#include <sys/user.h>

struct platform_space;
struct platform_thread;

/* Guest addresses lie in [GUEST_MIN, GUEST_MAX); the stub lives above. */
#define GUEST_MIN 0x10000UL
#define GUEST_MAX 0x7ff000000000UL
/* Where a program's half of the addresses ends on Linux (TASK_SIZE_MAX): what lies beyond is
 * refused as an address whatever is mapped. */
#define USER_END 0x7ffffffff000UL

/* No part of it is the stub's. */
static inline bool guest_range(u64 addr, u64 n)
{
	return addr < GUEST_MAX && n <= GUEST_MAX - addr;
}

enum event_kind {
	EVENT_SYSCALL,   /* regs.orig_rax is the number; regs.rip is behind the instruction */
	EVENT_FAULT,     /* a synchronous signal: event.fault */
	EVENT_INTERRUPT, /* platform_thread_interrupt took effect */
	EVENT_DEATH, /* the host thread or its process is gone; only platform_thread_exit may follow
	              */
};

/*
 * A part of the guests' addresses that belongs to the platform: nothing may be mapped there for a
 * guest, and what is there does not show. Calls of rewritten sites pass through it.
 */
#define PLATFORM_RESERVED     0x61e40000UL
#define PLATFORM_RESERVED_END 0x61f20000UL

static inline bool platform_reserved(u64 addr, u64 len)
{
	return addr < PLATFORM_RESERVED_END && len > 0 &&
	       (addr >= PLATFORM_RESERVED || len > PLATFORM_RESERVED - addr);
}

struct event {
	enum event_kind kind;
	/* EVENT_FAULT: what a handler of the guest would see. */
	struct {
		int signo;                   /* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP */
		int code;                    /* si_code */
		u64 addr;                    /* si_addr */
		u64 trapno, error_code, cr2; /* for the guest's signal frame */
	} fault;
};

/* One marshalling descriptor: what of a call's arguments are buffers. Built from
 * sentry/syscalls.def. */
enum marshal_kind {
	MARSHAL_NONE,
	MARSHAL_PATH,     /* NUL-terminated string, at most 4096 bytes */
	MARSHAL_IN_LEN,   /* in buffer whose length is argument .len_arg */
	MARSHAL_OUT_LEN,  /* out buffer whose length is argument .len_arg (bytes) */
	MARSHAL_IN_SIZE,  /* in struct of .size bytes */
	MARSHAL_OUT_SIZE, /* out struct of .size bytes */
	MARSHAL_INOUT_SIZE,
};
struct marshal_arg {
	u8 kind;
	u8 len_arg;
	u16 size;
};
struct marshal_desc {
	struct marshal_arg arg[6];
};
#define MARSHAL_NR 512 /* call numbers 0..511 */

struct platform_config {
	const struct marshal_desc *marshal; /* MARSHAL_NR entries */
	bool patch;                         /* rewrite call sites (fast path) */
	bool direct;                        /* the stub answers what needs no sentry */
	bool mm_checked;   /* every change of a stub's memory, and every fork, is checked when it
	                      happens */
	u32 max_processes; /* host processes and threads of all stubs, where the host can count them
	                    */
	bool debug;
	bool trace_all; /* the stub answers nothing itself: the sentry sees every call */
	/*
	 * Called on any host thread when the platform itself can go on no
	 * longer (the zygote died, out of host resources).
	 */
	void (*fatal)(const char *why);
};

/* A host operation that the guest's own thread performs before it resumes (design 2.4). */
enum hostop_kind {
	HOSTOP_MMAP,     /* addr,len,prot,flags,fd,off: always with MAP_FIXED semantics */
	HOSTOP_MUNMAP,   /* addr,len */
	HOSTOP_MPROTECT, /* addr,len,prot */
	/* addr,len,newlen,newaddr: MREMAP_MAYMOVE|FIXED, flags may have DONTUNMAP; where newaddr
	 * is addr, in place with no flags */
	HOSTOP_MREMAP,
	HOSTOP_MADVISE, /* addr,len,advice */
	/*
	 * flags: operation and its flags; addr, val, newaddr: second address, val2, val3 as in
	 * futex(2). Waits take deadline: absolute ns on the operation's clock, ~0: none.
	 */
	HOSTOP_FUTEX,
	HOSTOP_STORE32,   /* addr <- val */
	HOSTOP_UNMAP_ALL, /* everything below GUEST_MAX: execve */
	HOSTOP_MINCORE,   /* addr,len; newaddr: the guest's vector, a byte per page */
};
struct hostop {
	u8 kind;
	bool last_result; /* the op's result becomes the call's result (rax) */
	s32 prot, flags;
	bool shareable; /* HOSTOP_MMAP: no guest can change the file, and what maps it may be shown
	                   a copy of its text with call sites rewritten */
	bool loader;    /* that file is a program interpreter, mapped by execve */
	s32 fd;         /* sentry host fd to map, or -1; borrowed until the op has run */
	u64 addr, len, newaddr, newlen, off;
	u64 val, val2, val3, deadline;
};

/* What the guest may know without asking; the stub answers these calls itself from a shared page.
 */
struct thread_identity {
	s32 pid, tid;
	u32 uid, euid, gid, egid;
	u32 names; /* uname(2): those of platform_set_names */
};

struct rusage;
struct xstate_buf; /* an XSAVE image in the host's own layout */

/* ---- the sandbox -------------------------------------------------------- */

struct platform_ops;
extern const struct platform_ops systrap_platform, ptrace_platform;
/* What the host lacks for this platform as one line for people, or NULL. */
const char *platform_unsupported(const struct platform_ops *ops);
/* The same for platform_config.mm_checked. */
const char *platform_mm_checked_unsupported(const struct platform_ops *ops);

/* All there are, the best first, ended by NULL; and one's name. */
extern const struct platform_ops *const platforms[];
const char *platform_ops_name(const struct platform_ops *ops);
/* How many workers it can do with, of so many that are wanted (0: the scheduler's own choice). */
unsigned platform_ops_workers(const struct platform_ops *ops, unsigned wanted);
struct platform_choice {
	const struct platform_ops *ops; /* NULL: none can be had, for the reason in lacking */
	/* What the host lacks for a better one than ops that was passed over, or for any; or NULL.
	 */
	const char *lacking;
};
/*
 * Which of a list to use: the one of that name, or without a name the first that the host
 * supports.
 */
struct platform_choice platform_choose(const struct platform_ops *const *list, const char *name);

/*
 * Creates the zygote. Before the sentry's own lock-down, and on a host thread
 * that lives as long as the sentry: the host kills all stubs when it ends.
 * config->marshal is copied; config itself must live as long as the platform. After it come
 * sched_init(n, platform_doorbell()), reactor_start and platform_start.
 */
must_check int platform_init(const struct platform_ops *ops, const struct platform_config *config);
/* Loads what is needed later and takes a while: on any thread, at any time before lock-down. */
void platform_prepare(const struct platform_ops *ops);
unsigned platform_workers(unsigned wanted);
/* The word for sched_init. */
_Atomic u32 *platform_doorbell(void);
/* Hooks into the scheduler and the reactor, which must be running. */
must_check int platform_start(void);
const char *platform_name(void);
/* Does it drive guests by ptrace(2)? That decides what the sentry may ask of the host. */
bool platform_traces(void);
/* Host call counts, traps, fast-path share, spins, sleeps: printed by --stats. */
void platform_stats_print(int fd);
/* Kills every stub and the zygote. Any host thread. */
void platform_shutdown(void);
/* Bytes of an XSAVE image on this machine (AT_MINSIGSTKSZ is derived from it). */
size_t platform_xstate_size(void);
/* AT_HWCAP, AT_HWCAP2, AT_SYSINFO_EHDR (the stub's vDSO), ... for the guest's aux vector; 0 if
 * absent. */
u64 platform_auxval(u64 type);

/* ---- spaces and threads ------------------------------------------------- */

/*
 * A fresh, empty space with one thread that stands still before its first
 * instruction (all registers zero). Both owned by the caller.
 */
must_check int platform_space_create(struct platform_space **space,
                                     struct platform_thread **thread);
/*
 * fork: a copy-on-write copy of t's space made by t's own host thread; the new
 * thread has t's registers and FPU state. t must be standing still in a system call.
 */
must_check int platform_space_fork(struct platform_thread *t, struct platform_space **space,
                                   struct platform_thread **child);
/* clone(CLONE_VM): another thread in t's space with t's registers and FPU state. */
must_check int platform_thread_clone(struct platform_thread *t, struct platform_thread **child);
struct platform_space *platform_thread_space(struct platform_thread *t);
/* Threads of the space that have not exited (for 'alone in its address space'). */
unsigned platform_space_threads(struct platform_space *space);

/*
 * Ends the host thread and frees t. The space dies with its last thread. Any
 * host operations still queued are run first. Never fails; if the host thread
 * does not answer, its space is killed.
 */
void platform_thread_exit(struct platform_thread *t);
/* SIGKILL for the whole stub: its threads report EVENT_DEATH. Any host thread. */
void platform_space_kill(struct platform_space *space);

/* Registers and the FS/GS bases: valid while the thread stands still. */
struct user_regs_struct *platform_thread_regs(struct platform_thread *t);
/* The same, but only orig_rax, rax and the arguments of a call count; cheaper. */
struct user_regs_struct *platform_thread_call_regs(struct platform_thread *t);
/* Say so after changing any register other than rax. */
void platform_thread_regs_changed(struct platform_thread *t);
/* NULL: the stub answers nothing itself for this thread (it is being traced). Its own fiber only.
 */
void platform_thread_set_identity(struct platform_thread *t, const struct thread_identity *id);
/* getppid(2). Any host thread; the caller keeps t from ending, and calls for it in order. */
void platform_thread_set_parent(struct platform_thread *t, s32 ppid);
/* getcpu(2): may it say the CPU that the thread is on? As above. */
void platform_thread_set_any_cpu(struct platform_thread *t, bool any);
/*
 * Descriptors whose read(2) and write(2) the stub may answer itself (base/fd_answer.h), as long as
 * a word that the sentry keeps is what it was when that was told. Numbers below
 * PLATFORM_FD_ANSWERS.
 */
#define PLATFORM_FD_ANSWERS 32
#define PLATFORM_FD_WORDS   1024
/* PLATFORM_FD_WORDS words that guests can see and not write; NULL: nothing is answered. */
_Atomic u32 *platform_fd_words(void);
/* For words[word] as it was when it was `seen`. Its own fiber only. */
void platform_thread_answer_fd(struct platform_thread *t, unsigned fd, u32 answers, u32 word,
                               u32 seen);
/*
 * What an open file says of itself, for calls that ask just that (platform/stub/files.c): all of it
 * as long as the descriptor's word among platform_fd_words is what it was, and st and flags as long
 * as theirs are among PLATFORM_TOLD_WORDS others. A regular file or a directory.
 */
#define PLATFORM_TOLD_WORDS 1024
struct platform_file {
	struct stat st;
	u32 flags; /* F_GETFL */
	bool cloexec;
	struct told of_fd, of_attr, of_flags;
};
/* As platform_fd_words. */
_Atomic u32 *platform_told_words(void);
/* Is there anything that t may answer itself? Its own fiber only, as the next two. */
bool platform_thread_answers(const struct platform_thread *t);
void platform_thread_tell_file(struct platform_thread *t, unsigned fd,
                               const struct platform_file *f);
/* Has something that was told of a file been of use since this was asked last? The guest's word. */
bool platform_thread_told_used(struct platform_thread *t);
/* The thread's descriptors are another table's now. Its own fiber only. */
void platform_thread_forget_fds(struct platform_thread *t);
/*
 * Calls about absolute names whose answer is a number and holds as long as a word that the sentry
 * keeps is what it was (fs/vfs/name_epoch.h): the stub may give it again to the same thread. Only
 * access, faccessat, faccessat2, lstat, newfstatat, readlink, readlinkat and stat. The word is one
 * that guests can see and not write; NULL: nothing is answered.
 */
_Atomic u32 *platform_name_word(void);
/* What is in rax is such an answer, found while the word was `seen`. Its own fiber only. */
void platform_thread_answer_lasts(struct platform_thread *t, u32 seen);
/*
 * The same of a stat, lstat or newfstatat that succeeds, and has written the attributes and nothing
 * else to guest memory: as long as a word of platform_told_words is what it was, too.
 */
void platform_thread_stat_lasts(struct platform_thread *t, u32 seen, const struct told *attr);
/* What uname(2) answers to threads whose identity says so; one caller at a time. */
struct new_utsname;
void platform_set_names(const struct new_utsname *names);

/* getrusage(RUSAGE_THREAD) of the host thread. As the stub tells it: its own fiber only. */
must_check int platform_thread_usage(struct platform_thread *t, struct rusage *out);
/*
 * CPU time, ns, of all threads that the space has had. Any host thread; the
 * caller keeps the space alive. 0 if the host does not say.
 */
u64 platform_space_cpu_time(struct platform_space *s);

/*
 * Applies what has been queued, lets the guest run, and parks until the next
 * event. If host operations fail, guest code does not run: the failed op's
 * index is in *failed_op (else -1) and its -errno is returned, with later ops not done.
 * An interrupted HOSTOP_FUTEX returns EVENT_INTERRUPT with the op's result
 * (-EINTR) in rax, so that the caller can restart or deliver a signal.
 */
must_check int platform_thread_run(struct platform_thread *t, struct event *event, int *failed_op);
/*
 * The next run only carries out what has been queued and delivers what has been written to
 * guest memory; then it reports EVENT_INTERRUPT, with orig_rax ~0 and an operation's result, if
 * that is to be the call's, in rax. For a thread that others are about to look at.
 */
void platform_thread_ops_only(struct platform_thread *t);
/*
 * Does t seem to wait in the host, for a futex that the sentry was not asked about? The guest's
 * word: for showing only. Any host thread; t must be kept alive by the caller.
 */
bool platform_thread_waits(const struct platform_thread *t);
/*
 * Makes a running thread report EVENT_INTERRUPT soon; no effect on one that
 * stands still or is on its way to the sentry (its fiber will look anyway).
 * Any host thread; t must be kept alive by the caller.
 */
void platform_thread_interrupt(struct platform_thread *t);
/*
 * The thread's own fiber is about to look at whatever it may have been interrupted for: what has
 * been so far need not bring it back again.
 */
void platform_thread_looks(struct platform_thread *t);

/*
 * The thread is to end: if it still is there after some seconds, because the guest keeps it from
 * answering, its space is killed. Any host thread; t must be kept alive by the caller.
 */
void platform_thread_doom(struct platform_thread *t);

/* ---- host operations ---------------------------------------------------- */

#define HOSTOPS_MAX 16
/*
 * Queues an op for the next run. In relation to copies to the guest's memory the order of calls
 * counts; copies from it see what was there before ops that have not been synced. -ENOSPC when
 * HOSTOPS_MAX are queued: call platform_thread_sync.
 */
must_check int platform_thread_queue(struct platform_thread *t, const struct hostop *op);
/*
 * What has been copied to the guest's memory may still be on its way with the reply. After this it
 * is there: before something is set going that may look, or write, at the same place.
 */
void platform_thread_settle(struct platform_thread *t);
/*
 * Has the queued ops run now, without guest code running (execve, exit, fork).
 * Returns the result of the last op, or the first failure.
 */
must_check s64 platform_thread_sync(struct platform_thread *t);
/*
 * True when every op that t has queued has been carried out (false from the
 * moment an op is queued): what a lock on the address space waits for.
 */
bool platform_thread_ops_done(const struct platform_thread *t);

/* ---- guest memory ------------------------------------------------------- */

struct uspace *platform_thread_uspace(struct platform_thread *t);
/* Memory of a space by way of the host, for a thread that is not the caller's own (/proc/PID/mem,
 * ptrace). */
size_t platform_space_read(struct platform_space *s, void *dst, u64 src, size_t n);
size_t platform_space_write(struct platform_space *s, u64 dst, const void *src, size_t n);

/* ---- call sites ---------------------------------------------------------- */

/*
 * The address of the system call instruction by which t has just called, if it would pay to rewrite
 * it so that it does not trap, else 0. Asked once per event.
 */
u64 platform_thread_site(struct platform_thread *t);
/*
 * Rewrites that site, which lies in [low, high): private memory of the guest's that may be read
 * and executed and not written, and that the caller keeps from being changed, forked and rewritten
 * meanwhile. No operations may be queued. A site that cannot be rewritten safely stays as it is.
 */
void platform_thread_patch(struct platform_thread *t, u64 site, u64 low, u64 high);
/*
 * Makes [low, high) what it was before its sites were rewritten. Such memory may be moved or
 * made writable only after that. As above.
 */
void platform_thread_unpatch(struct platform_thread *t, u64 low, u64 high);

/* ---- signal frames ------------------------------------------------------ */

/*
 * Builds a signal frame in the host's own format on the guest's stack and
 * points the registers at the handler (System V ABI, arch/x86/kernel/signal_64.c). FPU
 * state is saved into the frame and reset for the handler.
 */
struct signal_frame {
	int signo;
	siginfo_t info;
	u64 handler, restorer;
	u64 sp;           /* top of stack to use: alternate stack's top, or rsp - 128 */
	u64 mask;         /* goes into uc_sigmask */
	stack_t altstack; /* goes into uc_stack */
	u64 trapno, error_code, cr2;
};
/* -EFAULT if the frame cannot be written: the caller forces SIGSEGV. */
must_check int platform_frame_push(struct platform_thread *t, const struct signal_frame *f);
/* rt_sigreturn: restores registers and FPU state from the frame at rsp - 8. *mask and *altstack:
 * what it held. */
must_check int platform_frame_pop(struct platform_thread *t, u64 *mask, stack_t *altstack);

/* The FPU state of a thread standing still; for guest ptrace and core dumps. n:
 * platform_xstate_size(). */
must_check int platform_xstate_get(struct platform_thread *t, void *buf, size_t n);
must_check int platform_xstate_set(struct platform_thread *t, const void *buf, size_t n);
/* Resets FPU state and all registers to what execve gives. */
void platform_thread_reset(struct platform_thread *t);
