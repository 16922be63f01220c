/*
 * clone(2) and clone3(2): CLONE_VM, CLONE_FILES, CLONE_FS, CLONE_SIGHAND, tid pointers, exit
 * signals, flag errors.
 */
#include "compat.h"
#include <linux/sched.h>

static volatile int value;
static int fd;
static char stack[65536] __attribute__((aligned(16)));
static pid_t ptid, ctid;

static int child(void *arg)
{
	value = 2;
	close(fd);
	if (chdir("/usr") || umask(077) != 022)
		return 1;
	return *(int *)arg;
}

static void run(const char *what, int flags)
{
	int arg = 40, status = -1;
	char cwd[64];
	pid_t pid;
	mode_t m;

	value = 1;
	fd = open("/dev/null", O_RDONLY);
	if (chdir("/"))
		die("chdir");
	umask(022);
	pid = clone(child, stack + sizeof(stack), flags, &arg, &ptid, NULL, &ctid);
	if (pid < 0) {
		printf("%s: %s\n", what, err_name(errno));
		return;
	}
	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	m = umask(022);
	printf("%s: value %d fd %s cwd %s umask %o exit %d\n", what, value,
	       fd_open(fd) ? "open" : "closed", getcwd(cwd, sizeof(cwd)), m, WEXITSTATUS(status));
	close(fd);
}

static volatile sig_atomic_t got;

static void on_sig(int sig)
{
	got = sig;
}

int main(void)
{
	struct clone_args ca;
	struct {
		struct clone_args ca;
		uint64_t more;
	} big;
	int status, pidfd = -1;
	long pid;

	run("plain", SIGCHLD);
	run("CLONE_VM", CLONE_VM | SIGCHLD);
	run("CLONE_FILES", CLONE_FILES | SIGCHLD);
	run("CLONE_FS", CLONE_FS | SIGCHLD);
	run("VM, FILES, FS", CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD);
	run("VM, SIGHAND", CLONE_VM | CLONE_SIGHAND | SIGCHLD);
	run("SIGHAND alone", CLONE_SIGHAND | SIGCHLD);
	run("THREAD without SIGHAND", CLONE_VM | CLONE_THREAD);
	run("FS with NEWNS", CLONE_FS | CLONE_NEWNS | SIGCHLD);
	run("no signal", CLONE_VM | CLONE_VFORK);
	ptid = ctid = 0;
	run("PARENT_SETTID", CLONE_PARENT_SETTID | SIGCHLD);
	YES(ptid > 0 && ctid == 0);
	run("CHILD_SETTID, VM", CLONE_VM | CLONE_CHILD_SETTID | SIGCHLD);
	YES(ctid > 0);
	run("CHILD_CLEARTID, VM", CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD);
	NUM(ctid);

	handle(SIGUSR1, on_sig, SA_RESTART);
	run("exit signal SIGUSR1", SIGUSR1);
	YES(got == SIGUSR1);
	int arg = 0;
	pid = clone(child, stack + sizeof(stack), SIGUSR1, &arg);
	RES(waitpid((pid_t)pid, &status, 0)); /* not a child that waits with SIGCHLD */
	YES(waitpid((pid_t)pid, &status, __WCLONE) == pid);

	memset(&ca, 0, sizeof(ca));
	ca.flags = CLONE_PIDFD;
	ca.pidfd = (uint64_t)(uintptr_t)&pidfd;
	ca.exit_signal = SIGCHLD;
	pid = syscall(SYS_clone3, &ca, sizeof(ca));
	if (pid == 0)
		_exit(21);
	YES(pidfd >= 0 && fcntl(pidfd, F_GETFD) == FD_CLOEXEC);
	reap("clone3", (pid_t)pid);
	ca.exit_signal = 65;
	RES(syscall(SYS_clone3, &ca, sizeof(ca)));
	ca.exit_signal = SIGCHLD;
	ca.flags = 1ULL << 63;
	RES(syscall(SYS_clone3, &ca, sizeof(ca)));
	ca.flags = CLONE_DETACHED;
	RES(syscall(SYS_clone3, &ca, sizeof(ca)));
	ca.flags = 0;
	ca.stack_size = 100;
	RES(syscall(SYS_clone3, &ca, sizeof(ca)));
	RES(syscall(SYS_clone3, &ca, 8));
	RES(syscall(SYS_clone3, bad_ptr(), sizeof(ca)));
	RES(syscall(SYS_clone3, &ca, 100000));
	memset(&big, 0, sizeof(big));
	big.more = 1;
	RES(syscall(SYS_clone3, &big, sizeof(big)));
	return 0;
}
