/*
 * dup, dup2, dup3, F_DUPFD, F_DUPFD_CLOEXEC, F_SETFD, F_SETFL, lowest free number, RLIMIT_NOFILE.
 * dup(2), fcntl(2).
 */
#include "compat.h"

int main(void)
{
	struct rlimit rl, old;
	int fd, p[2], n = 0;

	/* Begin with a known table, whatever was inherited. */
	RES(close_range(3, ~0U, 0));
	tmp_enter();
	put_file("f", "abc");
	RES(open("f", O_RDWR));
	RES(dup(3));
	RES(dup2(3, 10));
	RES(dup2(3, 3));
	RES(dup2(50, 50));
	RES(dup2(50, 3));
	RES(dup2(3, -1));
	RES(dup3(3, 3, 0));
	RES(dup3(3, 12, O_CLOEXEC));
	RES(fcntl(12, F_GETFD));
	RES(dup3(3, 12, O_NONBLOCK));
	RES(dup2(12, 13));
	RES(fcntl(13, F_GETFD));
	RES(fcntl(3, F_DUPFD, 11));
	RES(fcntl(3, F_DUPFD_CLOEXEC, 5));
	RES(fcntl(5, F_GETFD));
	RES(fcntl(3, F_DUPFD, -1));
	RES(fcntl(3, F_SETFD, FD_CLOEXEC));
	RES(fcntl(4, F_GETFD));
	RES(fcntl(3, F_SETFD, 0));
	RES(dup(99));
	RES(dup(-1));
	RES(fcntl(3, 9999));
	RES(close(99));
	RES(close(-1));
	RES(close(4));
	RES(dup(3));

	/* Status flags belong to the description. */
	fd = dup(3);
	RES(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	HEX(fcntl(3, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE));
	RES(write(3, "Z", 1));
	STR(get_file("f"));
	RES(fcntl(3, F_SETFL, O_RDONLY | O_CREAT | O_TRUNC)); /* the rest is ignored */
	HEX(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE));

	RES(close_range(10, 12, 0));
	printf("%d %d %d %d\n", fd_open(10), fd_open(11), fd_open(12), fd_open(13));
	RES(close_range(13, 13, CLOSE_RANGE_CLOEXEC));
	RES(fcntl(13, F_GETFD));
	RES(close_range(13, 12, 0));
	RES(close_range(13, 14, 8));
	RES(close_range(10000, 20000, 0));

	RES(getrlimit(RLIMIT_NOFILE, &old));
	rl = old;
	rl.rlim_cur = 20;
	RES(setrlimit(RLIMIT_NOFILE, &rl));
	RES(fcntl(3, F_DUPFD, 20));
	RES(fcntl(3, F_DUPFD, 19));
	RES(dup2(3, 20));
	while (dup(3) >= 0)
		n++;
	printf("%s\n", err_name(errno));
	YES(n > 5 && n < 20);
	RES(open("f", O_RDONLY));
	RES(pipe(p));
	RES(close(19));
	RES(pipe(p)); /* one free slot is not enough, and stays free */
	RES(dup(3));
	rl.rlim_cur = 3;
	RES(setrlimit(RLIMIT_NOFILE, &rl));
	RES(write(3, "still open", 10));
	RES(dup(3));
	RES(setrlimit(RLIMIT_NOFILE, &old));
	return 0;
}
