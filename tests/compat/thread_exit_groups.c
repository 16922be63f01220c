/*
 * exit of the leader before its threads, exit_group from a thread, a fatal signal in one thread,
 * zombies of leaders.
 */
#include "compat.h"
#include <pthread.h>

static void *exit_later(void *arg)
{
	msleep(30);
	exit((int)(long)arg);
	return NULL;
}

static void *return_later(void *arg)
{
	(void)arg;
	msleep(30);
	return NULL;
}

static void *crash(void *arg)
{
	(void)arg;
	msleep(20);
	*(volatile char *)bad_ptr() = 1;
	return NULL;
}

static void *forever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void *thread_exit_only(void *arg)
{
	(void)arg;
	msleep(10);
	syscall(SYS_exit, 9);
	return NULL;
}

int main(void)
{
	pthread_t t;
	siginfo_t si;
	pid_t pid;

	IN_CHILD("leader ends first, then a thread calls exit(5)",
	         pthread_create(&t, NULL, exit_later, (void *)5);
	         pthread_exit(NULL));
	IN_CHILD("leader ends first, thread returns", pthread_create(&t, NULL, return_later, NULL);
	         pthread_exit(NULL));
	IN_CHILD("exit_group(7) in the leader", pthread_create(&t, NULL, forever, NULL); msleep(10);
	         _exit(7));
	IN_CHILD("crash in a thread", pthread_create(&t, NULL, crash, NULL); pause());
	IN_CHILD("the exit call in a thread ends it alone",
	         pthread_create(&t, NULL, thread_exit_only, NULL);
	         msleep(40); _exit(3));
	IN_CHILD("the exit call in the leader", pthread_create(&t, NULL, return_later, NULL);
	         syscall(SYS_exit, 12));
	/* A dead leader with a living thread is no zombie to be waited for. */
	pid = fork_child();
	if (pid == 0) {
		pthread_create(&t, NULL, forever, NULL);
		syscall(SYS_exit, 1);
	}
	msleep(40);
	si.si_pid = 0;
	RES(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG));
	NUM(si.si_pid);
	RES(kill(pid, SIGTERM));
	reap("living thread killed", pid);
	/* A process signal is handled by a thread that does not block it. */
	IN_CHILD("signal to a process with a blocking leader",
	         pthread_create(&t, NULL, forever, NULL);
	         sigset_t s = sigset_of(SIGUSR1, 0); pthread_sigmask(SIG_BLOCK, &s, NULL);
	         kill(getpid(), SIGUSR1); msleep(2000); _exit(0));
	return 0;
}
