/*
 * What the ptrace platform needs of the host. That tracing is possible at all (Yama, a container's
 * seccomp profile, a tracer that is there already) cannot be asked for, so it is tried, with a
 * child that does nothing else.
 *
 * Host calls: clone; prctl, getppid, kill, getpid in the child; ptrace, wait4, kill,
 * process_vm_readv.
 */
#include "platform/ptrace/ptrace.h"
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int probe_word = 4711; /* read from the child */

static noreturn void probe_child(pid_t parent)
{
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* It may have died before that: a child that stops itself would stay for ever. */
	if (syscall(SYS_getppid) != parent)
		_exit(126);
	syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
	syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
	for (;;)
		syscall(SYS_getpid);
}

static bool next_stop(pid_t pid, int *signo)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		return false;
	*signo = WSTOPSIG(status);
	return true;
}

/* Runs until a call stops it that the host does not carry out. */
static bool emulates_calls(pid_t pid)
{
	int signo;

	for (int i = 0; i < 10; i++) {
		if (ptrace(PTRACE_SYSEMU, pid, 0, 0) != 0 || !next_stop(pid, &signo))
			return false;
		if (signo == (SIGTRAP | 0x80))
			return true;
	}
	return false;
}

static bool reads_memory(pid_t pid)
{
	int word = 0;
	struct iovec local = {&word, sizeof(word)}, remote = {&probe_word, sizeof(probe_word)};

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof(word) &&
	       word == probe_word;
}

static const char *probe(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WUNTRACED | __WALL) != pid || !WIFSTOPPED(status))
		return "a child of moat's ended at once";
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0)
		return "the host forbids tracing (Yama's ptrace_scope, or a container's seccomp "
		       "profile)";
	if (kill(pid, SIGCONT) != 0 || !next_stop(pid, &status) || !emulates_calls(pid))
		return "the kernel has no PTRACE_SYSEMU that works";
	if (!reads_memory(pid))
		return "the host has no process_vm_readv, or forbids it";
	return NULL;
}

const char *ptrace_unsupported(void)
{
	pid_t parent = getpid(), pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	const char *lacking;

	if (pid < 0)
		return "no process can be started";
	if (pid == 0)
		probe_child(parent);
	lacking = probe(pid);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) == pid)
		;
	return lacking;
}
