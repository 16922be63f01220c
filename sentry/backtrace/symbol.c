/*
 * One pass over a file's symbols answers all questions about it. Addresses in the
 * tables are the file's own, so an instruction, known by its place in the
 * file, is first turned into one by the segment that holds it; where the image lies
 * in the guest does not matter.
 */
#include "sentry/backtrace/symbol.h"
#include "fs/vfs/file.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 64
#define SECTIONS_MAX 512
#define BATCH        256 /* symbols read at a time */

struct place {
	u64 vaddr; /* the instruction's, in the file's own addresses */
	bool known;
	u64 best; /* start of the function found so far */
	u32 name; /* in the string table */
};

struct tables {
	Elf64_Ehdr eh;
	Elf64_Shdr syms, strings;
	struct place *place; /* one for each query */
	Elf64_Sym batch[BATCH];
};

static bool read_exactly(struct file *f, void *buf, size_t n, u64 pos)
{
	/* Beyond what a file can have: file_read_kernel takes a position as it is. */
	return pos < (u64)INT64_MAX - n && file_read_kernel(f, buf, n, pos) == (ssize_t)n;
}

/* Turns the questions' file offsets into addresses. */
static void locate(struct file *f, struct tables *t, const struct symbol_query *q, unsigned n)
{
	Elf64_Phdr ph;

	for (unsigned i = 0; i < min_of(t->eh.e_phnum, SEGMENTS_MAX); i++) {
		if (!read_exactly(f, &ph, sizeof(ph), t->eh.e_phoff + i * sizeof(ph)))
			return;
		if (ph.p_type != PT_LOAD)
			continue;
		for (unsigned j = 0; j < n; j++) {
			if (q[j].off < ph.p_offset || q[j].off - ph.p_offset >= ph.p_filesz)
				continue;
			t->place[j].vaddr = q[j].off - ph.p_offset + ph.p_vaddr;
			t->place[j].known = true;
		}
	}
}

static bool find_section(struct file *f, struct tables *t, u32 type)
{
	for (unsigned i = 0; i < min_of(t->eh.e_shnum, SECTIONS_MAX); i++) {
		u64 at = t->eh.e_shoff + i * sizeof(t->syms);

		if (!read_exactly(f, &t->syms, sizeof(t->syms), at))
			return false;
		if (t->syms.sh_type != type || t->syms.sh_link >= t->eh.e_shnum)
			continue;
		return read_exactly(f, &t->strings, sizeof(t->strings),
		                    t->eh.e_shoff + t->syms.sh_link * sizeof(t->strings));
	}
	return false;
}

static void consider(const Elf64_Sym *s, struct symbol_query *q, struct place *p, unsigned n)
{
	unsigned type = ELF64_ST_TYPE(s->st_info);

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || s->st_shndx == SHN_UNDEF)
		return;
	for (unsigned j = 0; j < n; j++) {
		if (!p[j].known || p[j].vaddr < s->st_value ||
		    p[j].vaddr - s->st_value >= s->st_size)
			continue;
		/* Of several names the innermost function's, and the first of equals. */
		if (q[j].found && s->st_value <= p[j].best)
			continue;
		q[j].found = true;
		q[j].in_function = p[j].vaddr - s->st_value;
		p[j].best = s->st_value;
		p[j].name = s->st_name;
	}
}

static void copy_name(struct file *f, const struct tables *t, struct symbol_query *q, u32 name)
{
	ssize_t n = 0;

	memset(q->name, 0, sizeof(q->name));
	if (name < t->strings.sh_size && t->strings.sh_offset < (u64)INT64_MAX - name)
		n = file_read_kernel(f, q->name,
		                     min_of(sizeof(q->name) - 1, t->strings.sh_size - name),
		                     t->strings.sh_offset + name);
	q->found = n > 0 && q->name[0];
}

static void search(struct file *f, struct tables *t, struct symbol_query *q, unsigned n,
                   u32 *budget)
{
	u64 left = min_of(t->syms.sh_size / sizeof(Elf64_Sym), (u64)*budget),
	    at = t->syms.sh_offset;

	*budget -= (u32)left;
	while (left) {
		size_t k = min_of(left, (u64)BATCH);

		if (!read_exactly(f, t->batch, k * sizeof(Elf64_Sym), at))
			break;
		for (size_t i = 0; i < k; i++)
			consider(&t->batch[i], q, t->place, n);
		at += k * sizeof(Elf64_Sym);
		left -= k;
	}
	for (unsigned j = 0; j < n; j++)
		if (q[j].found)
			copy_name(f, t, &q[j], t->place[j].name);
}

static bool is_elf64(const Elf64_Ehdr *eh)
{
	return !memcmp(eh->e_ident, ELFMAG, SELFMAG) && eh->e_ident[EI_CLASS] == ELFCLASS64 &&
	       eh->e_phentsize == sizeof(Elf64_Phdr);
}

void symbols_resolve(struct file *f, struct symbol_query *q, unsigned n, u32 *budget)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (t)
		t->place = calloc(n, sizeof(*t->place));
	if (t && t->place && read_exactly(f, &t->eh, sizeof(t->eh), 0) && is_elf64(&t->eh)) {
		locate(f, t, q, n);
		if (t->eh.e_shentsize == sizeof(Elf64_Shdr) &&
		    (find_section(f, t, SHT_SYMTAB) || find_section(f, t, SHT_DYNSYM)))
			search(f, t, q, n, budget);
	}
	if (t)
		free(t->place);
	free(t);
}
