/*
 * What the sentry and a stub say to each other, in memory that both map.
 *
 * Each guest thread has one struct stub_context. Its state word says whose
 * turn it is:
 *
 *	GUEST    guest code runs
 *	REQUEST  the stub has filled in `request` and waits
 *	REPLY    the sentry has filled in `reply`; the stub carries it out
 *
 * The guest can write to all of it, as it can write to anything in its own
 * address space. So the sentry copies a field once and checks the copy, keeps
 * what it knows about a thread in memory of its own, and never decides by the
 * state word alone whether a thread is waiting.
 */
#pragma once
#include "platform/platform.h"
#include "platform/stub/layout.h"
#include <linux/utsname.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum stub_state {
	STUB_GUEST,
	STUB_REQUEST,
	STUB_REPLY,
	/* Or-ed to REQUEST: the thread sleeps on the word, so a reply needs a FUTEX_WAKE. */
	STUB_SLEEPS = 0x100,
	/* The same, by the sentry: the reply will take long, and the core is wanted. */
	STUB_LONG = 0x200,
	/* The same: the request has been found, so nobody need be woken for it. */
	STUB_TAKEN = 0x800,
	/* Or-ed to GUEST: the thread waits for a futex of the guest's, in the host. */
	STUB_WAITS = 0x400,
};

enum stub_request_kind {
	REQUEST_SYSCALL,
	REQUEST_FAULT,
	REQUEST_INTERRUPT,
	REQUEST_DONE,       /* the verb has been carried out; `result` says how */
	REQUEST_OPS_FAILED, /* host operation number failed_op returned `result`; later ones not
	                       done */
};

/* A part of guest memory whose bytes lie in the window at `offset`. */
struct stub_segment {
	u64 addr;
	u32 len;
	u32 offset;
};
#define STUB_IN_SEGMENTS  6
#define STUB_OUT_SEGMENTS 8

/*
 * What there is to most requests. It comes with the word that says that it is there, in one line,
 * and lies where the reply's beginning will: by then it has been taken.
 */
struct stub_call {
	u8 kind;     /* enum stub_request_kind */
	u8 segments; /* how many of the request's */
	u8 fast; /* REQUEST_SYSCALL: by a rewritten site; regs need be looked at only if asked for
	          */
	u8 says; /* REQUEST_SYSCALL: CALL_* */
	u32 nr;  /* REQUEST_SYSCALL */
	u64 arg[6];
};
_Static_assert(sizeof(struct stub_call) == 56, "one line, with the state");

#define CALL_TOLD_USED 1 /* something was answered by `files` since the last one */
#define CALL_USAGE     2 /* what the thread has used comes along */

/* The rest: what nobody reads stays where it was written, and does not travel between the cores. */
struct stub_request {
	struct stub_segment segment[STUB_IN_SEGMENTS];
	u32 weight; /* REQUEST_SYSCALL: how many traps this one stands for */
	u32 failed_op;
	s32 signo;
	s32 code;
	u64 addr, trapno, error_code, cr2;
	s64 result;
	u64 value;        /* VERB_CMPXCHG: what was there; VERB_FRAME_POP: the signal mask */
	stack_t altstack; /* VERB_FRAME_POP */
	struct user_regs_struct regs;
	struct rusage usage;
};

enum stub_verb {
	VERB_RESUME,     /* host operations, copy-out, registers, back to guest code */
	VERB_OPS,        /* host operations only; result: the last one's */
	VERB_FORK,       /* arg[0] token, arg[1] address of the child's tid word; two files come:
	                    the child's context and socket; result: pid */
	VERB_CLONE,      /* arg[0] index of the new thread; result: tid */
	VERB_EXIT,       /* end this host thread */
	VERB_COPY_IN,    /* arg: guest address, length, window offset; result: bytes */
	VERB_COPY_STR,   /* the same, up to and with the first NUL */
	VERB_COPY_OUT,   /* the same, the other way */
	VERB_CMPXCHG,    /* arg: guest address, expected, new; result 0 or -EFAULT, value */
	VERB_FRAME_PUSH, /* frame */
	VERB_FRAME_POP,  /* result, value, altstack and regs */
	VERB_XSTATE_GET, /* to the start of the window; result: bytes */
	VERB_USAGE,      /* getrusage of this thread to the start of the window */
	VERB_XSTATE_SET, /* arg[0] bytes at the start of the window */
};

