/*
 * Guest signal frames and FPU state. The host shows a stopped thread's XSAVE image in the form that
 * its own signal frames have, but for the few words by which a frame says how large it is:
 * those are added here. So a guest finds the same frame as under systrap, whose stub copies the
 * host's (platform/stub/frame.c).
 */
#include "platform/ptrace/ptrace.h"
#include "platform/x86_64/host_frame.h"
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define XSTATE_MAX (16 * 1024UL)
/* Where the host says which components there can be: xstate_fx_sw_bytes[0]. */
#define XSTATE_XCR0 464

#define EFLAGS_HANDLER_CLEARS (0x400UL | 0x10000UL | 0x100UL) /* DF, RF, TF */

/* Used between two parks only, by the one worker. */
static union {
	struct host_xstate head;
	_Alignas(64) u8 bytes[XSTATE_MAX];
} image;

long xstate_load(struct ptrace_thread *t, void *buf, size_t n)
{
	struct iovec iov = {buf, n};
	long err = tracer_request(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, &iov);

	if (err == -ESRCH)
		atomic_store(&t->died, true);
	return err ? err : (long)iov.iov_len;
}

int xstate_store(struct ptrace_thread *t, const void *buf, size_t n)
{
	struct iovec iov = {(void *)buf, n};
	long err = tracer_request(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, &iov);

	if (err == -ESRCH)
		atomic_store(&t->died, true);
	return (int)err;
}

/* Fills in what the host's frames say of themselves; the image's bytes, or -errno. */
static long image_load(struct ptrace_thread *t)
{
	u64 components;
	long n = xstate_load(t, image.bytes, sizeof(image));

	if (n < 0)
		return n;
	if (n < (long)HOST_FX_SIZE + 64)
		return -EIO;
	memcpy(&components, image.bytes + XSTATE_XCR0, sizeof(components));
	memset(image.bytes + XSTATE_XCR0, 0, HOST_FX_SIZE - XSTATE_XCR0);
	image.head.magic1 = HOST_FP_MAGIC1;
	image.head.extended_size = (u32)n + sizeof(u32);
	image.head.xfeatures = components;
	image.head.xstate_size = (u32)n;
	return n;
}

int xstate_clear(struct ptrace_thread *t)
{
	long n = image_load(t);

	if (n < 0)
		return (int)n;
	host_xstate_reset(&image.head);
	return xstate_store(t, image.bytes, (size_t)n);
}

static void frame_fill(struct host_frame *out, const struct signal_frame *f,
                       const struct user_regs_struct *r, u64 fpstate)
{
	*out = (struct host_frame){
	    .restorer = f->restorer,
	    .uc = {.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
	           .stack = f->altstack,
	           .sigmask = f->mask,
	           .mc = {.r8 = r->r8,
	                  .r9 = r->r9,
	                  .r10 = r->r10,
	                  .r11 = r->r11,
	                  .r12 = r->r12,
	                  .r13 = r->r13,
	                  .r14 = r->r14,
	                  .r15 = r->r15,
	                  .rdi = r->rdi,
	                  .rsi = r->rsi,
	                  .rbp = r->rbp,
	                  .rbx = r->rbx,
	                  .rdx = r->rdx,
	                  .rax = r->rax,
	                  .rcx = r->rcx,
	                  .rsp = r->rsp,
	                  .rip = r->rip,
	                  .eflags = r->eflags,
	                  .err = f->error_code,
	                  .trapno = f->trapno,
	                  .oldmask = f->mask,
	                  .cr2 = f->cr2,
	                  .fpstate = fpstate}}};
	memcpy(&out->info, &f->info, sizeof(out->info));
}

static bool guest_put(struct ptrace_thread *t, u64 dst, const void *src, size_t n)
{
	return ptrace_space_write(t->base.space, dst, src, n) == n;
}

static bool guest_get(struct ptrace_thread *t, void *dst, u64 src, size_t n)
{
	return ptrace_space_read(t->base.space, dst, src, n) == n;
}

