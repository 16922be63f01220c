/*
 * A megabyte through splice(2), sendfile(2) and copy_file_range(2) between files, pipes and
 * sockets, with a reader in another process; checksums must agree.
 */
#include "compat.h"
#include <sys/sendfile.h>
#include <sys/socket.h>

#define LEN (1 << 20)

static unsigned int sum(const unsigned char *p, size_t n)
{
	unsigned int s = 1;

	for (size_t i = 0; i < n; i++)
		s = s * 31 + p[i];
	return s;
}

static unsigned char data[LEN], back[LEN];

static unsigned int sum_file(const char *name)
{
	int fd = open(name, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, back + len, sizeof(back) - len)) > 0)
		len += (size_t)n;
	close(fd);
	return len == LEN ? sum(back, len) : 0;
}

int main(void)
{
	unsigned int want;
	int in, out, p[2], s[2];
	long total = 0;
	ssize_t n;
	pid_t pid;

	tmp_enter();
	for (int i = 0; i < LEN; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	want = sum(data, LEN);
	in = open("in", O_RDWR | O_CREAT, 0600);
	for (size_t o = 0; o < LEN; o += (size_t)n)
		if ((n = write(in, data + o, LEN - o)) <= 0)
			die("write");
	/* file -> pipe -> file */
	RES(pipe(p));
	lseek(in, 0, SEEK_SET);
	out = open("out1", O_WRONLY | O_CREAT, 0600);
	while ((n = splice(in, NULL, p[1], NULL, 65536, SPLICE_F_MOVE)) > 0)
		while (n > 0) {
			ssize_t m = splice(p[0], NULL, out, NULL, (size_t)n, 0);

			if (m <= 0)
				die("splice");
			n -= m;
			total += m;
		}
	NUM(total);
	YES(sum_file("out1") == want);
	/* file -> socket by sendfile, read by a child */
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid = fork_child();
	if (pid == 0) {
		size_t len = 0;

		close(s[0]);
		while ((n = read(s[1], back + len, sizeof(back) - len)) > 0)
			len += (size_t)n;
		_exit(len == LEN && sum(back, len) == want ? 0 : 1);
	}
	close(s[1]);
	off_t off = 0;
	while (off < LEN)
		if (sendfile(s[0], in, &off, LEN) <= 0)
			die("sendfile");
	close(s[0]);
	reap("sendfile reader", pid);
	/* file -> file */
	out = open("out2", O_WRONLY | O_CREAT, 0600);
	loff_t from = 0;
	while (from < LEN)
		if (copy_file_range(in, &from, out, NULL, LEN, 0) <= 0)
			die("copy_file_range");
	YES(sum_file("out2") == want);
	/* socket -> pipe -> file, written by a child; the pipe is teed */
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	int q[2];
	RES(pipe(p));
	RES(pipe(q));
	pid = fork_child();
	if (pid == 0) {
		close(s[1]);
		for (size_t o = 0; o < LEN; o += (size_t)n)
			if ((n = write(s[0], data + o, LEN - o)) <= 0)
				_exit(1);
		_exit(0);
	}
	close(s[0]);
	out = open("out3", O_WRONLY | O_CREAT, 0600);
	int out4 = open("out4", O_WRONLY | O_CREAT, 0600);
	while ((n = splice(s[1], NULL, p[1], NULL, 16384, 0)) > 0)
		while (n > 0) {
			ssize_t m = tee(p[0], q[1], (size_t)n, 0);

			if (m <= 0)
				die("tee");
			for (ssize_t k = m; k > 0;) {
				ssize_t x = splice(p[0], NULL, out, NULL, (size_t)k, 0);

				if (x <= 0)
					die("splice");
				k -= x;
			}
			for (ssize_t k = m; k > 0;) {
				ssize_t x = splice(q[0], NULL, out4, NULL, (size_t)k, 0);

				if (x <= 0)
					die("splice");
				k -= x;
			}
			n -= m;
		}
	reap("writer", pid);
	YES(sum_file("out3") == want);
	YES(sum_file("out4") == want);
	return 0;
}
