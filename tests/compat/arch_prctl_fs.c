/*
 * arch_prctl(2): FS and GS bases per thread, over fork and signals; rd/wrfsbase where the kernel
 * allows; errors.
 */
#include "compat.h"
#include <asm/prctl.h>
#include <pthread.h>
#include <sys/auxv.h>

static unsigned long get(int code)
{
	unsigned long v = 0;

	if (syscall(SYS_arch_prctl, code, &v))
		die("arch_prctl");
	return v;
}

static unsigned long cell = 0x1234, gs_cell[4] = {1, 2, 3, 4};

static unsigned long gs_read(void)
{
	unsigned long v;

	__asm__ volatile("mov %%gs:8,%0" : "=r"(v));
	return v;
}

static volatile unsigned long seen;

static void on_usr1(int sig)
{
	(void)sig;
	seen = gs_read();
}

static void *thread(void *arg)
{
	unsigned long mine[2] = {10, 20};

	*(unsigned long *)arg = get(ARCH_GET_FS);
	NUM(get(ARCH_GET_GS) != 0);
	syscall(SYS_arch_prctl, ARCH_SET_GS, mine);
	NUM(gs_read());
	return NULL;
}

int main(void)
{
	unsigned long fs = get(ARCH_GET_FS), other = 0, v;
	pthread_t t;

	YES(fs != 0 && *(unsigned long *)fs == fs); /* the TCB begins with a pointer to itself */
	NUM(get(ARCH_GET_GS));
	/* FS is changed and restored without a call of the C library in between. */
	long r;
	__asm__ volatile("syscall; mov %%fs:0,%1; mov %3,%%rsi; mov $158,%%eax; syscall"
	                 : "=a"(r), "=&b"(v)
	                 : "a"(SYS_arch_prctl), "r"(fs), "D"((long)ARCH_SET_FS), "S"(&cell)
	                 : "rcx", "r11", "memory");
	HEX(v);
	NUM(r);
	YES(get(ARCH_GET_FS) == fs);

	RES(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_cell));
	YES(get(ARCH_GET_GS) == (unsigned long)gs_cell);
	NUM(gs_read());
	handle(SIGUSR1, on_usr1, 0);
	raise(SIGUSR1);
	NUM(seen);
	IN_CHILD("fork", NUM(gs_read()); gs_cell[1] = 9; NUM(gs_read()));
	NUM(gs_read());
	pthread_create(&t, NULL, thread, &other);
	pthread_join(t, NULL);
	YES(other != fs && other != 0);
	NUM(gs_read());
	for (int i = 0; i < 1000; i++)
		getppid();
	NUM(gs_read()); /* system calls leave it alone */
	if (getauxval(AT_HWCAP2) & 2) {
		__asm__ volatile("rdfsbase %0" : "=r"(v));
		YES(v == fs);
		unsigned long two[2] = {5, 6};
		__asm__ volatile("wrgsbase %0" ::"r"(two));
		NUM(gs_read());
		YES(get(ARCH_GET_GS) == (unsigned long)two);
		for (int i = 0; i < 100; i++)
			getppid();
		raise(SIGUSR1);
		NUM(seen);
	}
	RES(syscall(SYS_arch_prctl, 0x9999, 0));
	RES(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff800000000000UL));
	RES(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x8000000000000000UL));
	RES(syscall(SYS_arch_prctl, ARCH_GET_FS, bad_ptr()));
	return 0;
}
