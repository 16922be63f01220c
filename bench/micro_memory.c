/* Micro benchmarks of memory: mappings, and faults on them. */
#include "micro.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE  4096
#define PAGES 256 /* faulted on between one mmap and its munmap */

static char *page;
static int fd = -1;

static char *map(size_t size, int flags, int file)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, file, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void op_mmap(void)
{
	char *p = map(PAGE, MAP_ANONYMOUS, -1);

	*(volatile char *)p = 1;
	must(munmap(p, PAGE) == 0, "munmap");
}

static void setup_mprotect(void)
{
	page = map(PAGE, MAP_ANONYMOUS, -1);
	*page = 1;
}

/* Two calls, counted as one operation: away and back. */
static void op_mprotect(void)
{
	must(mprotect(page, PAGE, PROT_READ) == 0 &&
	         mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0,
	     "mprotect");
}

static u64 faults(u64 n, int flags, int file, bool write)
{
	u64 ns = 0;

	while (n > 0) {
		u64 pages = n < PAGES ? n : PAGES, start;
		char *p = map(PAGES * PAGE, flags, file);

		/* A fault for each page; of a file, the host maps those around it as well, if they
		 * are in its cache. */
		(void)madvise(p, PAGES * PAGE, file < 0 ? MADV_NOHUGEPAGE : MADV_RANDOM);
		start = now_ns();
		for (u64 i = 0; i < pages; i++) {
			volatile char *at = p + i * PAGE;

			if (write)
				*at = 1;
			else
				(void)*at;
		}
		ns += now_ns() - start;
		must(munmap(p, PAGES * PAGE) == 0, "munmap");
		n -= pages;
	}
	return ns;
}

static u64 timed_fault_anon(u64 n)
{
	return faults(n, MAP_ANONYMOUS, -1, true);
}

static void setup_fault_file(void)
{
	fd = open(path_in(host_dir, "file-1m"), O_RDONLY);
	must(fd >= 0, "open file-1m");
}

static u64 timed_fault_file(u64 n)
{
	return faults(n, 0, fd, false);
}

const struct micro micro_memory[] = {
    {"mmap-touch-munmap", NULL, op_mmap, NULL, NULL},
    {"mprotect", setup_mprotect, op_mprotect, NULL, NULL},
    {"fault-anon", NULL, NULL, timed_fault_anon, NULL},
    {"fault-file", setup_fault_file, NULL, timed_fault_file, NULL},
    {0},
};
