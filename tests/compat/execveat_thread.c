/*
 * execveat(2) by descriptor; execve from a thread that is not the leader: the pid stays, other
 * threads are gone.
 */
#include "compat.h"
#include <sys/timerfd.h>
#include <sys/socket.h>
#include <sys/inotify.h>
#include <sys/eventfd.h>
#include <sys/epoll.h>
#include <pthread.h>
#include <sys/auxv.h>

static char pid_text[16], self[512];

static void *exec_thread(void *arg)
{
	(void)arg;
	msleep(20);
	execl(self, "x", "thread", pid_text, NULL);
	_exit(99);
}

static void *sleeper(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static int count_tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* Descriptors of what is in no file system. */
static void nameless(void)
{
	int p[2], u[2],
	    fd[] = {eventfd(0, 0), epoll_create1(0), timerfd_create(CLOCK_MONOTONIC, 0),
	            inotify_init1(0), socket(AF_UNIX, SOCK_STREAM, 0)};

	RES(pipe(p) | socketpair(AF_UNIX, SOCK_STREAM, 0, u));
	RES(execveat(p[0], "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH));
	RES(execveat(u[0], "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH));
	for (size_t i = 0; i < sizeof(fd) / sizeof(fd[0]); i++) {
		RES(execveat(fd[i], "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH));
		close(fd[i]);
	}
	RES(close(p[0]) | close(p[1]) | close(u[0]) | close(u[1]));
}

int main(int argc, char **argv)
{
	pthread_t t;
	pid_t pid;
	int fd, dir;

	if (argc > 2) {
		YES(atoi(argv[2]) == getpid());
		YES(gettid() == getpid());
		NUM(count_tasks());
		return 8;
	}
	if (argc == 2) {
		printf("by %s: %s\n", argv[1],
		       strncmp((const char *)getauxval(AT_EXECFN), "/dev/fd/", 8) ? "a path"
		                                                                  : "/dev/fd");
		char name[16];
		prctl(PR_GET_NAME, name);
		YES(strspn(name, "0123456789") == strlen(name) || !strcmp(name, "execveat_thread"));
		return 6;
	}
	/* /proc/self is the leader, which may be dead by then. */
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = 0;
	for (int rounds = 0; rounds < 3; rounds++) {
		pid = fork_child();
		if (pid == 0) {
			snprintf(pid_text, sizeof(pid_text), "%d", getpid());
			for (int i = 0; i < 5; i++)
				pthread_create(&t, NULL, sleeper, NULL);
			pthread_create(&t, NULL, exec_thread, NULL);
			if (rounds == 1)
				pthread_exit(NULL); /* a dead leader */
			for (;;)
				pause();
		}
		reap("thread", pid);
	}
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	IN_CHILD("descriptor",
	         execveat(fd, "", (char *[]){"x", "descriptor", NULL}, environ, AT_EMPTY_PATH);
	         _exit(99));
	fd = open("/proc/self/exe", O_PATH);
	IN_CHILD("O_PATH",
	         execveat(fd, "", (char *[]){"x", "O_PATH", NULL}, environ, AT_EMPTY_PATH);
	         _exit(99));
	IN_CHILD("fexecve", fexecve(fd, (char *[]){"x", "fexecve", NULL}, environ); _exit(99));
	dir = open("/bin", O_RDONLY | O_DIRECTORY);
	IN_CHILD("relative",
	         execveat(dir, "sh", (char *[]){"sh", "-c", "exit 5", NULL}, environ, 0);
	         _exit(99));
	RES(execveat(dir, "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH));
	nameless();
	RES(execveat(dir, "", (char *[]){"x", NULL}, environ, 0));
	tmp_enter();
	RES(symlink("/bin/true", "link"));
	RES(execveat(AT_FDCWD, "link", (char *[]){"x", NULL}, environ, AT_SYMLINK_NOFOLLOW));
	RES(execveat(999, "x", (char *[]){"x", NULL}, environ, 0));
	/* A script by a close-on-exec descriptor cannot be opened again by its interpreter. */
	put_file("script", "#!/bin/sh\nexit 11\n");
	chmod("script", 0755);
	fd = open("script", O_RDONLY | O_CLOEXEC);
	RES(execveat(fd, "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH));
	fd = open("script", O_RDONLY);
	IN_CHILD("script", execveat(fd, "", (char *[]){"x", NULL}, environ, AT_EMPTY_PATH);
	         _exit(99));
	return 0;
}
