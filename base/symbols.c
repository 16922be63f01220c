/*
 * Looks symbols up in the executable's own ELF file. Others can name a
 * function as well, but open files for it, which the locked-down sentry must
 * not do. The file is mapped privately and lazily: it costs no memory until a
 * report reads it. Host calls: openat, fstat, mmap, close.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "base/host.h"
#include "base/symbols.h"

/* Where the linker put this program's ELF header, and where its image ends. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

/* Written once by symbols_load, before other threads exist. */
static const Elf64_Sym *table;
static size_t table_len;
static const char *names;
static size_t names_len;
static uintptr_t bias; /* what the loader added to the file's addresses */

/* The mapped file's bytes [off, off + n), or NULL if it does not have them. */
static const void *file_at(const char *file, size_t size, u64 off, u64 n)
{
	return off <= size && n <= size - off ? file + off : NULL;
}

static void symbols_parse(const char *file, size_t size)
{
	const Elf64_Ehdr *eh = file_at(file, size, 0, sizeof(*eh));
	const Elf64_Shdr *sh;

	if (!eh || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return;
	sh = file_at(file, size, eh->e_shoff, (u64)eh->e_shnum * sizeof(*sh));
	if (!sh)
		return;
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		const Elf64_Shdr *str;

		if (sh[i].sh_type != SHT_SYMTAB || sh[i].sh_link >= eh->e_shnum)
			continue;
		str = &sh[sh[i].sh_link];
		names = file_at(file, size, str->sh_offset, str->sh_size);
		names_len = names ? str->sh_size : 0;
		table = file_at(file, size, sh[i].sh_offset, sh[i].sh_size);
		table_len = table && names_len ? sh[i].sh_size / sizeof(*table) : 0;
		bias = eh->e_type == ET_DYN ? (uintptr_t)__ehdr_start : 0;
		return;
	}
}

void symbols_load(void)
{
	struct stat st;
	void *file;
	int fd;

	if (table)
		return;
	fd = host_openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0, 0);
	if (fd < 0)
		return;
	if (host_fstat(fd, &st) == 0 && st.st_size > 0) {
		file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (file != MAP_FAILED)
			symbols_parse(file, (size_t)st.st_size);
	}
	host_close(fd);
}

const char *symbol_find(uintptr_t pc, uintptr_t *offset)
{
	for (size_t i = 0; i < table_len; i++) {
		const Elf64_Sym *s = &table[i];
		uintptr_t start = s->st_value + bias;

		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || pc < start ||
		    pc - start >= max_of(s->st_size, 1UL) || s->st_name >= names_len)
			continue;
		*offset = pc - start;
		return names + s->st_name;
	}
	return NULL;
}

uintptr_t symbol_image_offset(uintptr_t pc)
{
	if (pc < (uintptr_t)__ehdr_start || pc >= (uintptr_t)_end)
		return 0;
	return pc - bias;
}
