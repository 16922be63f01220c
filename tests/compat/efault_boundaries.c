/*
 * Buffers and strings that end at, or cross into, an unmapped page: partial transfers, EFAULT, and
 * strings that end just in time. Checked for reads, writes, paths, argument vectors and structures.
 */
#include "compat.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define P 4096

extern char **environ;

int main(void)
{
	char *m = mmap(NULL, 3 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	     *end = m + 2 * P;
	static char big[4 * P];
	struct iovec iov[2];
	int fd, p[2], s[2];

	munmap(m + 2 * P, P);
	tmp_enter();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	memset(big, 'b', sizeof(big));
	RES(write(fd, big, sizeof(big)));
	RES(pread(fd, end - 100, 100, 0));
	RES(pread(fd, end - 100, 101, 0)); /* what fits is read */
	RES(pread(fd, end - P, 3 * P, 0));
	RES(pread(fd, end, 1, 0));
	RES(pwrite(fd, end - 100, 200, 0));
	RES(pwrite(fd, end, 1, 0));
	RES(pipe(p));
	RES(write(p[1], end - 10, 10));
	RES(write(p[1], end - 10, 20) == 10 ||
	    errno == EFAULT); /* up to the kernel's page size of copying */
	while (fcntl(p[0], F_SETFL, O_NONBLOCK), read(p[0], big, sizeof(big)) > 0)
		;
	RES(write(p[1], "0123456789", 10));
	RES(read(p[0], end - 5, 5));
	RES(read(p[0], end - 5, 10));
	RES(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	RES(send(s[0], end - 5, 10, 0));
	RES(send(s[0], end - 5, 5, 0));
	RES(recv(s[1], end - 3, 10, 0));
	iov[0] = (struct iovec){end - 4, 4};
	iov[1] = (struct iovec){end, 4};
	RES(preadv(fd, iov, 2, 0));
	RES(pwritev(fd, iov, 2, 0));
	memcpy(end - sizeof(iov[0]), &iov[0], sizeof(iov[0]));
	RES(readv(fd, (struct iovec *)(end - sizeof(iov[0])), 1) >= 0);
	RES(readv(fd, (struct iovec *)(end - sizeof(iov[0])), 2));

	/* Strings. */
	memcpy(end - 2, "f", 2);
	RES(access(end - 2, F_OK));
	end[-1] = 'f';
	RES(access(end - 2, F_OK));
	RES(open(end - 1, O_RDONLY));
	strcpy(end - 5, "/tmp");
	RES(chdir(end - 5) == 0 ? 0 : -1);
	RES(symlink("x", end - 1));
	memset(m, '/', 2 * P);
	RES(access(m, F_OK)); /* no end within PATH_MAX */
	RES(access(end - 4000, F_OK));
	/* Vectors. */
	char **argv = (char **)(end - 2 * sizeof(char *));
	argv[0] = "x";
	argv[1] = "y"; /* no NULL before the page ends */
	RES(execve("/bin/true", argv, environ));
	argv[1] = NULL;
	IN_CHILD("just in time", execve("/bin/true", argv, environ); RES(-1));
	end[-1] = 'q';
	RES(execve("/bin/true", (char *[]){end - 1, NULL}, environ));
	/* Structures. */
	struct stat *st = (struct stat *)(end - sizeof(struct stat));
	RES(stat("/", st));
	RES(syscall(SYS_stat, "/", (char *)st + 8));
	RES(syscall(SYS_pipe, end - 8));
	RES(syscall(SYS_pipe, end - 4));
	RES(poll((struct pollfd *)(end - sizeof(struct pollfd)), 2, 0));
	RES(syscall(SYS_nanosleep, end - 8, NULL));
	RES(syscall(SYS_getcwd, end - 2, 100));
	RES(syscall(SYS_readlink, "/proc/self/exe", end - 2, 100));
	RES(syscall(SYS_gettimeofday, end - 8, NULL));
	RES(syscall(SYS_rt_sigaction, SIGUSR1, end - 8, NULL, 8));
	RES(syscall(SYS_wait4, -1, end, 0, NULL));
	RES(syscall(SYS_getdents64, open("/", O_RDONLY), end - 8, 4096) < 0);
	return 0;
}
