/*
 * Calls that write to a private mapping of a file: as far as the file goes they succeed; beyond,
 * they fail before a pipe has given its bytes away, also when the file has been cut meanwhile.
 * mmap(2), read(2).
 */
#include "compat.h"

#define P 4096

static char data[3 * P] = "in the program's data";
static char bss[3 * P];

/* Reads five bytes of the pipe to `to`; those that a failure leaves come out afterwards. */
static void move(int p[2], const char *what, char *to)
{
	char rest[16];
	ssize_t n;

	if (write(p[1], "bytes", 5) != 5)
		die("the pipe is full");
	n = read(p[0], to, 5);
	printf("%s: %zd %s\n", what, n, n < 0 ? err_name(errno) : "");
	if (n < 0)
		n = read(p[0], rest, sizeof(rest));
	else
		printf("  %.5s\n", to);
	printf("  %zd\n", n);
}

int main(void)
{
	int fd, p[2];
	char *m;

	tmp_enter();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || pipe(p) || ftruncate(fd, 2 * P + 10))
		die("setup");
	m = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < 3; i++) {
		move(p, "data", data + i * P + 1);
		move(p, "bss", bss + i * P + 1);
		move(p, "in the file", m + P);
		move(p, "the last page", m + 2 * P + 100);
		move(p, "across the end", m + 3 * P - 2);
		move(p, "beyond", m + 3 * P + 7);
	}
	RES(ftruncate(fd, P));
	move(p, "first page of the cut file", m + 5);
	move(p, "beyond the cut", m + P + 200);
	RES(ftruncate(fd, 0));
	move(p, "nothing left", m + 3 * P);
	RES(ftruncate(fd, 4 * P));
	move(p, "grown again", m + 3 * P);
	RES(mprotect(m, P, PROT_READ));
	move(p, "read only", m);
	move(p, "into the next", m + P - 2);
	return 0;
}
