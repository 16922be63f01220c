/*
 * Programs that run again and again, and what they and others see of their text: the file's bytes,
 * in one place or in several, changed, moved, copied by a fork, or mapped by hand. mmap(2),
 * mprotect(2), mremap(2), proc(5), process_vm_readv(2).
 */
#include "compat.h"
#include <dlfcn.h>
#include <link.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#define P    4096UL
#define RUNS 4

/* Text of the C library: where it is, and in which part of which file. */
static struct {
	char *at;
	off_t off;
	size_t len;
	char name[4096];
} text;

typedef pid_t (*get)(pid_t);

static int find(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t want = (uintptr_t)dlsym(RTLD_DEFAULT, "getsid") - info->dlpi_addr;

	(void)size, (void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || want < p->p_vaddr || want >= p->p_vaddr + p->p_memsz)
			continue;
		text.at = (char *)info->dlpi_addr + p->p_vaddr;
		text.off = (off_t)p->p_offset;
		text.len = (p->p_filesz + P - 1) & -P;
		snprintf(text.name, sizeof(text.name), "%s", info->dlpi_name);
		return 1;
	}
	return 0;
}

/* What is in the file, the page's rest as zeroes. */
static char *from_file(int fd)
{
	char *bytes = calloc(1, text.len);

	YES(pread(fd, bytes, text.len, text.off) > (ssize_t)(text.len - P));
	return bytes;
}

static bool same_by_mem(const char *bytes, char *at)
{
	char *seen = calloc(1, text.len);
	int fd = open("/proc/self/mem", O_RDONLY);
	bool same = pread(fd, seen, text.len, (off_t)at) == (ssize_t)text.len &&
	            memcmp(seen, bytes, text.len) == 0;

	close(fd);
	free(seen);
	return same;
}

static bool same_by_vm(const char *bytes, pid_t pid, char *at)
{
	char *seen = calloc(1, text.len);
	struct iovec to = {seen, text.len}, from = {at, text.len};
	bool same = process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)text.len &&
	            memcmp(seen, bytes, text.len) == 0;

	free(seen);
	return same;
}

static get moved_to(char *at)
{
	return (get)(void *)(at + ((char *)dlsym(RTLD_DEFAULT, "getsid") - text.at));
}

/* How the area around an address is called in the map: what it is of, and how it may be used. */
static void show_area(char *at)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long begin, end, off, inode;
	char line[8192], prot[8], dev[16], name[4096];
	int ours = 0;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s %lx %15s %lu %4095s", &begin, &end, prot, &off, dev,
		           &inode, name) == 7 &&
		    (unsigned long)at >= begin && (unsigned long)at < end)
			printf("%s, inode %d, size %d, %s\n", prot, inode != 0,
			       end - begin >= text.len, strrchr(name, '/') + 1);
		ours += strstr(line, "moat-") || strstr(line, "memfd");
	}
	NUM(ours);
	fclose(f);
}