#define REPLY_REGS_CHANGED 1u /* apply all registers, not rax alone */
#define REPLY_RESET_FPU    2u
#define REPLY_OPS_ONLY     4u /* then come back: guest code does not run */
#define REPLY_LASTS        8u /* the stub may give this answer again, while the epoch is `epoch` */
/* The same of a file's attributes, the only segment, as long as `attr` says so, too. */
#define REPLY_STAT_LASTS 16u

struct stub_op {
	/* Most operations: one line. */
	u32 kind;
	u32 last_result;
	s32 prot, flags;
	u32 has_fd;
	s32 placed; /* the number of its file, which is put there in time; -1: it arrives by the
	               space's socket */
	u64 addr, len, newaddr, newlen, off;
	/* The others. */
	u64 val, val2, val3, deadline;
};
#define STUB_OP_SHORT 64

struct stub_frame {
	s32 signo;
	u32 pad;
	u64 handler, restorer, sp, mask;
	u64 trapno, error_code, cr2;
	stack_t altstack;
	u8 info[128];
};

struct stub_reply {
	u32 verb;
	u32 flags;
	u64 rax;
	u32 ops;
	u32 files; /* how many of the ops have a file coming */
	u32 segments;
	u32 epoch;
	union {
		u64 seq;          /* echoed in ops_done when the operations have been carried out */
		struct told attr; /* REPLY_STAT_LASTS, where there are none */
	};
	struct stub_segment segment[STUB_OUT_SEGMENTS]; /* one of them in the state's line */
	u64 arg[4];
	struct user_regs_struct regs;
	u64 pad2[3]; /* so that an operation begins a line */
	union {
		struct stub_op op[HOSTOPS_MAX];
		struct stub_frame frame;
	};
};

/* Of a descriptor, as long as shared->fd_word[word] is `seen`. */
struct fd_told {
	u32 seen;
	u16 word;
	u8 answers; /* enum fd_answer; 0: nothing is told */
	u8 pad;
};

/* What there is to the open file that a descriptor is: files.c. */
struct file_told {
	u32 fd; /* 1 + the descriptor; 0: nothing is told */
	u32 flags, cloexec, pad;
	struct told of_fd, of_attr, of_flags; /* of all; of st; of flags */
	u64 pad2;
	struct stat st;
};
/* By the descriptor's last bits. Most are asked about soon after they were opened. */
#define STUB_FILES_TOLD 4
_Static_assert(sizeof(struct file_told) == 192, "three lines");

/* A call about a name: all that its answer depends on but the name itself. */
struct name_call {
	u64 hash;  /* of all of it */
	u64 flags; /* of the call */
	u32 nr;    /* 0: not such a call */
	u32 len;   /* of the name, with the NUL */
};
/* Answers that have been given once: a call that is made again is worth being kept. */
#define NAME_MARKS 64

/* An answer that lasts, in the stub's private memory: names.c. */
struct name_answer {
	struct name_call call;
	u64 whose; /* each thread has its own, and a forked child not its parent's */
	u32 epoch;
	s32 answer;
	u8 name[88];
};
#define NAME_ANSWERS 256

/* The same of what a name leads to. */
struct name_stat {
	struct name_call call;
	u64 whose;
	u32 epoch, pad;
	struct told attr;
	struct stat st;
	u8 name[64];
};
#define NAME_STATS 64

