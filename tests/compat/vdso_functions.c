/*
 * The vDSO: found through the auxiliary vector, a valid ELF image with the usual functions, which
 * agree with the system calls. vdso(7).
 */
#include "compat.h"
#include <link.h>
#include <sys/auxv.h>
#include <sys/time.h>

static void *lookup(const char *want)
{
	ElfW(Ehdr) *eh = (ElfW(Ehdr) *)getauxval(AT_SYSINFO_EHDR);
	ElfW(Phdr) *ph = (ElfW(Phdr) *)((char *)eh + eh->e_phoff);
	ElfW(Dyn) *dyn = NULL;
	ElfW(Sym) *sym = NULL;
	const char *str = NULL;
	uint32_t *gnu = NULL, *hash = NULL, n = 0;
	uintptr_t base = 0;

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			base = (uintptr_t)eh + ph[i].p_offset - ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (ElfW(Dyn) *)((char *)eh + ph[i].p_offset);
	}
	for (; dyn && dyn->d_tag; dyn++) {
		uintptr_t p = base + dyn->d_un.d_ptr;

		if (dyn->d_tag == DT_SYMTAB)
			sym = (ElfW(Sym) *)p;
		if (dyn->d_tag == DT_STRTAB)
			str = (const char *)p;
		if (dyn->d_tag == DT_HASH)
			hash = (uint32_t *)p;
		if (dyn->d_tag == DT_GNU_HASH)
			gnu = (uint32_t *)p;
	}
	if (hash)
		n = hash[1];
	else if (gnu) { /* the highest symbol is the end of the longest chain */
		uint32_t nb = gnu[0], off = gnu[1], *buckets = gnu + 4 + gnu[2] * 2,
		         *chain = buckets + nb;

		for (uint32_t i = 0; i < nb; i++)
			if (buckets[i] > n)
				n = buckets[i];
		while (n && !(chain[n - off] & 1))
			n++;
		n++;
	}
	for (uint32_t i = 0; sym && str && i < n; i++)
		if (!strcmp(str + sym[i].st_name, want))
			return (void *)(base + sym[i].st_value);
	return NULL;
}

int main(void)
{
	int (*gettime)(clockid_t, struct timespec *) = lookup("__vdso_clock_gettime");
	int (*getres)(clockid_t, struct timespec *) = lookup("__vdso_clock_getres");
	int (*tod)(struct timeval *, void *) = lookup("__vdso_gettimeofday");
	time_t (*tm)(time_t *) = lookup("__vdso_time");
	long (*cpu)(unsigned int *, unsigned int *, void *) = lookup("__vdso_getcpu");
	struct timespec a, b;
	struct timeval tv;
	unsigned int c = 9999, node = 9999;

	YES(!memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4));
	YES(gettime && getres && tod && tm && cpu);
	if (!gettime || !getres || !tod || !tm || !cpu)
		return 1;
	for (int id = 0; id < 2; id++) {
		RES(syscall(SYS_clock_gettime, id, &a));
		RES(gettime(id, &b));
		YES(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
		YES(b.tv_sec - a.tv_sec <= 1);
	}
	RES(getres(CLOCK_MONOTONIC, &a));
	NUM(a.tv_nsec);
	RES(tod(&tv, NULL));
	YES(tv.tv_sec - tm(NULL) <= 1 && tm(NULL) - tv.tv_sec <= 1);
	RES(cpu(&c, &node, NULL));
	YES(c < 4096 && node < 256);
	NUM(gettime(999, &a));
	return 0;
}
