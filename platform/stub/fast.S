/*
 * The way in and out of a call from a rewritten site, which does not trap.
 *
 * The site's code (platform/systrap/patch.c) comes here with the number in eax and the
 * address to go on at in rcx; rcx and r11 are free, as a system call spoils them. All other
 * registers are the guest's and stay so: flags, the red zone, and the vector registers, which the
 * stub never touches. So the first thing is to put the flags where comparing does
 * not spoil them.
 *
 * Without the thread's context in GS (context.inc) the call traps after all, by the instruction
 * that lies before the address in rcx.
 *
 * What is one number from the page that says who the thread is, is answered at once.
 *
 * Else the registers go to the fast part of the thread's stack, as a struct host_sigcontext. On the
 * way out, an interrupt signal between the look at the flag and the jump must find
 * the way back to the look: as long as rcx and r11 are what they are at
 * fast_leave_begin, everything in between can be done again (entry.S, trap.c nested).
 */
#include "platform/stub/context.inc"
#include <asm/unistd.h>

/* Offsets in struct host_sigcontext, which is the host's; trap.c asserts them. */
#define MC_R8     0
#define MC_R9     8
#define MC_R10    16
#define MC_R12    32
#define MC_RDI    64
#define MC_RSI    72
#define MC_RBX    88
#define MC_RDX    96
#define MC_RAX    104
#define MC_RSP    120
#define MC_RIP    128
#define MC_EFLAGS 136
#define MC_REST   104 /* what comes behind the selectors */
#define EFLAGS_AC 0x40000

	.section .text.fast, "ax"
	.globl stub_fast
stub_fast:
	mov %eax, %r11d
	lahf
	seto %al
	mov %ecx, %ecx
	shl $32, %r11
	or %rcx, %r11			/* the number above, the address below */
	context_in_gs %rcx, refuse
	mov %r11, CONTEXT_FAST_CALL(%rcx)
	mov %eax, CONTEXT_FAST_FLAGS(%rcx)
	mov CONTEXT_FAST_CALL + 4(%rcx), %eax
	cmp $direct_answers_end - direct_answers, %eax
	jae full
	lea direct_answers(%rip), %r11
	movzbl (%r11,%rax), %eax
	test %eax, %eax
	jz full
	cmpl $0, CONTEXT_DIRECT(%rcx)
	je full
	mov (%rcx,%rax), %eax
	mov %rax, CONTEXT_FAST_ANSWER(%rcx)
	incq CONTEXT_DIRECT_CALLS(%rcx)

	/* All from what rcx points to: can be done again. */
	.globl direct_leave_begin, direct_leave_end
direct_leave_begin:
	cmpl $0, CONTEXT_INTERRUPT(%rcx)
	jne full			/* where the flag will be looked at again */
	mov CONTEXT_FAST_FLAGS(%rcx), %eax
	add $127, %al			/* overflows if there was an overflow */
	sahf
	mov CONTEXT_FAST_CALL(%rcx), %r11d
	mov CONTEXT_FAST_ANSWER(%rcx), %rax
	jmp *%r11
direct_leave_end:

full:
	mov CONTEXT_FAST_CALL(%rcx), %r11
	mov CONTEXT_FAST_FLAGS(%rcx), %eax
	mov %rsp, CONTEXT_GUEST_RSP(%rcx)
	mov CONTEXT_STACK(%rcx), %rsp
	sub $MC_REST, %rsp
	push $0x33			/* cs, gs, fs and ss: what every 64-bit program has */
	movw $0x2b, 6(%rsp)
	add $127, %al
	sahf
	pushfq
	mov %r11d, %eax
	push %rax			/* rip */
	push CONTEXT_GUEST_RSP(%rcx)
	push %rax			/* rcx, as after a system call */
	shr $32, %r11
	push %r11			/* rax */
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r15
	push %r14
	push %r13
	push %r12
	push %r11
	push %r10
	push %r9
	push %r8
	mov %rcx, %rbx
	mov %rsp, %r12
	mov %rcx, %rdi
	mov %rsp, %rsi
	mov %r11d, %edx
	cld
	testl $EFLAGS_AC, MC_EFLAGS(%rsp)
	jnz 2f
1:	movabs $fast_call, %rax
	call *%rax
	mov %rbx, %rcx
	mov %r12, %r11

	.globl fast_leave_begin, fast_leave_end
fast_leave_begin:
	mov %r11, %rsp
	cmpl $0, CONTEXT_INTERRUPT(%rcx)
	jne interrupted
	mov MC_R8(%r11), %r8
	mov MC_R9(%r11), %r9
	mov MC_R10(%r11), %r10
	mov MC_R12(%r11), %r12
	mov MC_RDI(%r11), %rdi
	mov MC_RSI(%r11), %rsi
	mov MC_RBX(%r11), %rbx
	mov MC_RDX(%r11), %rdx
	pushq MC_EFLAGS(%r11)
	popfq
	mov MC_RAX(%r11), %rax
	mov MC_RSP(%r11), %rsp
	jmp *MC_RIP(%r11)
fast_leave_end:

/* The guest asked for alignment checks: not of the stub. */
2:	pushfq
	andl $~EFLAGS_AC, (%rsp)
	popfq
	jmp 1b

interrupted:
	mov %r11, %rdi
	mov $1, %esi			/* PROMOTE_INTERRUPT */
/*
 * Traps; the handler puts the registers at rdi into its frame. By a breakpoint: an invalid
 * instruction goes by way of the hypervisor on a virtual machine, as it might be one to emulate.
 */
	.globl stub_promote, promote_trapped
stub_promote:
	int3
promote_trapped:
	ud2

/* Back to where it came from, with everything as it was, to the instruction that traps. */
refuse:
	mov %r11d, %ecx
	shr $32, %r11
	add $127, %al
	sahf
	mov %r11d, %eax
	lea -2(%rcx), %r11
	jmp *%r11

	.section .rodata
	.balign 8
	.globl contexts_begin, contexts_end
contexts_begin:
	.quad STUB_CONTEXTS
contexts_end:
	.quad STUB_CONTEXTS + STUB_CONTEXTS_SIZE
/* By number of the call: where in the context its answer is, or 0. */
direct_answers:
	.org direct_answers + __NR_getpid
	.byte CONTEXT_IDENTITY
	.org direct_answers + __NR_getuid
	.byte CONTEXT_IDENTITY + 8
	.org direct_answers + __NR_getgid
	.byte CONTEXT_IDENTITY + 16
	.org direct_answers + __NR_geteuid
	.byte CONTEXT_IDENTITY + 12
	.org direct_answers + __NR_getegid
	.byte CONTEXT_IDENTITY + 20
	.org direct_answers + __NR_getppid
	.byte CONTEXT_PPID
	.org direct_answers + __NR_gettid
	.byte CONTEXT_IDENTITY + 4
direct_answers_end:
	.section .note.GNU-stack, "", @progbits
