/*
 * memfd_create(2) and file sealing: F_ADD_SEALS, F_GET_SEALS, what each seal refuses; memfds in
 * /proc/self/fd.
 */
#include "compat.h"

int main(void)
{
	char buf[64] = "", path[64];
	ssize_t n;
	int fd, fd2;
	char *m;

	fd = (int)OKAY(memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	STR(buf);
	RES(fcntl(fd, F_GETFD));
	RES(write(fd, "0123456789", 10));
	HEX(fcntl(fd, F_GET_SEALS));
	RES(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	RES(ftruncate(fd, 20));
	RES(pwrite(fd, "X", 1, 10));
	RES(pwrite(fd, "X", 1, 9));
	RES(fallocate(fd, 0, 0, 100));
	RES(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	RES(ftruncate(fd, 5));
	RES(ftruncate(fd, 10));
	m = MAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	RES(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); /* a writable shared mapping exists */
	RES(munmap(m, 4096));
	RES(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	RES(pwrite(fd, "Y", 1, 0));
	RES(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5));
	MAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	m = MAP(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	RES(mprotect(m, 4096, PROT_READ | PROT_WRITE));
	MAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	RES(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	RES(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	HEX(fcntl(fd, F_GET_SEALS));
	fd2 = (int)OKAY(open(path, O_RDONLY));
	RES(pread(fd2, buf, 10, 0));
	STR(buf);

	fd = (int)OKAY(memfd_create("", 0));
	HEX(fcntl(fd, F_GET_SEALS)); /* sealed against sealing */
	RES(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	RES(fcntl(fd, F_ADD_SEALS, 0x8000));
	fd = (int)OKAY(memfd_create("future", MFD_ALLOW_SEALING));
	RES(ftruncate(fd, 4096));
	m = MAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	RES(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	m[0] = 'w';
	RES(pwrite(fd, "Y", 1, 0));
	RES(pread(fd, buf, 1, 0));
	printf("%c\n", buf[0]);
	MAP(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0));
	struct stat st;
	RES(fstat(fd, &st));
	printf("mode %o nlink %ld size %ld\n", st.st_mode, (long)st.st_nlink, (long)st.st_size);
	RES(memfd_create(bad_ptr(), 0));
	RES(memfd_create("x", 0x4000));
	char name[300];
	memset(name, 'n', sizeof(name));
	name[250] = 0;
	RES(memfd_create(name, 0));
	name[249] = 0;
	OKAY(memfd_create(name, 0));
	RES(fcntl(open("/dev/null", O_RDONLY), F_GET_SEALS));
	return 0;
}
