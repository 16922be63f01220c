/*
 * The stub's own declarations. Nothing here is linked into the sentry: the stub
 * is a freestanding image that runs inside guest processes, without libc, with
 * general registers only, on a private alternate stack.
 */
#pragma once
#include "platform/stub/abi.h"
#include "platform/x86_64/host_frame.h"
#include <asm/unistd.h>
#include <errno.h>

#define EFLAGS_TF 0x100UL
#define EFLAGS_IF 0x202UL /* and the bit that is always set: what runs without any other */
#define EFLAGS_DF 0x400UL
#define EFLAGS_RF 0x10000UL
#define EFLAGS_AC 0x40000UL

static inline struct stub_shared *stub_shared(void)
{
	return (struct stub_shared *)STUB_SHARED;
}

/* arch/x86/include/asm/segment.h: the segment whose limit is the CPU, with the node above. */
#define CPUNODE_SEGMENT 0x7b
#define CPUNODE_BITS    12

static inline u32 stub_cpunode(void)
{
	u32 limit;
	__asm__ volatile("lsl %1, %0" : "=r"(limit) : "r"(CPUNODE_SEGMENT));
	return limit;
}

static inline s64 host6(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	s64 result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}
#define host3(nr, a, b, c) host6((nr), (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)

/* entry.S */
noreturn void stub_leave(struct stub_context *ctx, struct host_ucontext *uc);
void stub_restorer(void);
noreturn void stub_return(struct host_ucontext *uc);
s64 stub_futex(struct stub_context *ctx, u64 addr, u64 op, u64 val, u64 timeout, u64 addr2,
               u64 val3);
u64 stub_copy(void *dst, const void *src, u64 n);
u64 stub_copy_str(void *dst, const void *src, u64 n);
int stub_cmpxchg32(u64 addr, u32 expect, u32 value, u64 *old);
int stub_store32(u64 addr, u32 value);
s64 stub_clone_thread(u64 flags, u64 stack, u64 ctid, struct stub_context *ctx,
                      struct host_frame *frame);
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
extern const char zygote_trap[], leave_begin[], leave_end[], futex_begin[], futex_end[];
extern const char stub_text_begin[], stub_text_end[];
extern const struct stub_fault {
	u64 begin, end, resume;
} stub_faults[], stub_faults_end[];

/* fast.S */
void stub_fast(void); /* where rewritten call sites go */
enum promotion { PROMOTE_SERVE, PROMOTE_INTERRUPT };
/* Goes on as a trap would, with the registers in mc: at the reply, or with an interrupt. */
noreturn void stub_promote(const struct host_sigcontext *mc, enum promotion why);
extern const char promote_trapped[];
extern const char fast_leave_begin[], fast_leave_end[];
extern const char direct_leave_begin[], direct_leave_end[];

/* cpuid.S */
void stub_cpuid(void); /* where rewritten CPUIDs go */
extern const char cpuid_leave_begin[], cpuid_leave_end[], cpuid_interrupted[], cpuid_refused[];

/* trap.c */
/* A call without a trap; returns when guest code goes on with the registers in mc. */
void fast_call(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr);
void trap_entry(int signo, struct host_siginfo *info, struct host_ucontext *uc);
noreturn void trap_interrupted(struct stub_context *ctx, struct host_frame *frame);
/* interrupted_guest goes on here. */
noreturn void interrupt_unblocked(struct stub_context *ctx, struct host_frame *frame,
                                  const struct host_sigcontext *guest);
noreturn void trap_serve(struct stub_context *ctx, struct host_frame *frame);
/* Ends the whole process: the stub found itself in a state that cannot be. */
noreturn void stub_die(void);

/* handover.c: gives the request to the sentry and returns when the reply is there. */
void handover(struct stub_context *ctx);
/* A new thread's: its first reply, awaited asleep. */
void handover_wait(struct stub_context *ctx);
/* A forked child's, for a tenth of a second at most: is the reply there? */
must_check bool handover_wait_some(struct stub_context *ctx);

/* marshal.c */
u32 marshal_call(struct stub_context *ctx, const struct host_sigcontext *mc, u64 nr);
bool marshal_deliver(const struct stub_context *ctx, const struct stub_reply *reply);

/* direct.c: calls that need no sentry. True if the call has been answered in mc->rax. */
bool direct_call(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr);

/* files.c: calls about what an open file is. True if the call has been answered in mc->rax. */
bool file_answer(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr);

/* names.c */
/*
 * The call has been marshalled: true if it has been answered in mc->rax. Otherwise it is the one
 * that name_keep() is about.
 */
bool name_answer(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr, u32 segments);
/* The sentry's answer to that call holds as long as names are those of the epoch. */
void name_keep(struct stub_context *ctx, s64 answer, u32 epoch);
/* The same of attributes that the reply has brought, if they are those of the epoch, too. */
void name_keep_stat(struct stub_context *ctx, const struct stub_reply *reply);

/* hostops.c */
/* Receives count files that the sentry sent in one message; -1 where none came. */
void receive_files(s32 *fd, u32 count);
/* stub_futex for a wait, during which the sentry need not take the thread for a busy one. */
s64 stub_wait(struct stub_context *ctx, u64 addr, u64 op, u64 val, u64 timeout, u64 addr2,
              u64 val3);
/* False if one failed, with request.failed_op and result set. */
bool hostops_run(struct stub_context *ctx, s64 *result, bool *has_result, bool *interrupted);

/* registers.c */
void registers_save(struct user_regs_struct *r, const struct host_sigcontext *mc, u64 orig_rax);
void registers_load(const struct stub_context *ctx, struct host_sigcontext *mc,
                    const struct user_regs_struct *r);

/* frame.c */
s64 frame_push(struct stub_context *ctx, struct host_frame *frame);
s64 frame_pop(struct stub_context *ctx, struct host_frame *frame);
s64 xstate_get(struct stub_context *ctx, struct host_frame *frame);
s64 xstate_set(struct stub_context *ctx, struct host_frame *frame, u64 n);
void xstate_reset(struct host_frame *frame);

/* spawn.c */
s64 spawn_fork(struct stub_context *ctx, struct host_frame *frame, u64 token, u64 ctid);
s64 spawn_thread(struct stub_context *ctx, struct host_frame *frame, u64 k);
noreturn void thread_main(struct stub_context *ctx, struct host_frame *frame);
noreturn void spawn_exit(void);

/* warden.c: its pid, or -errno. Before the filters are there. */
s64 warden_start(void);

/* zygote.c */
noreturn void zygote_main(void);
