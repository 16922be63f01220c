/*
 * How a process leaves its own memory behind: a position-independent loop that
 * carries out a list of host calls, each {number, six arguments}, ended by a
 * negative number, then jumps to the stub. It uses no stack. The calls unmap
 * everything but the page it runs in and map the stub instead.
 *
 * void boot_run(script, stack, entry). A call that fails ends the process with
 * its index in the list + 1 as the status.
 */
#include <asm/unistd.h>
	.text
	.globl boot_run, boot_run_end
boot_run:
	mov %rdi, %r12
	mov %rdi, %rbp
	mov %rsi, %r13
	mov %rdx, %r14
1:	mov (%r12), %rax
	test %rax, %rax
	js 2f
	mov 8(%r12), %rdi
	mov 16(%r12), %rsi
	mov 24(%r12), %rdx
	mov 32(%r12), %r10
	mov 40(%r12), %r8
	mov 48(%r12), %r9
	syscall
	cmp $-4095, %rax
	jae 3f
	add $56, %r12
	jmp 1b
2:	mov %r13, %rsp
	jmp *%r14
3:	mov %r12, %rax
	sub %rbp, %rax
	xor %edx, %edx
	mov $56, %ecx
	div %rcx
	lea 1(%rax), %edi
	mov $__NR_exit_group, %eax
	syscall
	ud2
boot_run_end:
	.section .note.GNU-stack, "", @progbits
