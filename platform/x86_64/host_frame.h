/*
 * The host's signal frame and the XSAVE image in it, as the kernel lays them
 * out. Guests' frames have the same form, so both platforms build and read it:
 * the stub from the frame of its trap, ptrace from what the host shows of a stopped thread.
 * No call is made here, as the stub has no libc.
 */
#pragma once
#include "base/types.h"
#include <signal.h>

/* The host's signal frame, arch/x86/include/asm/sigframe.h: where all guest state is while
 * a stub runs. */
struct host_sigcontext {
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2;
	u64 fpstate;
	u64 reserved[8];
};
struct host_ucontext {
	u64 flags;
	u64 link;
	stack_t stack;
	struct host_sigcontext mc;
	u64 sigmask;
};
struct host_siginfo {
	s32 signo, error, code, pad;
	union {
		u64 addr;
		struct {
			u64 call_addr;
			s32 syscall;
			u32 arch;
		};
		u8 bytes[112];
	};
};
struct host_frame {
	u64 restorer;
	struct host_ucontext uc;
	struct host_siginfo info;
};

/* arch/x86/include/uapi/asm/sigcontext.h: what the host says about the XSAVE area in a frame. */
struct host_xstate {
	u16 cwd, swd, twd, fop;
	u64 rip, rdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[128], xmm[256];
	u8 reserved[48];
	u32 magic1;
	u32 extended_size;
	u64 xfeatures;
	u32 xstate_size;
	u32 pad[7];
	/* The XSAVE header, at offset 512. */
	u64 header_xfeatures, xcomp_bv, header_reserved[6];
};
#define HOST_FP_MAGIC1 0x46505853u
#define HOST_FP_MAGIC2 0x46505845u
#define HOST_FX_SIZE   512

/* arch/x86/include/uapi/asm/ucontext.h */
#define UC_FP_XSTATE         1UL
#define UC_SIGCONTEXT_SS     2UL
#define UC_STRICT_RESTORE_SS 4UL

#define MXCSR_DEFAULT 0x1f80u
#define FCW_DEFAULT   0x37f

/* The flags that rt_sigreturn may set: FIX_EFLAGS in arch/x86/kernel/signal_64.c. */
#define SIGRETURN_EFLAGS 0x50dd5UL

/* Bytes of the image with the magic word behind it; the legacy area alone if the host has no more.
 */
static inline u32 host_xstate_bytes(const struct host_xstate *x)
{
	return x->magic1 == HOST_FP_MAGIC1 ? x->extended_size : HOST_FX_SIZE;
}

/* The state of a fresh program. */
static inline void host_xstate_reset(struct host_xstate *x)
{
	/* Components that the header does not name are initialised by XRSTOR; MXCSR is always
	 * loaded. */
	if (x->magic1 == HOST_FP_MAGIC1)
		x->header_xfeatures = 0;
	__builtin_memset(x, 0, offsetof(struct host_xstate, mxcsr_mask));
	__builtin_memset(x->st, 0, sizeof(x->st));
	__builtin_memset(x->xmm, 0, sizeof(x->xmm));
	x->cwd = FCW_DEFAULT;
	x->mxcsr = MXCSR_DEFAULT;
}

/*
 * x has been overwritten by n bytes of a guest's image; ours is what it was. Makes it such that the
 * host accepts it.
 */
static inline void host_xstate_adopt(struct host_xstate *x, const struct host_xstate *ours, u32 n)
{
	__builtin_memcpy(x->reserved, ours->reserved, sizeof(ours->reserved));
	x->magic1 = ours->magic1;
	x->extended_size = ours->extended_size;
	x->xfeatures = ours->xfeatures;
	x->xstate_size = ours->xstate_size;
	__builtin_memcpy(x->pad, ours->pad, sizeof(ours->pad));
	x->mxcsr_mask = ours->mxcsr_mask;
	x->mxcsr &= ours->mxcsr_mask ? ours->mxcsr_mask : 0xffbf;
	if (ours->magic1 != HOST_FP_MAGIC1)
		return;
	if (n <= HOST_FX_SIZE) {
		/* A legacy image holds x87 and SSE; the rest starts afresh. */
		x->header_xfeatures = 3;
	} else {
		x->header_xfeatures &= ours->xfeatures;
	}
	x->xcomp_bv = 0;
	__builtin_memset(x->header_reserved, 0, sizeof(x->header_reserved));
}

/*
 * Does a guest's frame with this legacy area, at address from, claim more than that, as the host
 * checks it (check_xstate_in_sigframe() in arch/x86/kernel/fpu/signal.c)? If the second magic word
 * is there, too, theirs->xstate_size bytes count.
 */
static inline bool host_xstate_extended(const struct host_xstate *ours,
                                        const struct host_xstate *theirs, u64 from)
{
	return ours->magic1 == HOST_FP_MAGIC1 && theirs->magic1 == HOST_FP_MAGIC1 &&
	       theirs->xstate_size >= HOST_FX_SIZE + 64 &&
	       theirs->xstate_size <= ours->xstate_size &&
	       theirs->xstate_size <= theirs->extended_size && (from & 63) == 0;
}

/* Components that lie beyond a smaller image, or that it says it does not have, start afresh. */
static inline void host_xstate_trim(struct host_xstate *x, const struct host_xstate *theirs,
                                    u32 size)
{
	if (size <= HOST_FX_SIZE)
		return;
	x->header_xfeatures &= theirs->xfeatures;
	if (size < x->xstate_size)
		x->header_xfeatures &= 7;
}
