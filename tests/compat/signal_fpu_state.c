/*
 * FPU, SSE and AVX registers, flags and the red zone survive a signal handler that uses them; the
 * frame's copy of them can be changed by the handler. sigreturn(2).
 */
#include "compat.h"
#include <cpuid.h>
#include <ucontext.h>

static volatile int count;
static bool have_avx;

static void clobber(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
	volatile double d = 1.5;

	for (int i = 0; i < 10; i++)
		d = d * 1.25 + 3;
	__asm__ volatile("pcmpeqd %%xmm0,%%xmm0; pcmpeqd %%xmm7,%%xmm7; pcmpeqd %%xmm15,%%xmm15" ::
	                     : "xmm0", "xmm7", "xmm15");
	if (have_avx)
		__asm__ volatile("vzeroall" ::: "memory");
	__asm__ volatile("fninit; fldpi; fldpi; std; cld" ::: "memory");
	count++;
}

static void change_xmm(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *ctx = uc;

	(void)sig, (void)si;
	ctx->uc_mcontext.fpregs->_xmm[3].element[0] = 0x12345678;
	ctx->uc_mcontext.gregs[REG_R12] = 0x1122334455667788;
	count++;
}

int main(void)
{
	unsigned int a, b, c = 0, d, mxcsr = 0x1fc0, mxcsr2 = 0;
	static unsigned char in[32] __attribute__((aligned(32))),
	    out[32] __attribute__((aligned(32)));
	unsigned long in0 = 0x0123456789abcdefUL, out0 = 0, out7 = 0, out15 = 0, red = 0, flags = 0;
	unsigned short cw = 0x077f, cw2 = 0;
	double st = 0;
	pid_t me = getpid();
	long nr = SYS_kill;

	__get_cpuid(1, &a, &b, &c, &d);
	have_avx = (c & bit_AVX) && (c & bit_OSXSAVE);
	handle_info(SIGUSR1, clobber, 0);
	/* kill(getpid(), SIGUSR1) between loading and storing */
	__asm__ volatile("movq %[in],%%xmm0; movq %[in],%%xmm7; movq %[in],%%xmm15\n\t"
	                 "ldmxcsr %[mx]; fninit; fldcw %[cw]; fld1; fld1; faddp\n\t"
	                 "movq %[in],-64(%%rsp)\n\t"
	                 "stc; syscall\n\t"
	                 "movq -64(%%rsp),%[red]\n\t"
	                 "movq %%xmm0,%[o0]; movq %%xmm7,%[o7]; movq %%xmm15,%[o15]; stmxcsr "
	                 "%[mx2]; fnstcw %[cw2]; fstpl %[st]; fninit"
	                 : [o0] "=m"(out0), [o7] "=m"(out7), [o15] "=m"(out15), [mx2] "=m"(mxcsr2),
	                   [cw2] "=m"(cw2), [st] "=m"(st), [red] "=&b"(red), "+a"(nr)
	                 : [in] "r"(in0), [mx] "m"(mxcsr), [cw] "m"(cw), "D"((long)me),
	                   "S"((long)SIGUSR1)
	                 : "rcx", "r11", "xmm0", "xmm7", "xmm15", "memory", "cc");
	NUM(count);
	YES(out0 == in0 && out7 == in0 && out15 == in0);
	YES(red == in0);
	HEX(mxcsr2);
	HEX(cw2);
	printf("st %g\n", st);

	nr = SYS_kill;
	/* The carry and direction flags come back over a trap that does not touch them. */
	__asm__ volatile("stc; std; syscall; pushf; pop %0; cld"
	                 : "=r"(flags), "+a"(nr)
	                 : "D"((long)me), "S"((long)SIGUSR1)
	                 : "rcx", "r11", "memory", "cc");
	HEX(flags & 0x401);

	nr = SYS_kill;
	if (have_avx) {
		for (int i = 0; i < 32; i++)
			in[i] = (unsigned char)(i * 7 + 1);
		__asm__ volatile("vmovdqa %[in],%%ymm5; vmovdqa %[in],%%ymm12; syscall; vpxor "
		                 "%%ymm5,%%ymm12,%%ymm4; vmovdqa %%ymm5,%[out]; vzeroupper"
		                 : [out] "=m"(out), "+a"(nr)
		                 : [in] "m"(in), "D"((long)me), "S"((long)SIGUSR1)
		                 : "rcx", "r11", "xmm4", "xmm5", "xmm12", "memory", "cc");
	}
	YES(memcmp(in, out, 32) == 0);

	handle_info(SIGUSR1, change_xmm, 0);
	nr = SYS_kill;
	unsigned long x3 = 0, r12 = 0;
	__asm__ volatile(
	    "pxor %%xmm3,%%xmm3; mov $5,%%r12; syscall; movq %%xmm3,%[x]; mov %%r12,%[r]"
	    : [x] "=m"(x3), [r] "=m"(r12), "+a"(nr)
	    : "D"((long)me), "S"((long)SIGUSR1)
	    : "rcx", "r11", "r12", "xmm3", "memory", "cc");
	HEX(x3);
	HEX(r12);
	NUM(count);

	/* Many asynchronous signals while numbers are crunched. */
	handle_info(SIGALRM, clobber, SA_RESTART);
	count = 0;
	struct itimerspec it = {{0, 1000000}, {0, 1000000}};
	timer_t tm;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	timer_create(CLOCK_MONOTONIC, &ev, &tm);
	timer_settime(tm, 0, &it, NULL);
	double sum = 0;
	long t0 = now_ms();
	int wrong = 0;
	while (now_ms() - t0 < 300 || (count <= 20 && now_ms() - t0 < 30000)) {
		sum = 0;
		for (int i = 1; i <= 20000; i++)
			sum += 1.0 / i;
		wrong += sum < 10.4806 || sum > 10.4808;
	}
	timer_delete(tm);
	NUM(wrong);
	YES(count > 20);
	return 0;
}
