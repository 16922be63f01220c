/* Unwinding a stack that someone else has made: the right answer, and none that takes long. */
#include <criterion/criterion.h>
#include "sentry/backtrace/dwarf_expr.h"
#include "sentry/backtrace/unwind.h"
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* This program's own tables, in a copy that can be spoilt, and whatever memory a test gives. */
struct fake {
	struct unwind_source source;
	u64 hdr, hdr_size, end; /* .eh_frame_hdr and, up to end, .eh_frame */
	u8 *copy;
	u64 text, text_size;
	unsigned reads;
	unsigned seed;
};

static bool fake_read(struct unwind_source *s, void *dst, u64 addr, size_t n)
{
	struct fake *f = container_of(s, struct fake, source);

	f->reads++;
	if (addr >= f->hdr && addr < f->end && n <= f->end - addr) {
		memcpy(dst, f->copy + (addr - f->hdr), n);
		return true;
	}
	for (size_t i = 0; i < n; i++)
		((u8 *)dst)[i] = (u8)rand_r(&f->seed);
	return true;
}

static bool fake_table(struct unwind_source *s, u64 pc, u64 *addr, u64 *size)
{
	struct fake *f = container_of(s, struct fake, source);

	*addr = f->hdr;
	*size = f->hdr_size;
	return pc >= f->text && pc - f->text < f->text_size;
}

static int find_self(struct dl_phdr_info *info, size_t n unused_arg, void *arg)
{
	struct fake *f = arg;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type == PT_GNU_EH_FRAME) {
			f->hdr = info->dlpi_addr + ph->p_vaddr;
			f->hdr_size = ph->p_memsz;
		}
		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X)) {
			f->text = info->dlpi_addr + ph->p_vaddr;
			f->text_size = ph->p_memsz;
		}
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		u64 start = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type == PT_LOAD && start <= f->hdr && f->hdr < start + ph->p_memsz)
			f->end = start + ph->p_memsz;
	}
	/* The program itself comes first. */
	return 1;
}

static void fake_init(struct fake *f)
{
	*f = (struct fake){.source = {.read = fake_read, .table = fake_table}, .seed = 1};
	dl_iterate_phdr(find_self, f);
	cr_assert(f->hdr && f->end > f->hdr && f->text);
	f->copy = malloc(f->end - f->hdr);
	memcpy(f->copy, (void *)f->hdr, f->end - f->hdr);
}

Test(unwind, spoilt_tables_end)
{
	struct fake f;
	u8 *good;
	size_t n;

	fake_init(&f);
	n = f.end - f.hdr;
	good = malloc(n);
	memcpy(good, f.copy, n);
	for (unsigned round = 0; round < 3000; round++) {
		struct unwind_cursor c = {.exact = round & 1};

		memcpy(f.copy, good, n);
		/* The head stays, mostly, so that what is behind it is looked at. */
		for (size_t i = 0; i < n / 16; i++)
			f.copy[(round % 8 ? 12 : 0) + (size_t)rand_r(&f.seed) % (n - 12)] =
			    (u8)rand_r(&f.seed);
		for (unsigned i = 0; i < DWARF_REGS; i++)
			c.reg[i] = (u64)rand_r(&f.seed) << 16;
		for (unsigned i = 0; i < 64; i++) {
			f.reads = 0;
			c.reg[DWARF_RIP] = f.text + (u64)rand_r(&f.seed) % f.text_size;
			if (!unwind_step(&f.source, &c))
				break;
			cr_assert_leq(f.reads, 10000);
		}
	}
	free(good);
	free(f.copy);
}

static bool eval(const void *expr, size_t n, u64 *out)
{
	static const u64 reg[DWARF_REGS] = {[DWARF_RSP] = 1000};
	struct fake f;
	bool ok;

	fake_init(&f);
	ok = dwarf_expr(&f.source, reg, expr, n, false, 0, out);
	free(f.copy);
	return ok;
}

Test(unwind, expressions_are_held)
{
	/* breg7 (rsp) 8; lit15; and; lit11; ge; lit3; shl; breg7 0; plus: as in a PLT. */
	static const u8 plt[] = {0x77, 8, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x77, 0, 0x22};
	/* The smallest number by -1; a jump to itself; a pop of nothing; a register that is none.
	 */
	static const u8 div[] = {0x0e, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0xff, 0x1b};
	static const u8 loop[] = {0x30, 0x2f, 0xfd, 0xff};
	static const u8 empty[] = {0x22};
	static const u8 none[] = {0x8f, 0};
	static const u8 cut[] = {0x0e, 0};
	u8 deep[100];
	u64 v = 0;

	cr_assert(eval(plt, sizeof(plt), &v));
	/* 1008 & 15 is 0, which is not >= 11. */
	cr_expect_eq(v, 1000);
	cr_expect_not(eval(div, sizeof(div), &v));
	cr_expect_not(eval(loop, sizeof(loop), &v));
	cr_expect_not(eval(empty, sizeof(empty), &v));
	cr_expect_not(eval(none, sizeof(none), &v));
	cr_expect_not(eval(cut, sizeof(cut), &v));
	memset(deep, 0x31, sizeof(deep));
	cr_expect_not(eval(deep, sizeof(deep), &v));
}
