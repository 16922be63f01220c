/*
 * copy_file_range(2) and sendfile(2): offsets given and not, overlaps, end of file, pipes, flags,
 * errors.
 */
#include "compat.h"
#include <sys/sendfile.h>
#include <sys/socket.h>

int main(void)
{
	loff_t in = 2, out = 10;
	off_t off = 3;
	char buf[32] = "";
	int a, b, p[2], s[2], ap;

	tmp_enter();
	put_file("a", "0123456789");
	a = open("a", O_RDWR);
	b = open("b", O_RDWR | O_CREAT, 0644);
	RES(copy_file_range(a, &in, b, &out, 4, 0));
	printf("in %ld out %ld\n", (long)in, (long)out);
	RES(lseek(a, 0, SEEK_CUR));
	RES(lseek(b, 0, SEEK_END));
	RES(pread(b, buf, 4, 10));
	STR(buf);
	RES(copy_file_range(a, NULL, b, NULL, 100, 0));
	RES(copy_file_range(a, NULL, b, NULL, 100, 0));
	RES(lseek(a, 0, SEEK_CUR));
	RES(lseek(b, 0, SEEK_CUR));
	in = 0, out = 5;
	RES(copy_file_range(a, &in, a, &out, 5, 0));
	in = 0, out = 2;
	RES(copy_file_range(a, &in, a, &out, 5, 0));
	STR(get_file("a"));
	RES(copy_file_range(a, NULL, b, NULL, 1, 1));
	RES(pipe(p));
	RES(copy_file_range(a, NULL, p[1], NULL, 1, 0));
	RES(copy_file_range(999, NULL, b, NULL, 1, 0));
	RES(copy_file_range(a, NULL, open("b", O_RDONLY), NULL, 1, 0));
	ap = open("b", O_WRONLY | O_APPEND);
	RES(copy_file_range(a, NULL, ap, NULL, 1, 0));
	RES(copy_file_range(open(".", O_RDONLY), NULL, b, NULL, 1, 0));
	in = -1;
	RES(copy_file_range(a, &in, b, NULL, 1, 0));

	RES(lseek(a, 0, SEEK_SET));
	RES(sendfile(p[1], a, &off, 4));
	NUM(off);
	RES(lseek(a, 0, SEEK_CUR));
	RES(sendfile(p[1], a, NULL, 100));
	RES(lseek(a, 0, SEEK_CUR));
	RES(sendfile(p[1], a, NULL, 100));
	memset(buf, 0, sizeof(buf));
	RES(read(p[0], buf, 31));
	STR(buf);
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	off = 0;
	RES(sendfile(s[0], a, &off, 5));
	memset(buf, 0, sizeof(buf));
	RES(read(s[1], buf, 31));
	STR(buf);
	off = -1;
	RES(sendfile(s[0], a, &off, 5));
	off = 0;
	RES(sendfile(b, a, &off, 5));
	RES(sendfile(ap, a, &off, 5));
	RES(sendfile(a, p[0], &off, 5));
	RES(sendfile(999, a, NULL, 5));
	RES(sendfile(s[0], a, bad_ptr(), 5));
	return 0;
}
