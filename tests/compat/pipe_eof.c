/*
 * pipe(2), pipe(7): data, end of file, EPIPE and SIGPIPE, reads and writes at the wrong end, pipe2
 * flags.
 */
#include "compat.h"
#include <sys/ioctl.h>

static volatile sig_atomic_t sigpipes;

static void on_pipe(int sig)
{
	(void)sig;
	sigpipes++;
}

int main(void)
{
	char buf[16] = "";
	int p[2], n;
	struct stat st;

	RES(pipe(p));
	RES(write(p[1], "hello", 5));
	RES(ioctl(p[0], FIONREAD, &n));
	NUM(n);
	RES(read(p[0], buf, 2));
	STR(buf);
	RES(read(p[1], buf, 2));
	RES(write(p[0], "x", 1));
	RES(read(p[0], buf, 0));
	RES(write(p[1], "", 0));
	RES(read(p[0], bad_ptr(), 3));
	RES(fstat(p[0], &st));
	YES(S_ISFIFO(st.st_mode));
	printf("mode %o nlink %ld size %ld\n", st.st_mode & 07777, (long)st.st_nlink,
	       (long)st.st_size);
	close(p[1]);
	RES(read(p[0], buf, 16));
	RES(read(p[0], buf, 16));
	close(p[0]);

	RES(pipe(p));
	handle(SIGPIPE, on_pipe, 0);
	close(p[0]);
	RES(write(p[1], "x", 1));
	NUM(sigpipes);
	RES(write(p[1], "x", 0));
	NUM(sigpipes);
	handle(SIGPIPE, SIG_IGN, 0);
	RES(write(p[1], "x", 1));
	IN_CHILD("default SIGPIPE", handle(SIGPIPE, SIG_DFL, 0); RES(write(p[1], "x", 1)));
	close(p[1]);

	RES(pipe(bad_ptr()));
	RES(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	HEX(fcntl(p[0], F_GETFD));
	HEX(fcntl(p[0], F_GETFL));
	HEX(fcntl(p[1], F_GETFL));
	RES(read(p[0], buf, 1));
	RES(pipe2(p, O_APPEND));
	RES(pipe2(p, O_CREAT));

	/* A reader that blocks is woken by the last writer's close. */
	RES(pipe(p));
	if (fork_child() == 0) {
		close(p[0]);
		msleep(50);
		_exit(0);
	}
	close(p[1]);
	RES(read(p[0], buf, 1));
	wait(NULL);
	return 0;
}