struct name_answers {
	struct name_answer answer[NAME_ANSWERS];
	struct name_stat stat[NAME_STATS];
};
_Static_assert(sizeof(struct name_answer) == 128 && sizeof(struct name_stat) == 256 &&
                   sizeof(struct name_answers) == STUB_NAMES_STEP,
               "layout.h says how much a thread has");

struct stub_context {
	/*
	 * The sentry wants the thread back: looked at before every sleep and on every way out, and
	 * by the sentry at every request. What else is written often must not be in this line.
	 */
	_Alignas(64) _Atomic u32 interrupt;
	/* Nonzero while a host thread uses this index; the host kernel clears it when the thread is
	 * gone. */
	_Atomic u32 tid;
	/*
	 * For calls without a trap: where the stub sees this context, or 0 if there are to be
	 * none; the stack to run on; the guest's stack pointer on the way there.
	 */
	_Alignas(64) u64 self;
	u64 stack, guest_rsp;
	/* What fast.S keeps of the call that it answers: where from, with what, the flags. */
	u64 fast_call, fast_answer;
	_Atomic u64 ops_done;
	/* What cpuid.S keeps, beside them; how many it has answered. */
	u64 cpuid_back, cpuids;
	/* What the stub may answer itself; `direct` says whether it may. */
	_Alignas(64) _Atomic u32 direct;
	u32 fast_flags;
	_Atomic s32 ppid;
	struct thread_identity identity;
	_Atomic u32 any_cpu;
	u64 direct_calls, traps;
	/* The stub's own, since its last request; and for its waiting policy. */
	u32 told_used;
	u32 waits, vain_waits;
	u64 sleeps, rings;
	/* Descriptors whose reads and writes it may answer. */
	struct fd_told fd_told[PLATFORM_FD_ANSWERS];
	/* The thread's number, which no other has had; not 0. */
	u64 thread;
	/* What names.c keeps of the call about a name that was asked last, and of answers. */
	struct name_call name_call;
	u32 names_kept, stats_kept;
	u8 name_marks[NAME_MARKS];
	_Alignas(64) struct stub_request request;
	/* With what most requests and replies say in its line. */
	_Alignas(64) _Atomic u32 state;
	/* Where the thread was when it lost patience: set before it sleeps. */
	_Atomic u32 cpu;
	union {
		struct stub_call call;
		struct stub_reply reply;
	};
	_Alignas(64) struct file_told files[STUB_FILES_TOLD];
	_Alignas(STUB_HEADER_SIZE) u8 window[STUB_WINDOW_SIZE];
};
_Static_assert(sizeof(struct stub_context) == STUB_CONTEXT_SIZE, "layout.h says how large");
_Static_assert(offsetof(struct stub_context, window) == STUB_HEADER_SIZE, "one page of header");
_Static_assert(offsetof(struct stub_context, interrupt) == 0, "context.inc knows");
_Static_assert(offsetof(struct stub_context, reply.segment[1]) % 64 == 0 &&
                   offsetof(struct stub_context, reply.op) % 64 == 0 &&
                   offsetof(struct stub_op, val) == STUB_OP_SHORT,
               "one segment in the state's line, and most operations in one more");
_Static_assert(offsetof(struct stub_context, self) == 64 &&
                   offsetof(struct stub_context, stack) == 72 &&
                   offsetof(struct stub_context, guest_rsp) == 80,
               "context.inc knows");
_Static_assert(offsetof(struct stub_context, fast_call) == 88 &&
                   offsetof(struct stub_context, fast_answer) == 96 &&
                   offsetof(struct stub_context, cpuid_back) == 112 &&
                   offsetof(struct stub_context, cpuids) == 120 &&
                   offsetof(struct stub_context, direct) == 128 &&
                   offsetof(struct stub_context, fast_flags) == 132 &&
                   offsetof(struct stub_context, ppid) == 136 &&
                   offsetof(struct stub_context, identity) == 140 &&
                   offsetof(struct stub_context, direct_calls) == 176,
               "context.inc knows");
