/* Micro benchmarks of processes and threads: their making, and their talking to each other. */
#include "micro.h"
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- making
 * ---------------------------------------------------------------------------------------- */

static void await(pid_t pid)
{
	int status = -1;

	must(waitpid(pid, &status, 0) == pid && status == 0, "wait for a child");
}

static void op_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	must(pid > 0, "fork");
	await(pid);
}

/* glibc's posix_spawn is vfork in all but name: CLONE_VM | CLONE_VFORK. */
static void op_vfork_exec(void)
{
	char *const argv[] = {(char *)self_path, "exit", NULL}, *const envp[] = {NULL};
	pid_t pid;

	errno = posix_spawn(&pid, self_path, NULL, NULL, argv, envp);
	must(errno == 0, "posix_spawn");
	await(pid);
}

static void *nothing(void *arg)
{
	return arg;
}

static void op_thread(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, nothing, NULL);
	must(errno == 0, "pthread_create");
	must(pthread_join(thread, NULL) == 0, "pthread_join");
}

/* --- talking
 * --------------------------------------------------------------------------------------- */

static int to_read, to_write; /* this process's ends */
static pid_t echo;

/* A child that sends back each byte until nobody is left to send one. */
static void start_echo(const int theirs[2], const int ours[2])
{
	char byte;

	echo = fork();
	must(echo >= 0, "fork");
	if (echo == 0) {
		close(ours[0]);
		close(ours[1]);
		while (read(theirs[0], &byte, 1) == 1 && write(theirs[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(theirs[0]);
	if (theirs[1] != theirs[0])
		close(theirs[1]);
	to_read = ours[0];
	to_write = ours[1];
}

static void setup_pipes(void)
{
	int there[2], back[2];

	must(pipe(there) == 0 && pipe(back) == 0, "pipe");
	start_echo((int[]){there[0], back[1]}, (int[]){back[0], there[1]});
}

static void setup_unix(void)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	start_echo((int[]){pair[1], pair[1]}, (int[]){pair[0], pair[0]});
}

static void op_pingpong(void)
{
	char byte = 0;

	must(write(to_write, &byte, 1) == 1 && read(to_read, &byte, 1) == 1, "ping-pong");
}

static void teardown_echo(void)
{
	close(to_write);
	if (to_read != to_write)
		close(to_read);
	await(echo);
}

static unsigned turn; /* 0: ours, 1: the other thread's, 2: the end */
static pthread_t other;

static void pass_turn(unsigned to)
{
	__atomic_store_n(&turn, to, __ATOMIC_RELEASE);
	must(syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) >= 0, "futex wake");
}

static unsigned await_turn_other_than(unsigned theirs)
{
	unsigned seen;

	while ((seen = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) == theirs)
		must(syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, theirs, NULL, NULL, 0) == 0 ||
		         errno == EAGAIN || errno == EINTR,
		     "futex wait");
	return seen;
}

static void *pass_back(void *arg)
{
	while (await_turn_other_than(0) == 1)
		pass_turn(0);
	return arg;
}

static void setup_futex(void)
{
	errno = pthread_create(&other, NULL, pass_back, NULL);
	must(errno == 0, "pthread_create");
}

static void op_futex(void)
{
	pass_turn(1);
	await_turn_other_than(1);
}

static void teardown_futex(void)
{
	pass_turn(2);
	pthread_join(other, NULL);
}

const struct micro micro_tasks[] = {
    {"fork-exit-wait", NULL, op_fork, NULL, NULL},
    {"vfork-exec-wait", NULL, op_vfork_exec, NULL, NULL},
    {"thread-create-join", NULL, op_thread, NULL, NULL},
    {"pipe-pingpong", setup_pipes, op_pingpong, NULL, teardown_echo},
    {"unix-pingpong", setup_unix, op_pingpong, NULL, teardown_echo},
    {"futex-pingpong", setup_futex, op_futex, NULL, teardown_futex},
    {0},
};