int ptrace_frame_push(struct platform_thread *pt, const struct signal_frame *f)
{
	static const u32 magic2 = HOST_FP_MAGIC2;
	struct ptrace_thread *t = ptrace_thread(pt);
	struct user_regs_struct *r = &pt->regs;
	struct host_frame out;
	u64 fp, sp;
	long n;

	/* Queued operations belong before it. */
	if (pt->ops) {
		s64 result = ptrace_sync(pt);
		if (result < 0 && result >= -4095 && !t->died)
			return (int)result;
	}
	if (pt->reset_fpu && xstate_clear(t) != 0)
		return 0; /* the next run reports the death */
	n = image_load(t);
	if (n < 0)
		return 0;
	fp = (f->sp - (u64)n - sizeof(magic2)) & ~63UL;
	sp = ((fp - sizeof(out)) & ~15UL) - 8;
	if (f->sp >= GUEST_MAX || sp >= f->sp)
		return -EFAULT;
	frame_fill(&out, f, r, fp);
	out.uc.mc.cs = (u16)t->host.cs;
	out.uc.mc.ss = (u16)t->host.ss;
	if (!guest_put(t, fp, image.bytes, (size_t)n) ||
	    !guest_put(t, fp + (u64)n, &magic2, sizeof(magic2)) ||
	    !guest_put(t, sp, &out, sizeof(out)))
		return -EFAULT;
	host_xstate_reset(&image.head);
	if (xstate_store(t, image.bytes, (size_t)n) != 0)
		return 0;
	r->rdi = (u64)(s64)f->signo;
	r->rsi = sp + offsetof(struct host_frame, info);
	r->rdx = sp + offsetof(struct host_frame, uc);
	r->rax = 0;
	r->rsp = sp;
	r->rip = f->handler;
	r->eflags &= ~EFLAGS_HANDLER_CLEARS;
	r->orig_rax = ~0ULL;
	pt->reset_fpu = false;
	return 0;
}

/* The image at guest address from becomes t's state. */
static int image_pop(struct ptrace_thread *t, u64 from)
{
	struct host_xstate ours, theirs;
	u32 size = HOST_FX_SIZE, magic2;
	long n = image_load(t);

	if (n < 0)
		return (int)n;
	if (from == 0) {
		host_xstate_reset(&image.head);
		return xstate_store(t, image.bytes, (size_t)n);
	}
	ours = image.head;
	if (!guest_get(t, &theirs, from, HOST_FX_SIZE))
		return -EFAULT;
	if (host_xstate_extended(&ours, &theirs, from)) {
		if (!guest_get(t, &magic2, from + theirs.xstate_size, sizeof(magic2)))
			return -EFAULT;
		if (magic2 == HOST_FP_MAGIC2)
			size = theirs.xstate_size;
	}
	if (!guest_get(t, image.bytes, from, size))
		return -EFAULT;
	host_xstate_adopt(&image.head, &ours, size);
	host_xstate_trim(&image.head, &theirs, size);
	return xstate_store(t, image.bytes, (size_t)n);
}

static void regs_pop(struct user_regs_struct *r, const struct host_sigcontext *mc)
{
	r->r8 = mc->r8;
	r->r9 = mc->r9;
	r->r10 = mc->r10;
	r->r11 = mc->r11;
	r->r12 = mc->r12;
	r->r13 = mc->r13;
	r->r14 = mc->r14;
	r->r15 = mc->r15;
	r->rdi = mc->rdi;
	r->rsi = mc->rsi;
	r->rbp = mc->rbp;
	r->rbx = mc->rbx;
	r->rdx = mc->rdx;
	r->rax = mc->rax;
	r->rcx = mc->rcx;
	r->rsp = mc->rsp;
	r->rip = mc->rip;
	r->eflags = (mc->eflags & SIGRETURN_EFLAGS) | (r->eflags & ~SIGRETURN_EFLAGS);
	r->orig_rax = ~0ULL;
}

int ptrace_frame_pop(struct platform_thread *pt, u64 *mask, stack_t *altstack)
{
	struct ptrace_thread *t = ptrace_thread(pt);
	struct host_frame in;

	/* The return address is gone from the stack; the information is of no use any more. */
	if (!guest_get(t, &in, pt->regs.rsp - 8, offsetof(struct host_frame, info)) ||
	    image_pop(t, in.uc.mc.fpstate) != 0)
		return -EFAULT;
	regs_pop(&pt->regs, &in.uc.mc);
	*mask = in.uc.sigmask;
	*altstack = in.uc.stack;
	pt->reset_fpu = false;
	return 0;
}

int ptrace_xstate_get(struct platform_thread *pt, void *buf, size_t n)
{
	long got = image_load(ptrace_thread(pt));

	if (got < 0)
		return (int)got;
	memset(buf, 0, n);
	memcpy(buf, image.bytes, min_of(n, (size_t)got));
	return 0;
}

int ptrace_xstate_set(struct platform_thread *pt, const void *buf, size_t n)
{
	struct ptrace_thread *t = ptrace_thread(pt);
	struct host_xstate ours;
	long room = image_load(t);

	if (room < 0)
		return (int)room;
	if (n < HOST_FX_SIZE || n > (size_t)room || (n > HOST_FX_SIZE && n < HOST_FX_SIZE + 64))
		return -EINVAL;
	ours = image.head;
	memcpy(image.bytes, buf, n);
	host_xstate_adopt(&image.head, &ours, (u32)n);
	return xstate_store(t, image.bytes, (size_t)room);
}
