/*
 * The device nodes every program expects: numbers, reads, writes, seeks and maps of /dev/null,
 * zero, full, random; /dev/fd, stdin, stdout, stderr, shm, ptmx.
 */
#include "compat.h"
#include <poll.h>
#include <sys/sysmacros.h>

int main(void)
{
	const char *names[] = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"};
	char buf[4096], *m, path[64];
	struct stat st;
	int fd, nonzero = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/dev/%s", names[i]);
		if (stat(path, &st) == 0)
			printf("%s: %s %u:%u\n", names[i], S_ISCHR(st.st_mode) ? "char" : "other",
			       major(st.st_rdev), minor(st.st_rdev));
		else
			printf("%s: %s\n", names[i], err_name(errno));
	}
	fd = open("/dev/null", O_RDWR);
	RES(lseek(fd, 100, SEEK_END));
	RES(write(fd, buf, 4096));
	RES(ftruncate(fd, 0));
	YES(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == ENODEV);
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	RES(poll(&p, 1, 0));
	HEX(p.revents);
	OKAY(open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600));
	RES(open("/dev/null/x", O_RDONLY));
	RES(open("/dev/null", O_RDONLY | O_DIRECTORY));
	fd = open("/dev/zero", O_RDWR);
	memset(buf, 1, sizeof(buf));
	RES(read(fd, buf, 4096));
	for (int i = 0; i < 4096; i++)
		nonzero += buf[i] != 0;
	NUM(nonzero);
	RES(pread(fd, buf, 10, 1 << 30));
	m = MAP(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	m[5000] = 1;
	NUM(m[0] + m[5000]);
	m = MAP(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	IN_CHILD("shared /dev/zero", m[0] = 7);
	NUM(m[0]);
	fd = open("/dev/full", O_RDWR);
	RES(read(fd, buf, 10));
	RES(write(fd, "x", 1));
	RES(lseek(fd, 5, SEEK_SET));
	fd = open("/dev/urandom", O_RDONLY);
	RES(read(fd, buf, 4096));
	int seen[256] = {0}, distinct = 0;
	for (int i = 0; i < 4096; i++)
		seen[(unsigned char)buf[i]]++;
	for (int i = 0; i < 256; i++)
		distinct += seen[i] > 0;
	YES(distinct > 240);
	RES(read(fd, bad_ptr(), 10));
	RES(lseek(fd, 0, SEEK_SET));
	fd = open("/dev/urandom", O_WRONLY);
	RES(write(fd, "entropy", 7));
	RES(stat("/dev/fd/0", &st));
	RES(lstat("/dev/stdin", &st));
	YES(S_ISLNK(st.st_mode));
	char link[64] = "";
	RES(readlink("/dev/fd", link, sizeof(link) - 1));
	STR(link);
	RES(stat("/dev/shm", &st));
	YES(S_ISDIR(st.st_mode));
	RES(stat("/dev/pts", &st));
	YES(S_ISDIR(st.st_mode));
	RES(access("/dev/mem-that-is-not", F_OK));
	return 0;
}
