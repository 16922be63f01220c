/*
 * fcntl(2) record locks: F_GETLK, ranges that split and join, release at close of any descriptor,
 * fork, EDEADLK; open file description locks.
 */
#include "compat.h"

static struct flock lock(short type, off_t start, off_t len)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static int fd;

#define SET(type, start, len)                                                                      \
	({                                                                                         \
		struct flock l_ = lock(type, start, len);                                          \
		int r_ = fcntl(fd, F_SETLK, &l_);                                                  \
		compat_res("F_SETLK " #type " " #start "+" #len, r_, errno);                       \
	})

/* What another process would find in its way, byte by byte. */
static void probe(const char *what)
{
	pid_t pid = fork_child(), owner = getppid();

	if (pid == 0) {
		printf("%s: ", what);
		for (int i = 0; i < 12; i++) {
			struct flock l = lock(F_WRLCK, i, 1);

			if (fcntl(fd, F_GETLK, &l) < 0)
				_exit(1);
			printf("%s", l.l_type == F_UNLCK ? "." : l.l_type == F_RDLCK ? "r" : "w");
			if (l.l_type != F_UNLCK && l.l_pid != owner && l.l_pid != -1 &&
			    l.l_pid != getppid())
				printf("?");
		}
		printf("\n");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

int main(void)
{
	struct flock l;
	int p[2], q[2];
	char c;

	tmp_enter();
	put_file("f", "0123456789");
	fd = open("f", O_RDWR);
	SET(F_WRLCK, 0, 10);
	probe("write 0+10");
	SET(F_UNLCK, 3, 2);
	probe("unlock 3+2");
	SET(F_RDLCK, 6, 2);
	probe("read 6+2");
	SET(F_RDLCK, 2, 0);
	probe("read 2 to the end");
	l = lock(F_WRLCK, 0, 0);
	RES(fcntl(fd, F_GETLK, &l)); /* our own are not in our way */
	NUM(l.l_type == F_UNLCK);
	IN_CHILD("child", SET(F_RDLCK, 5, 1); SET(F_WRLCK, 5, 1); SET(F_RDLCK, 0, 1));
	l = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_END, .l_start = -4, .l_len = 2};
	RES(fcntl(fd, F_SETLK, &l));
	probe("unlock end-4+2");
	l = lock(F_UNLCK, 5, -3);
	RES(fcntl(fd, F_SETLK, &l));
	probe("unlock 5-3");
	close(open("f", O_RDONLY)); /* drops all our locks on the file */
	probe("after an unrelated close");
	l = lock(F_WRLCK, -5, 2);
	RES(fcntl(fd, F_SETLK, &l));
	l = lock(9, 0, 2);
	RES(fcntl(fd, F_SETLK, &l));
	RES(fcntl(fd, F_SETLK, bad_ptr()));
	RES(fcntl(999, F_SETLK, &l));
	int ro = open("f", O_RDONLY);
	l = lock(F_WRLCK, 0, 1);
	RES(fcntl(ro, F_SETLK, &l));

	/* Deadlock: the child waits for our byte 0, we ask for its byte 1. */
	SET(F_WRLCK, 0, 1);
	RES(pipe(p));
	RES(pipe(q));
	pid_t pid = fork_child();
	if (pid == 0) {
		l = lock(F_WRLCK, 1, 1);
		fcntl(fd, F_SETLK, &l);
		if (write(p[1], "r", 1) != 1)
			_exit(3);
		l = lock(F_WRLCK, 0, 1);
		_exit(fcntl(fd, F_SETLKW, &l) == 0 ? 0 : 1);
	}
	if (read(p[0], &c, 1) != 1)
		die("read");
	msleep(80);
	l = lock(F_WRLCK, 1, 1);
	RES(fcntl(fd, F_SETLKW, &l));
	SET(F_UNLCK, 0, 1);
	reap("waiter", pid);

	/* Open file description locks belong to the description. */
	int o = open("f", O_RDWR);
	l = lock(F_WRLCK, 0, 5);
	RES(fcntl(o, F_OFD_SETLK, &l));
	l = lock(F_WRLCK, 2, 1);
	RES(fcntl(fd, F_OFD_SETLK, &l));
	l = lock(F_WRLCK, 2, 1);
	RES(fcntl(fd, F_SETLK, &l)); /* and conflict with the process's own */
	l = lock(F_RDLCK, 0, 0);
	RES(fcntl(fd, F_OFD_GETLK, &l));
	printf("type %d start %ld len %ld pid %d\n", l.l_type == F_WRLCK, (long)l.l_start,
	       (long)l.l_len, l.l_pid);
	close(open("f", O_RDONLY));
	l = lock(F_WRLCK, 2, 1);
	RES(fcntl(fd, F_OFD_SETLK, &l));
	l.l_pid = 5;
	RES(fcntl(fd, F_OFD_SETLK, &l));
	close(o);
	l = lock(F_WRLCK, 2, 1);
	RES(fcntl(fd, F_OFD_SETLK, &l));
	return 0;
}
