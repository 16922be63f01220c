/*
 * What the end of a process does: descriptors closed, locks dropped, mappings gone, atexit order,
 * stdio flushed, _exit and quick_exit not; children reparented before the parent hears of it.
 */
#include "compat.h"
#include <sys/file.h>

static void one(void)
{
	printf("one\n");
}

static void two(void)
{
	printf("two\n");
}

int main(void)
{
	int p[2], fd, fd2;
	char c;
	pid_t pid;

	tmp_enter();
	put_file("lock", "");
	RES(pipe(p));
	pid = fork_child();
	if (pid == 0) {
		fd = open("lock", O_RDWR);
		flock(fd, LOCK_EX);
		fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK});
		if (write(p[1], "l", 1) != 1)
			_exit(1);
		msleep(50);
		kill(getpid(), SIGKILL);
	}
	close(p[1]);
	RES(read(p[0], &c, 1));
	fd2 = open("lock", O_RDWR);
	RES(flock(fd2, LOCK_EX | LOCK_NB));
	RES(read(p[0], &c, 1)); /* end of file: its descriptors are closed */
	RES(flock(fd2, LOCK_EX | LOCK_NB) == 0 || flock(fd2, LOCK_EX) == 0);
	RES(fcntl(fd2, F_SETLKW, &(struct flock){.l_type = F_WRLCK}));
	reap("locker", pid);
	pid = fork();
	if (pid == 0) {
		compat_tmp_owner = 0;
		setvbuf(stdout, NULL, _IOFBF, 4096);
		atexit(one);
		atexit(two);
		printf("buffered ");
		exit(3);
	}
	reap("exit", pid);
	pid = fork();
	if (pid == 0) {
		setvbuf(stdout, NULL, _IOFBF, 4096);
		atexit(one);
		printf("never seen");
		_exit(4);
	}
	reap("_exit", pid);
	pid = fork();
	if (pid == 0) {
		atexit(one);
		at_quick_exit(two);
		quick_exit(5);
	}
	reap("quick_exit", pid);
	RES(pipe(p));
	pid = fork();
	if (pid == 0) {
		pid_t before = getpid();
		if (fork() == 0) {
			while (getppid() == before)
				;
			if (write(p[1], "o", 1) != 1)
				_exit(1);
			_exit(0);
		}
		_exit(6);
	}
	reap("parent", pid);
	RES(read(p[0], &c, 1));
	printf("%c\n", c);
	return 0;
}
