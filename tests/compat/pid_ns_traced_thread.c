/*
 * pid_namespaces(7): the end of an init ends all others, also a dead thread of a child that waits
 * for init, its tracer, to look at it.
 */
#include "compat.h"
#include <pthread.h>
#include <sys/ptrace.h>

static int ready[2];

static void *traced_thread(void *arg)
{
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		die("traceme");
	syscall(SYS_exit, 0);
	return arg;
}

static void child(void)
{
	pthread_t t;

	pthread_create(&t, NULL, traced_thread, NULL);
	msleep(50);
	if (write(ready[1], "x", 1) != 1)
		die("write");
	pause();
}

static void init(void)
{
	if (fork() == 0)
		child();
	pause();
}

int main(void)
{
	char c;
	int status;
	pid_t pid;

	RES(pipe(ready));
	RES(unshare(CLONE_NEWPID));
	pid = fork();
	if (pid == 0)
		init();
	RES(read(ready[0], &c, 1));
	RES(kill(pid, SIGKILL));
	YES(waitpid(pid, &status, 0) == pid);
	YES(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return 0;
}
