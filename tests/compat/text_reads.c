/*
 * Text with system calls that have been made often: who reads it by way of the kernel sees what was
 * compiled, breakpoints work, and it may be changed, moved and copied. ptrace(2), proc(5),
 * process_vm_readv(2), mprotect(2), mremap(2).
 */
#include "compat.h"
#include <dlfcn.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define P     4096
#define OFTEN 200

/* On a page of their own: getsid(0) by a call whose neighbours behind move, or the one before. */
__asm__(".pushsection .text\n .balign 4096\n"
        ".globl site_page, site_after, site_before, site_end\n site_page:\n"
        "site_after: xor %edi,%edi\n mov $124,%edx\n mov %edx,%eax\n"
        "syscall\n cmp $-4096,%rax\n ja 1f\n ret\n1: xor %eax,%eax\n ret\n"
        ".balign 64\n site_before: xor %edi,%edi\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        "nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        "nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n mov $124,%eax\n syscall\n jmp 2f\n2: ret\n"
        "site_end: .balign 4096\n .popsection\n");
extern char site_page[], site_end[];
extern long site_after(void), site_before(void);

static unsigned char original[P];
static pid_t sid;

static int rounds(long (*a)(void), long (*b)(void))
{
	int right = 0;

	for (int i = 0; i < OFTEN; i++)
		right += a() == sid && b() == sid;
	return right;
}

static void readers(void)
{
	unsigned char buf[P];
	size_t n = (size_t)(site_end - site_page);
	struct iovec to = {buf, n}, from = {site_page, n};
	int fd = open("/proc/self/mem", O_RDONLY);

	YES(pread(fd, buf, n, (off_t)site_page) == (ssize_t)n);
	YES(memcmp(buf, original, n) == 0);
	close(fd);
	memset(buf, 0, n);
	YES(process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)n);
	YES(memcmp(buf, original, n) == 0);
	/* Byte by byte, so that pieces of an instruction are read. */
	int good = 0;
	for (size_t i = 0; i < n; i++) {
		from.iov_base = site_page + i;
		from.iov_len = to.iov_len = 1;
		good +=
		    process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1 && buf[0] == original[i];
	}
	YES(good == (int)n);
	YES(write(open("/dev/null", O_WRONLY), site_page, n) == (ssize_t)n);
}

static long peek(pid_t pid, char *at)
{
	return ptrace(PTRACE_PEEKTEXT, pid, at, NULL);
}

static void breakpoints(void)
{
	int status, ready[2];
	char c;

	if (pipe(ready))
		die("no pipe");
	pid_t child = fork();
	if (child == 0) {
		rounds(site_after, site_before);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)!write(ready[1], "x", 1);
		raise(SIGSTOP);
		int right = rounds(site_after, site_before);
		_exit(right == OFTEN ? 0 : 1);
	}
	(void)!read(ready[0], &c, 1);
	YES(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	int same = 0;
	for (int i = 0; i < 48; i += 8)
		same += peek(child, site_page + i) == *(long *)(original + i);
	NUM(same);
	/* On the call itself, on its neighbours, one after the other. */
	static const int at[] = {0, 2, 7, 9, 11, 17};
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		long word = peek(child, site_page + at[i]);
		struct user_regs_struct regs;

		YES(word == *(long *)(original + at[i]));
		RES(ptrace(PTRACE_POKETEXT, child, site_page + at[i], (word & ~0xffL) | 0xcc));
		RES(ptrace(PTRACE_CONT, child, NULL, NULL));
		waitpid(child, &status, 0);
		YES(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		if (!WIFSTOPPED(status))
			return;
		RES(ptrace(PTRACE_GETREGS, child, NULL, &regs));
		NUM(regs.rip - (unsigned long)site_page - 1);
		regs.rip--;
		RES(ptrace(PTRACE_POKETEXT, child, site_page + at[i], word));
		RES(ptrace(PTRACE_SETREGS, child, NULL, &regs));
	}
	RES(ptrace(PTRACE_CONT, child, NULL, NULL));
	waitpid(child, &status, 0);
	YES(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(ready[0]);
	close(ready[1]);
}

/* The guest changes a neighbour of the call: the answer plus one, and back. */
static void changes(void)
{
	char *after = site_page + 11;

	RES(mprotect(site_page, P, PROT_READ | PROT_WRITE));
	YES(memcmp(site_page, original, (size_t)(site_end - site_page)) == 0);
	/* nop; nop; mov $7,%al... in place of the comparison and what follows. */
	memcpy(after, "\x31\xc0\x04\x07\xc3\x90", 6);
	RES(mprotect(site_page, P, PROT_READ | PROT_EXEC));
	int sevens = 0;
	for (int i = 0; i < OFTEN; i++)
		sevens += site_after() == 7;
	NUM(sevens);
	RES(mprotect(site_page, P, PROT_READ | PROT_WRITE | PROT_EXEC));
	memcpy(after, original + 11, 6);
	NUM(rounds(site_after, site_before));
	RES(mprotect(site_page, P, PROT_READ | PROT_EXEC));
	NUM(rounds(site_after, site_before));
}

static void moves(void)
{
	char *new = mmap(NULL, P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long b = (char *)site_before - site_page;

	YES(mremap(site_page, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, new) == new);
	NUM(rounds((long (*)(void)) new, (long (*)(void))(new + b)));
	YES(mremap(new, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, site_page) == site_page);
	NUM(rounds(site_after, site_before));
	/* A copy, as a compiler at run time makes one. */
	new = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(new, original, P);
	RES(mprotect(new, P, PROT_READ | PROT_EXEC));
	NUM(rounds((long (*)(void)) new, (long (*)(void))(new + b)));
	RES(munmap(new, P));
}

int main(void)
{
	int status;

	sid = getsid(0);
	memcpy(original, site_page, (size_t)(site_end - site_page));
	NUM(rounds(site_after, site_before));
	readers();
	breakpoints();
	changes();
	moves();
	readers();
	pid_t pid = fork();
	if (pid == 0) {
		changes();
		moves();
		fflush(stdout);
		_exit(rounds(site_after, site_before) != OFTEN);
	}
	waitpid(pid, &status, 0);
	NUM(status);
	NUM(rounds(site_after, site_before));
	return 0;
}
