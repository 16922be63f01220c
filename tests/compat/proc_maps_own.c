/*
 * /proc/self/maps shows our own mappings: permissions, offsets, names, deletion; smaps exists.
 * proc(5).
 */
#include "compat.h"

#define P 4096

static void line_of(const char *what, void *addr)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perm[8] = "", path[400];
	unsigned long a, b, off, ino;
	unsigned int maj, min;

	while (f && fgets(line, sizeof(line), f)) {
		path[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %399[^\n]", &a, &b, perm, &off, &maj,
		           &min, &ino, path) < 7)
			printf("odd line: %s", line);
		if (a <= (uintptr_t)addr && (uintptr_t)addr < b) {
			char *base = strrchr(path, '/');

			printf("%s: start at it %d pages %lu %s offset %#lx inode %d \"%s\"\n",
			       what, a == (uintptr_t)addr, (b - a) / P, perm, off, ino != 0,
			       base ? base : path);
			fclose(f);
			return;
		}
	}
	printf("%s: not mapped\n", what);
	if (f)
		fclose(f);
}

static int global = 1;

int main(void)
{
	char *area, *shared, *old;
	struct stat st;
	int fd, order = 0;
	unsigned long a, b, last = 0;
	char line[512];
	FILE *f;

	tmp_enter();
	put_file("data", "");
	fd = open("data", O_RDWR);
	RES(ftruncate(fd, 8 * P));
	area = (char *)mmap(NULL, 40 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	line_of("reserved", area);
	area += 2 * P;
	YES(mmap(area, 3 * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 2 * P) == area);
	line_of("shared file", area);
	YES(mmap(area + 5 * P, 2 * P, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
	    area + 5 * P);
	line_of("private file", area + 5 * P);
	YES(mmap(area + 10 * P, 4 * P, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area + 10 * P);
	line_of("anonymous", area + 10 * P);
	RES(mprotect(area + 11 * P, P, PROT_READ));
	line_of("cut", area + 10 * P);
	line_of("middle", area + 11 * P);
	line_of("rest", area + 12 * P);
	RES(mprotect(area + 1 * P, P, PROT_READ));
	line_of("file, second page", area + 1 * P);
	RES(unlink("data"));
	line_of("unlinked", area + 2 * P);
	shared = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	line_of("shared anonymous", shared);
	int m = memfd_create("named", 0);
	RES(ftruncate(m, P));
	line_of("memfd", mmap(NULL, P, PROT_READ, MAP_SHARED, m, 0));
	RES(munmap(area, P));
	line_of("gone", area);
	old = sbrk(8192);
	memset(old, 1, 8192);
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &a, &b) != 2 || a < last || b <= a)
			order++;
		last = b;
	}
	fclose(f);
	NUM(order);
	printf("[heap] %d [stack] %d [vdso] %d\n",
	       strstr(get_file("/proc/self/maps"), "[heap]") != NULL,
	       strstr(get_file("/proc/self/maps"), "[stack]") != NULL,
	       strstr(get_file("/proc/self/maps"), "[vdso]") != NULL);
	f = fopen("/proc/self/maps", "r");
	bool data = false, text = false;
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "proc_maps_own")) {
			sscanf(line, "%lx-%lx", &a, &b);
			data |= a <= (uintptr_t)&global && (uintptr_t)&global < b;
			text |=
			    a <= (uintptr_t)&main && (uintptr_t)&main < b && strstr(line, "r-xp");
		}
	fclose(f);
	YES(data && text);
	YES(strstr(get_file("/proc/self/smaps"), "Rss:") != NULL);
	RES(stat("/proc/self/maps", &st));
	printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	return 0;
}
