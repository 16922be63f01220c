/*
 * ptrace(2): ATTACH, SEIZE, INTERRUPT, DETACH, following forks and clones, one tracer only, who may
 * attach.
 */
#include "compat.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <elf.h>

static void stop(const char *what, pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, __WALL) != pid)
		die("waitpid");
	if (WIFSTOPPED(status))
		printf("%s: stopped by %s event %d\n", what, sig_name(WSTOPSIG(status)),
		       status >> 16);
	else
		show_status(what, status);
}

static pid_t sleeper(void)
{
	pid_t pid = fork_child();

	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 1);
		for (;;)
			pause();
	}
	msleep(30);
	return pid;
}

int main(void)
{
	struct user_regs_struct regs;
	struct iovec iov = {&regs, sizeof(regs)};
	unsigned long msg;
	char path[64];
	pid_t pid, child;
	int status;

	pid = sleeper();
	RES(ptrace(PTRACE_ATTACH, pid, 0, 0));
	stop("attached", pid);
	RES(ptrace(PTRACE_ATTACH, pid, 0, 0));
	IN_CHILD("second tracer", RES(ptrace(PTRACE_ATTACH, pid, 0, 0)));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	const char *t = strstr(get_file(path), "TracerPid:");
	YES(t && atoi(t + 10) == getpid());
	YES(strstr(get_file(path), "State:\tt") != NULL);
	RES(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
	NUM(iov.iov_len / sizeof(long));
	YES(regs.orig_rax == SYS_pause);
	RES(ptrace(PTRACE_DETACH, pid, 0, 0));
	t = strstr(get_file(path), "TracerPid:");
	NUM(t ? atoi(t + 10) : -1);
	RES(ptrace(PTRACE_PEEKDATA, pid, &status, 0));

	RES(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEFORK));
	RES(waitpid(pid, &status, WNOHANG | __WALL));
	RES(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	stop("interrupted", pid);
	RES(ptrace(PTRACE_CONT, pid, 0, 0));
	kill(pid, SIGTERM);
	stop("signal", pid);
	RES(ptrace(PTRACE_CONT, pid, 0, SIGTERM));
	reap("ended", pid);

	/* Follow a fork. */
	pid = fork_child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		child = fork();
		if (child == 0)
			_exit(11);
		waitpid(child, &status, 0);
		_exit(WEXITSTATUS(status) + 1);
	}
	stop("forker", pid);
	RES(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL));
	RES(ptrace(PTRACE_CONT, pid, 0, 0));
	stop("fork", pid);
	RES(ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
	child = (pid_t)msg;
	stop("its child", child);
	RES(ptrace(PTRACE_CONT, child, 0, 0));
	RES(ptrace(PTRACE_CONT, pid, 0, 0));
	stop("child's end", child);
	stop("SIGCHLD", pid);
	RES(ptrace(PTRACE_CONT, pid, 0, SIGCHLD));
	reap("forker", pid);

	/* The tracer's end lets the tracee go on. */
	pid = sleeper();
	IN_CHILD("tracer", RES(ptrace(PTRACE_SEIZE, pid, 0, 0));
	         RES(ptrace(PTRACE_INTERRUPT, pid, 0, 0)); msleep(20));
	msleep(30);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	t = strstr(get_file(path), "TracerPid:");
	NUM(t ? atoi(t + 10) : -1);
	RES(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL) == 0);
	RES(ptrace(PTRACE_DETACH, pid, 0, 0)); /* it is not stopped */
	kill(pid, SIGKILL);
	stop("killed", pid);
	if (geteuid() == 0) {
		pid = sleeper();
		IN_CHILD("as nobody", become_nobody(); RES(ptrace(PTRACE_ATTACH, pid, 0, 0)));
		kill(pid, SIGKILL);
		reap("sleeper", pid);
	}
	RES(ptrace(PTRACE_ATTACH, getpid(), 0, 0));
	return 0;
}
