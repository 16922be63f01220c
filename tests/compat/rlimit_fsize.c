/*
 * RLIMIT_FSIZE: partial write up to the limit, then SIGXFSZ or EFBIG. setrlimit(2).
 * The output may go to a file, so nothing is flushed while the limit holds.
 */
#include "compat.h"

static volatile sig_atomic_t hits;

static void on_xfsz(int sig)
{
	hits += sig == SIGXFSZ;
}

int main(void)
{
	struct rlimit rl = {100, RLIM_INFINITY};
	static char buf[200];
	int fd, memory, p[2];

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	tmp_enter();
	getrlimit(RLIMIT_FSIZE, &rl);
	rl.rlim_cur = 100;
	fd = open("f", O_RDWR | O_CREAT, 0644);
	handle(SIGXFSZ, on_xfsz, 0);
	RES(setrlimit(RLIMIT_FSIZE, &rl));
	RES(write(fd, buf, 60));
	RES(write(fd, buf, 60)); /* only 40 fit */
	NUM(hits);
	RES(write(fd, buf, 1));
	NUM(hits);
	RES(ftruncate(fd, 101));
	NUM(hits);
	RES(ftruncate(fd, 100));
	RES(truncate("f", 500));
	NUM(hits);
	RES(pwrite(fd, buf, 10, 95));
	RES(pwrite(fd, buf, 10, 200));
	NUM(hits);
	RES(fallocate(fd, 0, 0, 4096));
	NUM(hits);
	memory = memfd_create("m", 0);
	RES(fallocate(memory, FALLOC_FL_KEEP_SIZE, 0, 4096)); /* as it takes memory */
	NUM(hits);
	signal(SIGXFSZ, SIG_IGN);
	RES(write(fd, buf, 1));
	RES(pipe(p));
	RES(write(p[1], buf, 200)); /* only files are limited */
	rl.rlim_cur = 0;
	RES(setrlimit(RLIMIT_FSIZE, &rl));
	RES(pwrite(fd, buf, 1, 0));
	rl.rlim_cur = rl.rlim_max;
	RES(setrlimit(RLIMIT_FSIZE, &rl));
	RES(pwrite(fd, buf, 1, 1000));
	IN_CHILD("default", rl.rlim_cur = 100; setrlimit(RLIMIT_FSIZE, &rl);
	         signal(SIGXFSZ, SIG_DFL); RES(pwrite(fd, buf, 1, 100)));
	return 0;
}