/* A second mapping, which is no less the library's text, anywhere, and what was one. */
static void second_mappings(int fd, const char *bytes)
{
	pid_t sid = getsid(0);
	char *a, *b;

	a = mmap(NULL, text.len, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, text.off);
	YES(moved_to(a)(0) == sid);
	YES(same_by_mem(bytes, a));
	b = mremap(a, text.len, text.len, MREMAP_MAYMOVE | MREMAP_FIXED,
	           mmap(NULL, text.len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	YES(moved_to(b)(0) == sid);
	YES(same_by_mem(bytes, b));
	YES(munmap(b, text.len) == 0);
	/* In the same place again. */
	a = mmap(b, text.len, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, text.off);
	YES(a == b && moved_to(a)(0) == sid);
	/* A part of it, for reading. */
	b = mmap(NULL, P, PROT_READ, MAP_PRIVATE, fd, text.off);
	YES(memcmp(b, bytes, P) == 0);
	YES(munmap(a, text.len) == 0 && munmap(b, P) == 0);
}

/* Made writable it is the file's again; changed, and executable, it is what it was made. */
static void writable(const char *bytes)
{
	char *page = (char *)((uintptr_t)dlsym(RTLD_DEFAULT, "getsid") & -P);
	size_t at = (size_t)(page - text.at);
	pid_t sid = getsid(0);

	YES(mprotect(page, 2 * P, PROT_READ | PROT_WRITE) == 0 || errno == EACCES);
	YES(memcmp(page, bytes + at, 2 * P) == 0);
	memcpy(page, bytes + at, 2 * P);
	YES(mprotect(page, 2 * P, PROT_READ | PROT_EXEC) == 0);
	YES(getsid(0) == sid);
	YES(madvise(page, 2 * P, MADV_DONTNEED) == 0);
	YES(getsid(0) == sid);
	YES(same_by_mem(bytes, text.at));
}

/* Without the C library, whose text is away. */
static long raw(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
	                 : "rcx", "r11", "memory");
	return result;
}

static size_t differences(const volatile char *a, const volatile char *b, size_t n)
{
	size_t wrong = 0;

	for (size_t i = 0; i < n; i++)
		wrong += a[i] != b[i];
	return wrong;
}

/*
 * Pages that are dropped come from the file again, also where text was moved to or has become data,
 * and text that grows goes on with what comes next in the file.
 */
static void dropped(int fd, const char *bytes)
{
	char *page = (char *)((uintptr_t)dlsym(RTLD_DEFAULT, "getsid") & -P), next[P];
	long len = (long)text.len, at = (long)text.at, away, moved[5];
	size_t wrong[3];

	YES(pread(fd, next, P, text.off + len) == P);
	away = (long)mmap(NULL, text.len + P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved[0] = raw(SYS_mprotect, (long)page, P, PROT_READ, 0, 0);
	raw(SYS_madvise, (long)page, P, MADV_DONTNEED, 0, 0);
	wrong[0] = differences(page, bytes + (page - text.at), P);
	raw(SYS_mprotect, (long)page, P, PROT_READ | PROT_EXEC, 0, 0);
	moved[1] = raw(SYS_mremap, at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, away);
	raw(SYS_madvise, away, len, MADV_DONTNEED, 0, 0);
	wrong[1] = differences((char *)away, bytes, text.len);
	moved[2] = raw(SYS_munmap, away + len, P, 0, 0, 0);
	moved[3] = raw(SYS_mremap, away + len - (long)P, P, 2 * P, 0, 0);
	wrong[2] = moved[3] == away + len - (long)P ? differences((char *)away + len, next, P) : P;
	moved[4] = raw(SYS_mremap, away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	YES(moved[0] == 0 && moved[1] == away && moved[2] == 0 && moved[3] > away);
	YES(moved[4] == at);
	for (int i = 0; i < 3; i++)
		NUM(wrong[i]);
	munmap((char *)away + len, P);
	YES(getsid(0) > 0 && same_by_mem(bytes, text.at));
}

static void forked(const char *bytes)
{
	int looked[2];

	YES(pipe(looked) == 0);
	pid_t sid = getsid(0), child = fork();
	if (!child) {
		bool right = same_by_vm(bytes, getppid(), text.at);
		for (int i = 0; i < 100; i++)
			right = right && getsid(0) == sid && getpgid(0) >= 0;
		close(looked[1]);
		(void)read(looked[0], &(char){0}, 1);
		_exit(right ? 7 : 8);
	}
	YES(same_by_vm(bytes, child, text.at));
	close(looked[0]);
	close(looked[1]);
	int status;
	YES(waitpid(child, &status, 0) == child);
	NUM(WEXITSTATUS(status));
}

static volatile int ticks;

static void tick(int sig)
{
	ticks += sig == SIGALRM;
	(void)getsid(0);
}

/* Signals at any place of a rewritten call, which must go on. */
static void interrupted(void)
{
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	pid_t sid = getsid(0);
	int wrong = 0, n = 0;

	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &often, NULL);
	for (; ticks < 100 && n < 10000000; n++)
		wrong += getsid(0) != sid || lseek(-1, 0, SEEK_SET) != -1 || errno != EBADF;
	setitimer(ITIMER_REAL, &never, NULL);
	YES(ticks >= 100);
	NUM(wrong);
}

int main(int argc, char **argv)
{
	int run = argc > 1 ? atoi(argv[1]) : 0;
	char next[16], *bytes;
	int fd;

	YES(dl_iterate_phdr(find, NULL) == 1);
	NUM(run);
	/* Sites that trap in one run are known in the next. */
	for (int i = 0; i < 50; i++) {
		(void)getsid(0);
		(void)getpgid(0);
		(void)lseek(-1, 0, SEEK_SET);
		(void)umask(022);
	}
	fd = open(text.name, O_RDONLY);
	bytes = from_file(fd);
	show_area(text.at + P);
	YES(same_by_mem(bytes, text.at));
	YES(same_by_vm(bytes, getpid(), text.at));
	forked(bytes);
	interrupted();
	second_mappings(fd, bytes);
	writable(bytes);
	forked(bytes);
	dropped(fd, bytes);
	close(fd);
	fflush(stdout);
	snprintf(next, sizeof(next), "%d", run + 1);
	if (run + 1 < RUNS)
		execl("/proc/self/exe", argv[0], next, (char *)NULL);
	return 0;
}
