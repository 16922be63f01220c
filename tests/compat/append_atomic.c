/*
 * O_APPEND writes of many processes never overwrite each other; O_SYNC and O_DSYNC are accepted;
 * offsets after append.
 */
#include "compat.h"

#define N     8
#define LINES 100

int main(void)
{
	pid_t pids[N];
	char line[32], buf[N * LINES * 16 + 1];
	int fd, count[N] = {0}, bad = 0, len;
	ssize_t n;

	tmp_enter();
	put_file("log", "");
	for (int i = 0; i < N; i++) {
		pids[i] = fork_child();
		if (pids[i] == 0) {
			fd = open("log", O_WRONLY | O_APPEND);
			for (int k = 0; k < LINES; k++) {
				len = snprintf(line, sizeof(line), "writer %d %5d\n", i, k);
				if (write(fd, line, (size_t)len) != len)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < N; i++)
		reap("writer", pids[i]);
	fd = open("log", O_RDONLY);
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	NUM(n);
	for (char *p = strtok(buf, "\n"); p; p = strtok(NULL, "\n")) {
		int w = -1, k = -1;

		if (sscanf(p, "writer %d %d", &w, &k) != 2 || w < 0 || w >= N || k != count[w])
			bad++;
		else
			count[w]++;
	}
	for (int i = 0; i < N; i++)
		NUM(count[i]);
	NUM(bad);
	int a = open("log", O_RDWR | O_APPEND), b = open("log", O_RDWR | O_APPEND | O_SYNC);
	long end = lseek(a, 0, SEEK_END);
	RES(write(a, "12345", 5));
	RES(write(b, "678", 3));
	RES(lseek(b, 0, SEEK_CUR) - end);
	RES(lseek(a, 0, SEEK_CUR) - end);
	RES(lseek(a, 0, SEEK_SET));
	RES(read(a, buf, 6));
	RES(write(a, "9", 1));
	RES(lseek(a, 0, SEEK_CUR) - end);
	RES(ftruncate(a, 2));
	RES(write(b, "z", 1));
	RES(lseek(b, 0, SEEK_CUR));
	OKAY(open("log", O_WRONLY | O_DSYNC));
	return 0;
}
