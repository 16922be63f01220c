/*
 * SIGSEGV handlers: si_code MAPERR and ACCERR, si_addr, a handler that mends the fault by mprotect
 * or mmap and returns, SIGBUS beyond the end of a file, faults while blocked or ignored are fatal.
 * sigaction(2).
 */
#include "compat.h"
#include <setjmp.h>

static char *page;
static volatile int code, faults;
static void *volatile addr;
static sigjmp_buf env;

static void mend(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	faults++;
	code = si->si_code;
	addr = si->si_addr;
	if (code == SEGV_ACCERR)
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
	else
		mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
}

static void jump(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	code = si->si_code;
	addr = si->si_addr;
	siglongjmp(env, sig);
}

int main(void)
{
	volatile char *v;
	int sig, fd;
	char name[] = "/tmp/compat-XXXXXX";

	handle_info(SIGSEGV, mend, 0);
	page = MAP(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	v = page;
	v[100] = 'x';
	YES(code == SEGV_ACCERR && addr == page + 100 && faults == 1);
	RES(mprotect(page, 4096, PROT_READ));
	YES(v[100] == 'x');
	v[101] = 'y';
	YES(code == SEGV_ACCERR && addr == page + 101 && faults == 2);
	RES(munmap(page, 4096));
	NUM(v[7]);
	YES(code == SEGV_MAPERR && addr == page + 7 && faults == 3);

	/* A thousand faults in a row. */
	for (int i = 0; i < 1000; i++) {
		mprotect(page, 4096, PROT_NONE);
		v[i] = 1;
	}
	NUM(faults);

	handle_info(SIGSEGV, jump, 0);
	handle_info(SIGBUS, jump, 0);
	sig = sigsetjmp(env, 1);
	if (!sig)
		*(volatile char *)bad_ptr() = 1;
	printf("%s code %d addr %d\n", sig_name(sig), code, (int)(intptr_t)addr);
	sig = sigsetjmp(env, 1);
	if (!sig)
		((void (*)(void))page)(); /* not executable */
	printf("%s code %d at page %d\n", sig_name(sig), code, addr == page);
	sig = sigsetjmp(env, 1);
	if (!sig)
		*(volatile char *)0xdead000000000000UL =
		    1; /* not canonical: a general protection fault */
	printf("%s code %d addr %p\n", sig_name(sig), code == SI_KERNEL, (void *)addr);

	fd = mkstemp(name);
	unlink(name);
	RES(ftruncate(fd, 100));
	char *m = MAP(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	sig = sigsetjmp(env, 1);
	if (!sig) {
		YES(m[4095] == 0);
		((volatile char *)m)[4096] = 1;
	}
	printf("%s code %s addr %d\n", sig_name(sig), code == BUS_ADRERR ? "BUS_ADRERR" : "?",
	       addr == m + 4096);

	IN_CHILD("blocked", sigset_t set = sigset_of(SIGSEGV, 0);
	         sigprocmask(SIG_BLOCK, &set, NULL); *(volatile char *)bad_ptr() = 1);
	IN_CHILD("ignored", signal(SIGSEGV, SIG_IGN); *(volatile char *)bad_ptr() = 1);
	IN_CHILD("default", signal(SIGSEGV, SIG_DFL); *(volatile char *)bad_ptr() = 1);
	return 0;
}
