/*
 * mprotect(2) on file mappings: what the descriptor allowed is the limit; PROT_NONE; shared against
 * private; ranges over several mappings; PROT_GROWSDOWN; the effect on system calls' buffers.
 */
#include "compat.h"

#define P 4096

int main(void)
{
	char *m, buf[P];
	int ro, rw, p[2];

	tmp_enter();
	put_file("f", "0123456789");
	ro = open("f", O_RDONLY);
	rw = open("f", O_RDWR);
	RES(ftruncate(rw, 4 * P));
	m = MAP(mmap(NULL, P, PROT_READ, MAP_SHARED, ro, 0));
	RES(mprotect(m, P, PROT_READ | PROT_WRITE));
	RES(mprotect(m, P, PROT_NONE));
	RES(mprotect(m, P, PROT_READ));
	printf("%c\n", m[3]);
	RES(mprotect(m, P, PROT_READ | PROT_EXEC));
	m = MAP(mmap(NULL, P, PROT_READ, MAP_PRIVATE, ro, 0));
	RES(mprotect(m, P, PROT_READ | PROT_WRITE));
	m[0] = 'P';
	RES(pread(rw, buf, 1, 0));
	printf("%c %c\n", m[0], buf[0]);
	m = MAP(mmap(NULL, 4 * P, PROT_NONE, MAP_SHARED, rw, 0));
	RES(mprotect(m + P, 2 * P, PROT_READ | PROT_WRITE));
	m[P] = 'x';
	m[3 * P - 1] = 'y';
	IN_CHILD("PROT_NONE", ((volatile char *)m)[0]);
	IN_CHILD("PROT_NONE at the end", ((volatile char *)m)[3 * P]);

	/* The kernel's access to a buffer obeys the same protection. */
	RES(pipe(p));
	RES(write(p[1], m, 10));
	RES(write(p[1], m + P, 10));
	RES(read(p[0], m, 10));
	RES(mprotect(m + P, P, PROT_READ));
	RES(read(p[0], m + P, 10));
	RES(read(p[0], m + 2 * P, 10));
	RES(pread(rw, m + P, 10, 0));
	RES(syscall(SYS_uname, m + P));
	RES(syscall(SYS_uname, m + 2 * P));
	RES(mprotect(m + 2 * P, P, PROT_WRITE)); /* implies read on x86 */
	m[2 * P] = 'w';
	printf("%c\n", m[2 * P]);
	RES(mprotect(m, P, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
	RES(mprotect(m, P, PROT_READ | PROT_GROWSDOWN));
	RES(mprotect((void *)0xffff800000000000UL, P, PROT_READ));
	RES(mprotect(m, (size_t)-P, PROT_READ));
	/* Many small changes in one large mapping. */
	m = MAP(mmap(NULL, 512 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(m, 'm', 512 * P);
	for (int i = 0; i < 512; i += 2)
		if (mprotect(m + i * P, P, PROT_READ))
			die("mprotect");
	int sum = 0;
	for (int i = 0; i < 512; i++)
		sum += m[i * P] == 'm';
	NUM(sum);
	RES(mprotect(m, 512 * P, PROT_READ | PROT_WRITE));
	memset(m, 'n', 512 * P);
	RES(munmap(m, 512 * P));
	return 0;
}