_Static_assert(offsetof(struct thread_identity, pid) == 0 &&
                   offsetof(struct thread_identity, tid) == 4 &&
                   offsetof(struct thread_identity, uid) == 8 &&
                   offsetof(struct thread_identity, euid) == 12 &&
                   offsetof(struct thread_identity, gid) == 16 &&
                   offsetof(struct thread_identity, egid) == 20,
               "fast.S knows");
_Static_assert(SHARED_PATCH_TABLE == PLATFORM_RESERVED &&
                   SHARED_PATCH_BACK + SHARED_PATCH_BACK_SIZE <= PATCH_TABLE &&
                   SHARED_PATCH_BACK_SIZE >= SHARED_PATCH_MAX * sizeof(u64) &&
                   PATCH_CODE + PATCH_CODE_SIZE == PLATFORM_RESERVED_END,
               "layout.h and platform.h agree");

/* What CPUID says to a leaf (the key's upper half) and sub-leaf, as far as the mask goes. */
struct cpuid_answer {
	u64 mask; /* 0: the table ends here */
	u64 key;
	u32 eax, ebx, ecx, edx;
};
#define CPUID_ANSWERS 64

/* One per sandbox; stubs see it read only, so no guest can wake or starve another's worker. */
struct stub_shared {
	_Alignas(64) _Atomic u32 doorbell;
	_Alignas(64) _Atomic u32 spin_limit; /* in time stamp counter ticks; 0: never wait awake */
	/* 1 + the CPU of the only worker, when it last looked around; 0: there are several. */
	_Atomic u32 worker_cpu;
	_Alignas(64) _Atomic u32 fd_word[PLATFORM_FD_WORDS];
	_Alignas(64) _Atomic u32 told_word[PLATFORM_TOLD_WORDS];
	_Alignas(64) _Atomic u32 name_epoch;
	/* uname(2); the number is odd while they change. */
	_Alignas(64) _Atomic u32 names_seq;
	struct new_utsname names;
	_Alignas(PAGE_SIZE) struct marshal_desc marshal[MARSHAL_NR];
	_Alignas(PAGE_SIZE) u8 zeros[PAGE_SIZE];
	_Alignas(PAGE_SIZE) struct cpuid_answer cpuid[CPUID_ANSWERS + 1];
};
_Static_assert(STUB_SHARED + offsetof(struct stub_shared, cpuid) == STUB_CPUID_ANSWERS &&
                   sizeof(struct cpuid_answer) == 32 && offsetof(struct cpuid_answer, eax) == 16,
               "cpuid.S knows");

/* What the zygote needs to become a stub; the page stays, private to each stub. */
#define STUB_FILTER_MAX 1000
struct stub_params {
	u64 bounce, bounce_len;             /* where the boot script ran; unmapped first */
	u64 token;                          /* of the fork by which this stub came: see spawn.c */
	s32 socket;                         /* by which files come */
	u32 gate_len, call_len, notify_len; /* notify: 0 for none */
	u64 gate[STUB_FILTER_MAX];          /* struct sock_filter: the instruction pointer */
	u64 call[STUB_FILTER_MAX];          /* struct sock_filter: the stub's own calls */
	u64 notify[16];                     /* struct sock_filter: of which the sentry is asked */
};

/* CLONE_PARENT | CLONE_CHILD_CLEARTID */
#define STUB_FORK_FLAGS 0x00208000UL
/* CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | CHILD_CLEARTID */
#define STUB_THREAD_FLAGS 0x00250f00UL
/* <sys/resource.h> has it only for GNU sources. */
#define STUB_RUSAGE_THREAD 1
/* The signal by which the sentry interrupts a thread: SIGURG, of which one is pending at most. */
#define STUB_INTERRUPT_SIGNAL 23

static inline struct stub_context *stub_context_at(u64 base, unsigned k)
{
	return (struct stub_context *)(base + (u64)k * STUB_CONTEXT_SIZE);
}
