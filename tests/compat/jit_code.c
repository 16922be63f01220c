/*
 * Code made at run time: PROT_EXEC after writing, W^X by mprotect, two mappings of one memfd,
 * self-modifying code, execution of data refused. mmap(2), mprotect(2).
 */
#include "compat.h"

typedef int (*fn)(void);

/* mov $value,%eax; ret */
static void emit(unsigned char *p, int value)
{
	p[0] = 0xb8;
	memcpy(p + 1, &value, 4);
	p[5] = 0xc3;
}

/* mov $nr,%eax; syscall; ret */
static void emit_syscall(unsigned char *p, int nr)
{
	p[0] = 0xb8;
	memcpy(p + 1, &nr, 4);
	memcpy(p + 5, "\x0f\x05\xc3", 3);
}

int main(void)
{
	unsigned char *m, *w, *x;
	int fd, sum = 0;

	m = MAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
	             -1, 0));
	for (int i = 0; i < 1000; i++) {
		emit(m, i);
		sum += ((fn)(void *)m)();
	}
	NUM(sum);
	RES(mprotect(m, 4096, PROT_READ | PROT_EXEC));
	NUM(((fn)(void *)m)());
	IN_CHILD("write to code", m[0] = 0x90);
	RES(mprotect(m, 4096, PROT_READ | PROT_WRITE));
	IN_CHILD("execute data", ((fn)(void *)m)());
	emit(m, 77);
	RES(mprotect(m, 4096, PROT_EXEC));
	NUM(((fn)(void *)m)());
	/* System calls from made code, often enough that a call site may be rewritten, then made
	 * anew. */
	RES(mprotect(m, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
	emit_syscall(m, SYS_getpid);
	sum = 0;
	for (int i = 0; i < 1000; i++)
		sum += ((fn)(void *)m)() == getpid();
	NUM(sum);
	emit_syscall(m, SYS_getppid);
	sum = 0;
	for (int i = 0; i < 1000; i++)
		sum += ((fn)(void *)m)() == getppid();
	NUM(sum);
	emit(m, 5);
	NUM(((fn)(void *)m)());
	for (int off = 0; off < 64; off++) {
		memset(m, 0x90, 256);
		emit_syscall(m + off, SYS_gettid);
		for (int i = 0; i < 20; i++)
			sum += ((fn)(void *)m)() == getpid();
	}
	NUM(sum);

	fd = memfd_create("jit", 0);
	RES(ftruncate(fd, 4096));
	w = MAP(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	x = MAP(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
	emit(w, 1234);
	NUM(((fn)(void *)x)());
	emit(w, 4321);
	NUM(((fn)(void *)x)());
	emit_syscall(w, SYS_getppid);
	sum = 0;
	for (int i = 0; i < 500; i++)
		sum += ((fn)(void *)x)() == getppid();
	NUM(sum);
	static unsigned char data[8] = {0xb8, 1, 0, 0, 0, 0xc3};
	IN_CHILD("static data", ((fn)(void *)data)());
	IN_CHILD("stack", unsigned char s[8]; memcpy(s, data, 8); ((fn)(void *)s)());
	return 0;
}
