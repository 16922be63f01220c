/*
 * FIFOs: blocking and non-blocking open, ENXIO, EOF and reopening, O_RDWR, mknod(2). fifo(7).
 */
#include "compat.h"
#include <poll.h>

int main(void)
{
	char buf[16] = "";
	struct stat st;
	int r, w, rw, status;
	pid_t pid;

	tmp_enter();
	RES(mkfifo("p", 0644));
	RES(mkfifo("p", 0644));
	RES(mknod("p2", S_IFIFO | 0600, 0));
	RES(mknod("sock", S_IFSOCK | 0600, 0));
	RES(mknod("reg", S_IFREG | 0600, 0));
	RES(mknod("reg2", 0600, 0));
	RES(mknod("dir", S_IFDIR | 0600, 0));
	RES(mknod("odd", 0170000 | 0600, 0));
	RES(stat("sock", &st));
	YES(S_ISSOCK(st.st_mode));
	RES(open("sock", O_RDONLY));
	RES(stat("reg2", &st));
	YES(S_ISREG(st.st_mode));
	RES(open("p", O_WRONLY | O_NONBLOCK));
	r = (int)OKAY(open("p", O_RDONLY | O_NONBLOCK));
	RES(read(r, buf, 1)); /* no writer yet: end of file */
	struct pollfd pfd = {r, POLLIN, 0};
	RES(poll(&pfd, 1, 0));
	w = (int)OKAY(open("p", O_WRONLY | O_NONBLOCK));
	RES(read(r, buf, 1));
	RES(write(w, "data", 4));
	RES(poll(&pfd, 1, 0));
	HEX(pfd.revents);
	RES(read(r, buf, 16));
	close(w);
	RES(poll(&pfd, 1, 0));
	HEX(pfd.revents);
	RES(read(r, buf, 16));
	w = (int)OKAY(open("p", O_WRONLY)); /* the reader is still there */
	RES(poll(&pfd, 1, 0));
	close(r);
	signal(SIGPIPE, SIG_IGN);
	RES(write(w, "x", 1));
	close(w);

	/* A blocking open waits for the other side. */
	long t = now_ms();
	pid = fork_child();
	if (pid == 0) {
		msleep(50);
		w = open("p", O_WRONLY);
		_exit(write(w, "hello", 5) == 5 ? 0 : 1);
	}
	r = (int)OKAY(open("p", O_RDONLY));
	YES(now_ms() - t >= 40);
	memset(buf, 0, sizeof(buf));
	RES(read(r, buf, 16));
	STR(buf);
	RES(read(r, buf, 16));
	waitpid(pid, &status, 0);
	show_status("writer", status);
	close(r);
	rw = (int)OKAY(open("p", O_RDWR));
	RES(write(rw, "self", 4));
	RES(read(rw, buf, 16));
	RES(unlink("p"));
	RES(write(rw, "gone", 4));
	RES(read(rw, buf, 16));

	/* A signal interrupts the blocking open. */
	handle(SIGUSR1, SIG_DFL, 0);
	pid = fork_child();
	if (pid == 0) {
		r = open("p2", O_RDONLY);
		_exit(9);
	}
	msleep(50);
	kill(pid, SIGUSR1);
	reap("blocked in open", pid);
	RES(mknod("null", S_IFCHR | 0666, 0x103));
	return 0;
}
