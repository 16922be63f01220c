/* Registers between the host's signal frame and the form in which the sentry keeps them. */
#include "platform/stub/stub.h"

/*
 * A guest that does not use GS has its thread's context there, by which calls without a
 * trap find it. To the guest and the sentry that is a base of zero.
 */
static bool is_context(u64 gs)
{
	return gs >= STUB_CONTEXTS && gs < STUB_CONTEXTS + (u64)STUB_CONTEXTS_SIZE;
}

void registers_save(struct user_regs_struct *r, const struct host_sigcontext *mc, u64 orig_rax)
{
	u64 fs, gs;
	__asm__ volatile("rdfsbase %0; rdgsbase %1" : "=r"(fs), "=r"(gs));
	r->r15 = mc->r15;
	r->r14 = mc->r14;
	r->r13 = mc->r13;
	r->r12 = mc->r12;
	r->rbp = mc->rbp;
	r->rbx = mc->rbx;
	r->r11 = mc->r11;
	r->r10 = mc->r10;
	r->r9 = mc->r9;
	r->r8 = mc->r8;
	r->rax = mc->rax;
	r->rcx = mc->rcx;
	r->rdx = mc->rdx;
	r->rsi = mc->rsi;
	r->rdi = mc->rdi;
	r->orig_rax = orig_rax;
	r->rip = mc->rip;
	r->cs = mc->cs;
	r->eflags = mc->eflags;
	r->rsp = mc->rsp;
	r->ss = mc->ss;
	r->fs_base = fs;
	r->gs_base = is_context(gs) ? 0 : gs;
}

/* Segment selectors stay as they are: a 64-bit guest has no others. */
void registers_load(const struct stub_context *ctx, struct host_sigcontext *mc,
                    const struct user_regs_struct *r)
{
	u64 gs = r->gs_base ? r->gs_base : ctx->self;
	mc->r15 = r->r15;
	mc->r14 = r->r14;
	mc->r13 = r->r13;
	mc->r12 = r->r12;
	mc->rbp = r->rbp;
	mc->rbx = r->rbx;
	mc->r11 = r->r11;
	mc->r10 = r->r10;
	mc->r9 = r->r9;
	mc->r8 = r->r8;
	mc->rcx = r->rcx;
	mc->rdx = r->rdx;
	mc->rsi = r->rsi;
	mc->rdi = r->rdi;
	mc->rip = r->rip;
	mc->eflags = r->eflags;
	mc->rsp = r->rsp;
	/* The sentry has checked that both are user addresses; wrfsbase faults on others. */
	__asm__ volatile("wrfsbase %0; wrgsbase %1" ::"r"(r->fs_base), "r"(gs));
}
