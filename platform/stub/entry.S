/*
 * The parts of the stub where single instructions matter: the ways out of it,
 * sleeps that an interrupt must not slip past, copies that may fault.
 *
 * The interrupt signal may come between any two instructions. Its handler, on
 * finding the instruction pointer in [leave_begin, leave_end) or
 * [futex_begin, futex_end), moves it back to the begin, so that the look at the
 * flag and the call after it are one step as far as interrupts are concerned.
 * Nothing in those ranges changes what they start from.
 */
#include "platform/stub/context.inc"
#include <asm/unistd.h>

	.section .text.start, "ax"
/* First instruction of a zygote; the boot script has set the stack. */
	.globl stub_start
stub_start:
	xor %ebp, %ebp
	movabs $zygote_main, %rax
	call *%rax
	ud2

	.text
/* void stub_return(&frame->uc): to where the frame says, at once. */
	.globl stub_return, stub_restorer
stub_return:
	mov %rdi, %rsp
/* Where signal handlers return to when they interrupted the stub itself. */
stub_restorer:
	mov $__NR_rt_sigreturn, %eax
	syscall
	ud2

/* void stub_leave(ctx, &frame->uc): back to guest code, unless an interrupt is due. */
	.globl stub_leave, leave_begin, leave_end
stub_leave:
	mov %rsi, %rsp		/* the host looks for the frame 8 bytes below */
leave_begin:
	cmpl $0, CONTEXT_INTERRUPT(%rdi)
	jne 1f
	mov $__NR_rt_sigreturn, %eax
	syscall
leave_end:
	ud2
1:	lea -8(%rsi), %rsi	/* the frame */
	lea -256(%rsi), %rsp
	and $-16, %rsp
	movabs $trap_interrupted, %rax
	call *%rax
	ud2

/* s64 stub_futex(ctx, addr, op, val, timeout, addr2, val3): -EINTR if an interrupt is due. */
	.globl stub_futex, futex_begin, futex_end
stub_futex:
	push %rbx
	mov %rdi, %rbx
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %r8, %r10
	mov %r9, %r8
	mov 16(%rsp), %r9
futex_begin:
	cmpl $0, CONTEXT_INTERRUPT(%rbx)
	jne 1f
	mov $__NR_futex, %eax
	syscall
futex_end:
	pop %rbx
	ret
1:	mov $-4, %rax
	pop %rbx
	ret

/*
 * A fault in a range of the fault table goes on at the range's third word.
 * u64 stub_copy(dst, src, n): bytes copied before the first fault.
 */
	.globl stub_copy
stub_copy:
	mov %rdx, %rcx
copy_begin:
	rep movsb
copy_end:
	mov %rdx, %rax
	sub %rcx, %rax
	ret

/* u64 stub_copy_str(dst, src, n): bytes copied, the first NUL included. */
	.globl stub_copy_str
stub_copy_str:
	xor %ecx, %ecx
1:	cmp %rdx, %rcx
	jae str_end
str_begin:
	mov (%rsi,%rcx), %al
str_fault_end:
	mov %al, (%rdi,%rcx)
	inc %rcx
	test %al, %al
	jnz 1b
str_end:
	mov %rcx, %rax
	ret

/* int stub_cmpxchg32(addr, expect, new, u64 *old): 0 or -EFAULT. */
	.globl stub_cmpxchg32
stub_cmpxchg32:
	mov %esi, %eax
cas_begin:
	lock cmpxchg %edx, (%rdi)
cas_end:
	mov %eax, %eax
	mov %rax, (%rcx)
	xor %eax, %eax
	ret
cas_fault:
	mov $-14, %eax
	ret

/* int stub_store32(addr, value): 0 or -EFAULT. */
	.globl stub_store32
stub_store32:
	mov %esi, (%rdi)
store_end:
	xor %eax, %eax
	ret

/*
 * s64 stub_clone_thread(flags, stack, ctid, ctx, frame): the child starts on
 * its own stack in thread_main(ctx, frame); the parent gets the tid.
 */
	.globl stub_clone_thread
stub_clone_thread:
	mov %rdx, %r10
	mov %rcx, %r9
	xor %edx, %edx
	mov $__NR_clone, %eax
	syscall
	test %rax, %rax
	jz 1f
	ret
1:	xor %ebp, %ebp
	mov %r9, %rdi
	mov %r8, %rsi
	movabs $thread_main, %rax
	call *%rax
	ud2

/* The zygote's trap into its own handler, which gives it a frame for its children to leave by. */
	.globl zygote_trap
zygote_trap:
	ud2

/* The compiler may call these for structure copies; guest memory goes through stub_copy. */
	.globl memcpy, memset
memcpy:
	mov %rdi, %rax
	mov %rdx, %rcx
	rep movsb
	ret
memset:
	mov %rdi, %r8
	mov %esi, %eax
	mov %rdx, %rcx
	rep stosb
	mov %r8, %rax
	ret

	.section .rodata
	.balign 8
	.globl stub_faults, stub_faults_end
stub_faults:
	.quad copy_begin, copy_end, copy_end
	.quad str_begin, str_fault_end, str_end
	.quad cas_begin, cas_end, cas_fault
	.quad stub_store32, store_end, cas_fault
stub_faults_end:
	.section .note.GNU-stack, "", @progbits
