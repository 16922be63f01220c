/*
 * seccomp(2) strict mode: read, write, exit and sigreturn only; anything else kills by SIGKILL.
 */
#include "compat.h"
#include <linux/seccomp.h>

int main(void)
{
	int p[2];
	char c;

	RES(prctl(PR_GET_SECCOMP));
	RES(syscall(SYS_seccomp, 99, 0, NULL));
	RES(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
	RES(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &c));
	RES(prctl(PR_SET_SECCOMP, 99));
	RES(pipe(p));
	pid_t pid = fork_child();
	if (pid == 0) {
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) != 0)
			_exit(1);
		if (write(p[1], "w", 1) == 1)
			syscall(SYS_exit, 5);
		syscall(SYS_exit, 6);
	}
	reap("write and exit", pid);
	RES(read(p[0], &c, 1));
	pid = fork_child();
	if (pid == 0) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		syscall(SYS_getppid);
		syscall(SYS_exit, 7);
	}
	reap("getppid", pid);
	pid = fork_child();
	if (pid == 0) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		syscall(SYS_exit_group, 7);
	}
	reap("exit_group", pid);
	pid = fork_child();
	if (pid == 0) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		if (read(999, &c, 1) == -1 && write(p[1], bad_ptr(), 1) == -1)
			syscall(SYS_exit, 8);
		syscall(SYS_exit, 9);
	}
	reap("failing calls are no crime", pid);
	return 0;
}
