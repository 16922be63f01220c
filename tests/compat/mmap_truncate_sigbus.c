/*
 * A file cut under its mappings: SIGBUS beyond the new end, for shared and private pages; system
 * calls get EFAULT; the page comes back with the file. mmap(2).
 */
#include "compat.h"
#include <setjmp.h>

#define P 4096

static sigjmp_buf env;
static void *volatile at;

static void on_bus(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	at = si->si_addr;
	siglongjmp(env, sig);
}

static void touch(const char *what, char *p)
{
	int sig = sigsetjmp(env, 1);

	if (sig == 0) {
		volatile char c = *(volatile char *)p;

		printf("%s: %d\n", what, c);
	} else {
		printf("%s: %s at it %d\n", what, sig_name(sig), at == p);
	}
}

int main(void)
{
	char *shared, *priv, buf[16];
	int fd, p[2];

	tmp_enter();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	RES(ftruncate(fd, 4 * P));
	shared = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	priv = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memset(shared, 's', 4 * P);
	priv[2 * P] = 'p'; /* a copied page */
	priv[3 * P + 5] = priv[3 * P + 5];
	handle_info(SIGBUS, on_bus, 0);
	RES(ftruncate(fd, P + 100));
	touch("first page", shared);
	touch("the cut page, before the end", shared + P + 99);
	touch("the cut page, after the end", shared + P + 100);
	touch("beyond", shared + 2 * P);
	touch("far beyond", shared + 3 * P + 10);
	touch("private first", priv);
	touch("private beyond", priv + 2 * P);
	RES(pipe(p));
	RES(write(p[1], shared + 2 * P, 10));
	RES(write(p[1], shared, 10));
	RES(read(p[0], shared + 2 * P, 10));
	RES(syscall(SYS_open, shared + 2 * P, O_RDONLY));
	RES(read(p[0], buf, 10));
	RES(ftruncate(fd, 4 * P));
	touch("back again", shared + 2 * P);
	touch("the cut page's tail", shared + P + 100);
	touch("private back", priv + 3 * P);
	shared[3 * P] = 'n';
	RES(pread(fd, buf, 1, 3 * P));
	printf("%c\n", buf[0]);
	RES(unlink("f"));
	RES(ftruncate(fd, 0));
	touch("all gone", shared);
	IN_CHILD("by default", signal(SIGBUS, SIG_DFL); *(volatile char *)shared = 1);
	return 0;
}
