/*
 * si_code and si_addr of SIGFPE, SIGILL, SIGTRAP, raised by instructions. sigaction(2).
 */
#include "compat.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf env;
static volatile int code, at_rip, trapno;

static void jump(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *ctx = uc;

	code = si->si_code;
	at_rip = si->si_addr == (void *)ctx->uc_mcontext.gregs[REG_RIP];
	trapno = (int)ctx->uc_mcontext.gregs[REG_TRAPNO];
	siglongjmp(env, sig);
}

#define TRY(what, ...)                                                                             \
	do {                                                                                       \
		int sig_ = sigsetjmp(env, 1);                                                      \
		if (sig_ == 0) {                                                                   \
			__VA_ARGS__;                                                               \
			printf("%s: nothing happened\n", what);                                    \
		} else {                                                                           \
			printf("%s: %s code %d, addr is rip %d, trap %d\n", what, sig_name(sig_),  \
			       code, at_rip, trapno);                                              \
		}                                                                                  \
	} while (0)

int main(void)
{
	int sigs[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS};

	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		handle_info(sigs[i], jump, 0);
	printf("FPE_INTDIV %d ILL_ILLOPN %d TRAP_BRKPT %d TRAP_TRACE %d\n", FPE_INTDIV, ILL_ILLOPN,
	       TRAP_BRKPT, TRAP_TRACE);
	TRY("division by zero",
	    __asm__ volatile("xor %%ecx,%%ecx; mov $1,%%eax; cltd; idiv %%ecx" ::
	                         : "eax", "ecx", "edx"));
	TRY("division overflow",
	    __asm__ volatile("mov $-1,%%ecx; mov $0x80000000,%%eax; cltd; idiv %%ecx" ::
	                         : "eax", "ecx", "edx"));
	TRY("ud2", __asm__ volatile("ud2"));
	TRY("int3", __asm__ volatile("int3"));
	TRY("hlt", __asm__ volatile("hlt"));
	TRY("cli", __asm__ volatile("cli"));
	TRY("single step", __asm__ volatile("pushf; orq $0x100,(%%rsp); popf; nop; nop" ::
	                                        : "cc", "memory"));
	unsigned int mxcsr;
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	TRY("sse division by zero", unsigned int un = mxcsr & ~0x200u; double zero = 0;
	    __asm__ volatile("ldmxcsr %1; movsd %0,%%xmm1; mov $1,%%eax; cvtsi2sd %%eax,%%xmm0; "
	                     "divsd %%xmm1,%%xmm0" ::"m"(zero),
	                     "m"(un)
	                     : "xmm0", "xmm1", "eax"));
	printf("FPE_FLTDIV %d\n", FPE_FLTDIV);
	IN_CHILD("ud2 by default", signal(SIGILL, SIG_DFL); __asm__ volatile("ud2"));
	IN_CHILD("int3 by default", signal(SIGTRAP, SIG_DFL); __asm__ volatile("int3"));
	return 0;
}
