/*
 * The way in and out of a CPUID at a rewritten site (platform/systrap/cpuid.c says why).
 *
 * The site's code comes here with the leaf in eax, the sub-leaf in ecx, and the address to go on at
 * in rbx; rbx and rdx are free, as CPUID spoils them. All other registers are the guest's and stay
 * so, flags and vector registers among them. Nothing is put on its stack.
 *
 * What there is no answer for goes back, to the instruction itself, which lies before the address
 * in rbx. CPUID also waits for all instructions before it to end, which this does not: who relies on
 * that measures time or writes code, and a program's loader does neither with it.
 *
 * An interrupt signal that comes in between sets the flag, and goes on here; from cpuid_leave_begin
 * on everything comes from the context, so the look at the flag can be done again (trap.c nested).
 */
#include "platform/stub/context.inc"

/* Two words, of a call that is not under way. */
#define CONTEXT_ANSWER CONTEXT_FAST_CALL

	.section .text.cpuid, "ax"
	.globl stub_cpuid
stub_cpuid:
	mov %eax, %edx
	lahf
	seto %al
	shl $32, %rax
	mov %ebx, %ebx
	or %rax, %rbx			/* the flags above, the address below */
	context_in_gs %rax, refuse
	mov %ebx, CONTEXT_CPUID_BACK(%rax)
	movl $0, CONTEXT_CPUID_BACK + 4(%rax)
	shr $32, %rbx
	mov %ebx, CONTEXT_FAST_FLAGS(%rax)
	shl $32, %rdx
	mov %ecx, %ecx
	or %rcx, %rdx			/* the leaf above, the sub-leaf below */
	movabs $STUB_CPUID_ANSWERS, %rbx
1:	mov (%rbx), %rcx		/* struct cpuid_answer: mask, key, four registers */
	test %rcx, %rcx
	jz unknown
	and %rdx, %rcx
	cmp 8(%rbx), %rcx
	je 2f
	add $32, %rbx
	jmp 1b
2:	incq CONTEXT_CPUIDS(%rax)
	mov 16(%rbx), %rcx
	mov 24(%rbx), %rdx
	mov %rcx, CONTEXT_ANSWER(%rax)
	mov %rdx, CONTEXT_ANSWER + 8(%rax)
leave:
	mov CONTEXT_FAST_FLAGS(%rax), %eax
	add $127, %al			/* overflows if there was an overflow */
	sahf

	.globl cpuid_leave_begin, cpuid_leave_end, cpuid_interrupted
cpuid_leave_begin:
	mov %gs:CONTEXT_INTERRUPT, %ecx
	jecxz 3f			/* changes no flags */
	mov %gs:CONTEXT_ANSWER, %eax
	mov %gs:CONTEXT_ANSWER + 4, %ebx
	mov %gs:CONTEXT_ANSWER + 8, %ecx
	mov %gs:CONTEXT_ANSWER + 12, %edx
	int3				/* traps, to be interrupted as if in guest code */
cpuid_interrupted:
	ud2
3:	mov %gs:CONTEXT_ANSWER, %eax
	mov %gs:CONTEXT_ANSWER + 4, %ebx
	mov %gs:CONTEXT_ANSWER + 8, %ecx
	mov %gs:CONTEXT_ANSWER + 12, %edx
	jmp *%gs:CONTEXT_CPUID_BACK
cpuid_leave_end:

/* To the instruction, with leaf and sub-leaf as they were. */
unknown:
	mov %edx, CONTEXT_ANSWER + 8(%rax)
	shr $32, %rdx
	mov %edx, CONTEXT_ANSWER(%rax)
	subl $2, CONTEXT_CPUID_BACK(%rax)
	jmp leave

/* The same without a context: by a trap, whose end looks at the flag. */
	.globl cpuid_refused
refuse:
	mov %rbx, %rax
	shr $32, %rax
	add $127, %al
	sahf
	mov %edx, %eax
	lea -2(%rbx), %ebx
	int3
cpuid_refused:
	ud2

	.section .note.GNU-stack, "", @progbits
