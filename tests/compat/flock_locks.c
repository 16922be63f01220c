/*
 * flock(2): shared, exclusive, upgrade, per open file description, inheritance by fork,
 * EWOULDBLOCK, blocking wake-up.
 */
#include "compat.h"
#include <sys/file.h>

int main(void)
{
	int a, b, d, p[2];
	char c;
	pid_t pid;

	tmp_enter();
	put_file("f", "");
	a = open("f", O_RDONLY);
	b = open("f", O_RDWR);
	d = dup(a);
	RES(flock(a, LOCK_SH | LOCK_NB));
	RES(flock(b, LOCK_SH | LOCK_NB));
	RES(flock(b, LOCK_EX | LOCK_NB)); /* the failed conversion loses b's shared lock */
	RES(flock(a, LOCK_EX | LOCK_NB));
	RES(flock(d, LOCK_EX | LOCK_NB)); /* the same description: no conflict */
	RES(flock(b, LOCK_SH | LOCK_NB));
	RES(flock(d, LOCK_UN)); /* unlocks a's */
	RES(flock(b, LOCK_EX | LOCK_NB));
	IN_CHILD("child", RES(flock(b, LOCK_EX | LOCK_NB)); RES(flock(a, LOCK_SH | LOCK_NB));
	         close(b));
	RES(flock(a, LOCK_SH | LOCK_NB)); /* the child's close did not unlock */
	close(b);
	RES(flock(a, LOCK_EX | LOCK_NB));

	/* A waiter gets it when the holder's last descriptor is closed. */
	RES(pipe(p));
	pid = fork_child();
	if (pid == 0) {
		close(a);
		close(d);
		b = open("f", O_RDWR);
		long t = now_ms();
		if (write(p[1], "r", 1) != 1)
			_exit(1);
		int r = flock(b, LOCK_EX);
		_exit(r == 0 && now_ms() - t >= 40 ? 0 : 2);
	}
	if (read(p[0], &c, 1) != 1)
		die("read");
	msleep(60);
	close(a);
	close(d);
	reap("waiter", pid);
	RES(flock(999, LOCK_SH));
	RES(flock(p[0], LOCK_SH | LOCK_NB));
	a = open("f", O_RDONLY);
	RES(flock(a, 0));
	RES(flock(a, LOCK_SH | LOCK_EX));
	RES(flock(a, 64));
	/* flock and fcntl locks do not see each other. */
	b = open("f", O_RDWR);
	RES(flock(a, LOCK_EX));
	RES(fcntl(b, F_SETLK, &(struct flock){.l_type = F_WRLCK}));
	d = open(".", O_RDONLY);
	RES(flock(d, LOCK_EX | LOCK_NB));
	return 0;
}
