/*
 * The file is trusted like the program itself, and mapped as the C library's loader would map it
 * (elf(5), System V ABI AMD64 chapters 4 and 5). What is checked is whether it is of the kind
 * that this can link.
 *
 * Host calls: open, pread64, mmap, munmap and close before the lock-down, mprotect at any time.
 */
#include "platform/systrap/library.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADERS_MAX 12

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment[HEADERS_MAX];
};

static int image_read(int fd, struct image *im)
{
	const Elf64_Ehdr *h = &im->header;

	/* The program headers follow the file's, as linkers have it. */
	if (pread(fd, im, sizeof(*im), 0) != (ssize_t)sizeof(*im))
		return -ENOEXEC;
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_type != ET_DYN || h->e_machine != EM_X86_64 || h->e_phoff != sizeof(*h) ||
	    h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum > HEADERS_MAX)
		return -ENOEXEC;
	return 0;
}

static u64 image_span(const struct image *im)
{
	u64 span = 0;

	for (unsigned i = 0; i < im->header.e_phnum; i++)
		if (im->segment[i].p_type == PT_LOAD)
			span = max_of(span, im->segment[i].p_vaddr + im->segment[i].p_memsz);
	return PAGE_ALIGN(span);
}

static int segment_map(struct library *l, int fd, const Elf64_Phdr *p)
{
	int prot = (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
	           (p->p_flags & PF_X ? PROT_EXEC : 0);
	u64 begin = p->p_vaddr & PAGE_MASK, skew = p->p_vaddr - begin;
	u64 in_file = PAGE_ALIGN(skew + p->p_filesz), all = PAGE_ALIGN(skew + p->p_memsz);

	if (p->p_flags & PF_W && p->p_flags & PF_X)
		return -ENOEXEC;
	if (mmap(l->base + begin, in_file, prot, MAP_PRIVATE | MAP_FIXED, fd,
	         (off_t)(p->p_offset - skew)) == MAP_FAILED)
		return -errno;
	if (all > in_file && mmap(l->base + begin + in_file, all - in_file, prot,
	                          MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return -errno;
	if (p->p_memsz > p->p_filesz) {
		l->zero = p->p_vaddr + p->p_filesz;
		l->zero_len = min_of(p->p_memsz - p->p_filesz, in_file - skew - p->p_filesz);
	}
	return 0;
}

static int segments_map(struct library *l, int fd, const struct image *im)
{
	int err = 0;

	for (unsigned i = 0; i < im->header.e_phnum && !err; i++) {
		const Elf64_Phdr *p = &im->segment[i];

		switch (p->p_type) {
		case PT_LOAD:
			err = segment_map(l, fd, p);
			break;
		case PT_DYNAMIC:
			l->dynamic = (const Elf64_Dyn *)(l->base + p->p_vaddr);
			l->entries = (unsigned)(p->p_memsz / sizeof(Elf64_Dyn));
			break;
		case PT_GNU_RELRO:
			l->relro = p->p_vaddr & PAGE_MASK;
			l->relro_len = ((p->p_vaddr + p->p_memsz) & PAGE_MASK) - l->relro;
			break;
		case PT_TLS:
			err = -ENOEXEC;
		}
	}
	return err || l->dynamic ? err : -ENOEXEC;
}

int library_map(struct library *l, const char *path)
{
	struct image im;
	void *room;
	int err, fd = open(path, O_RDONLY | O_CLOEXEC);

	*l = (struct library){0};
	if (fd < 0)
		return -errno;
	err = image_read(fd, &im);
	if (!err) {
		l->span = image_span(&im);
		room = mmap(NULL, l->span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		err = room == MAP_FAILED ? -errno : 0;
		l->base = err ? NULL : room;
	}
	if (!err)
		err = segments_map(l, fd, &im);
	close(fd);
	if (err && l->base) {
		munmap(l->base, l->span);
		l->base = NULL;
	}
	return err;
}

/* The value of an entry of the dynamic section, 0 if there is none. */
static u64 dynamic_value(const struct library *l, s64 tag)
{
	for (unsigned i = 0; i < l->entries && l->dynamic[i].d_tag != DT_NULL; i++)
		if (l->dynamic[i].d_tag == tag)
			return l->dynamic[i].d_un.d_val;
	return 0;
}

static int symbol_address(const struct library *l, const Elf64_Sym *s,
                          const struct library_name *given, unsigned n, u64 *out)
{
	const char *name = l->names + s->st_name;

	*out = 0;
	if (s->st_shndx != SHN_UNDEF) {
		if (ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC)
			return -ENOEXEC;
		*out = (u64)l->base + s->st_value;
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(given[i].name, name)) {
			*out = (u64)given[i].function;
			return 0;
		}
	return ELF64_ST_BIND(s->st_info) == STB_WEAK ? 0 : -ENOEXEC;
}

static int relocate(const struct library *l, u64 table, u64 len, const struct library_name *given,
                    unsigned n)
{
	const Elf64_Rela *r = (const Elf64_Rela *)(l->base + table), *end = r + len / sizeof(*r);
	u64 value;
	int err;

	for (; r < end; r++) {
		switch (ELF64_R_TYPE(r->r_info)) {
		case R_X86_64_RELATIVE:
			value = (u64)l->base;
			break;
		case R_X86_64_64:
		case R_X86_64_GLOB_DAT:
		case R_X86_64_JUMP_SLOT:
			err = symbol_address(l, &l->symbols[ELF64_R_SYM(r->r_info)], given, n,
			                     &value);
			if (err)
				return err;
			break;
		default:
			return -ENOEXEC;
		}
		value += (u64)r->r_addend;
		memcpy(l->base + r->r_offset, &value, sizeof(value));
	}
	return 0;
}

int library_link(struct library *l, const struct library_name *given, unsigned n)
{
	int err;

	if (!dynamic_value(l, DT_SYMTAB) || !dynamic_value(l, DT_STRTAB) ||
	    !dynamic_value(l, DT_GNU_HASH) || dynamic_value(l, DT_RELR) ||
	    dynamic_value(l, DT_TEXTREL))
		return -ENOEXEC;
	l->symbols = (const Elf64_Sym *)(l->base + dynamic_value(l, DT_SYMTAB));
	l->names = (const char *)(l->base + dynamic_value(l, DT_STRTAB));
	memset(l->base + l->zero, 0, l->zero_len);
	err = relocate(l, dynamic_value(l, DT_RELA), dynamic_value(l, DT_RELASZ), given, n);
	if (!err)
		err = relocate(l, dynamic_value(l, DT_JMPREL), dynamic_value(l, DT_PLTRELSZ), given,
		               n);
	if (!err && l->relro_len && mprotect(l->base + l->relro, l->relro_len, PROT_READ) != 0)
		err = -errno;
	return err;
}

static u32 gnu_hash(const char *name)
{
	u32 h = 5381;

	for (; *name; name++)
		h = h * 33 + (u8)*name;
	return h;
}

/* DT_GNU_HASH: a filter that is not needed here, buckets, and a chain of hashes for each. */
void *library_find(const struct library *l, const char *name)
{
	const u32 *table = (const u32 *)(l->base + dynamic_value(l, DT_GNU_HASH));
	u32 buckets = table[0], first = table[1], words = table[2], hash = gnu_hash(name);
	const u32 *bucket = table + 4 + 2 * (u64)words, *chain = bucket + buckets;
	u32 i = buckets ? bucket[hash % buckets] : 0;

	if (i < first)
		return NULL;
	for (;; i++) {
		const Elf64_Sym *s = &l->symbols[i];
		u32 other = chain[i - first];

		if ((other | 1) == (hash | 1) && !strcmp(l->names + s->st_name, name) &&
		    ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx != SHN_UNDEF)
			return l->base + s->st_value;
		if (other & 1)
			return NULL;
	}
}
