/*
 * ptrace(2): TRACEME, the stop at exec, peeking and poking, registers, single steps, system call
 * stops, continuing with and without the signal, options' events.
 */
#include "compat.h"
#include <sys/ptrace.h>
#include <sys/user.h>

static volatile long cell = 0x1111;

static void stop(const char *what, pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, __WALL) != pid)
		die("waitpid");
	if (WIFSTOPPED(status) && status >> 16)
		printf("%s: stopped by %s event %d\n", what, sig_name(WSTOPSIG(status)),
		       status >> 16);
	else if (WIFSTOPPED(status) && (WSTOPSIG(status) & 0x80))
		printf("%s: system call stop\n", what);
	else
		show_status(what, status);
}

int main(void)
{
	struct user_regs_struct regs;
	siginfo_t si;
	unsigned long msg;
	pid_t pid;
	int steps = 0, status, calls = 0;

	RES(ptrace(PTRACE_PEEKDATA, 1 << 22, 0, 0));
	RES(ptrace(PTRACE_CONT, getppid(), 0, 0));
	RES(ptrace((enum __ptrace_request)0x7777, getpid(), 0, 0) == -1);
	pid = fork_child();
	if (pid == 0) {
		RES(ptrace(PTRACE_TRACEME, 0, 0, 0));
		RES(ptrace(PTRACE_TRACEME, 0, 0, 0));
		raise(SIGSTOP);
		cell++;
		_exit(cell == 0x2223 ? 3 : 4);
	}
	stop("traced", pid);
	errno = 0;
	HEX(ptrace(PTRACE_PEEKDATA, pid, &cell, 0));
	RES(ptrace(PTRACE_POKEDATA, pid, &cell, 0x2222));
	HEX(cell); /* ours is another */
	RES(ptrace(PTRACE_PEEKDATA, pid, 16, 0));
	RES(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	printf("signo %s code %d\n", sig_name(si.si_signo), si.si_code == SI_TKILL);
	RES(ptrace(PTRACE_CONT, pid, 0, 99));
	RES(ptrace(PTRACE_CONT, pid, 0, 0)); /* without the signal */
	reap("child", pid);

	/* A signal is seen first by the tracer, who may pass another. */
	pid = fork_child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGTERM);
		_exit(5);
	}
	stop("SIGTERM", pid);
	ptrace(PTRACE_CONT, pid, 0, SIGUSR2);
	reap("killed by another", pid);

	pid = fork_child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		syscall(SYS_getpgid, 1234567);
		_exit(6);
	}
	stop("system calls", pid);
	RES(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT));
	RES(ptrace(PTRACE_SETOPTIONS, pid, 0, 0x40000000));
	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
			break;
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		calls++;
		if (regs.orig_rax == SYS_getpgid) {
			printf("entry rdi %llu rax %lld\n", regs.rdi, (long long)regs.rax);
			ptrace(PTRACE_SYSCALL, pid, 0, 0);
			waitpid(pid, &status, 0);
			ptrace(PTRACE_GETREGS, pid, 0, &regs);
			printf("exit rax %lld\n", (long long)regs.rax);
			regs.rax = 77;
			RES(ptrace(PTRACE_SETREGS, pid, 0, &regs));
		}
	}
	printf("event %d\n", status >> 16);
	RES(ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
	HEX(msg);
	ptrace(PTRACE_CONT, pid, 0, 0);
	reap("child", pid);

	pid = fork_child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		__asm__ volatile("nop; nop; nop; int3; nop");
		_exit(7);
	}
	stop("steps", pid);
	for (steps = 0; steps < 5; steps++) {
		ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			break;
	}
	NUM(steps);
	ptrace(PTRACE_CONT, pid, 0, 0);
	stop("breakpoint", pid);
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	HEX(ptrace(PTRACE_PEEKTEXT, pid, regs.rip - 1, 0) & 0xff);
	ptrace(PTRACE_CONT, pid, 0, 0);
	reap("child", pid);

	pid = fork_child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl("/bin/true", "true", NULL);
		_exit(9);
	}
	stop("exec", pid);
	RES(ptrace(PTRACE_KILL, pid, 0, 0));
	reap("killed at exec", pid);
	return 0;
}
