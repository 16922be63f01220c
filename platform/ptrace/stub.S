/*
 * The only code of moat's in a guest process under ptrace: a page from which the
 * sentry has a stopped thread do something for it. Each entry is one instruction,
 * then a breakpoint that brings the thread back; registers are set by the tracer.
 * Guest code that jumps here gains nothing: its calls are still emulated.
 */
	.section .rodata
	.balign 4096
	.globl ptrace_stub, ptrace_stub_end
	.globl ptrace_stub_call, ptrace_stub_call_done, ptrace_stub_cmpxchg, ptrace_stub_cmpxchg_done
	.globl ptrace_stub_trap, ptrace_stub_wait
ptrace_stub:
ptrace_stub_call:
	syscall
ptrace_stub_call_done:
	int3
ptrace_stub_cmpxchg:
	lock cmpxchg %edx, (%rdi)
ptrace_stub_cmpxchg_done:
	int3
/* The handler of all faults, see fault.c. */
ptrace_stub_trap:
	int3
/* Where the zygote waits for its tracer. */
ptrace_stub_wait:
	mov $34, %eax		/* pause */
	syscall
	jmp ptrace_stub_wait
ptrace_stub_end:
	.balign 4096
	.section .note.GNU-stack, "", @progbits
