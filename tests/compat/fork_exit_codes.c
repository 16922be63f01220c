/*
 * fork(2), _exit(2), wait4(2): exit codes and fatal signals as the parent sees them; what is
 * inherited and copied.
 */
#include "compat.h"

int main(void)
{
	static int data = 1;
	int sigs[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGKILL, SIGTERM, SIGUSR1,
	              SIGABRT, SIGALRM, SIGSYS,  SIGXCPU, SIGIO};
	int status, fd, stack = 10;
	int *heap = malloc(sizeof(int));
	pid_t pid;

	*heap = 100;
	for (int code = 0; code < 300; code += 51) {
		pid = fork_child();
		if (pid == 0)
			_exit(code);
		YES(waitpid(pid, &status, 0) == pid);
		show_status("child", status);
	}
	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		IN_CHILD("child", signal(sigs[i], SIG_DFL); raise(sigs[i]));
	IN_CHILD("abort", signal(SIGABRT, SIG_IGN); abort());
	IN_CHILD("ignored by default", raise(SIGCHLD); raise(SIGURG); raise(SIGWINCH);
	         raise(SIGCONT));

	/* Memory is copied, descriptors are shared. */
	fd = open("/dev/null", O_RDONLY);
	IN_CHILD("writer", data = 2; stack = 20; *heap = 200; close(fd);
	         printf("child %d %d %d\n", data, stack, *heap));
	printf("parent %d %d %d\n", data, stack, *heap);
	YES(fd_open(fd));
	YES(getppid() != getpid());
	pid_t me = getpid();
	IN_CHILD("parent is seen", printf("%d\n", getppid() == me && getpid() != me));
	/* Pending alarms are not inherited. */
	alarm(15);
	pid = fork();
	if (pid == 0)
		_exit((int)alarm(5));
	reap("alarm in child", pid);
	YES(alarm(20) > 0);
	RES(wait(&status));
	return 0;
}
