/* Libraries that the sentry maps itself: what they need, what they give, and which are refused. */
#include <criterion/criterion.h>
#include "platform/systrap/library.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define ZYDIS LIBZYDIS_DIR "/" LIBZYDIS

extern void __stack_chk_fail(void);

static const struct library_name given[] = {
    {"memcpy", (void (*)(void))memcpy},     {"memset", (void (*)(void))memset},
    {"strlen", (void (*)(void))strlen},     {"__assert_fail", (void (*)(void))__assert_fail},
    {"__stack_chk_fail", __stack_chk_fail},
};

Test(library, functions_of_it_work)
{
	struct library l;
	const char *(*name)(unsigned); /* a table of strings: its addresses are relocated */
	u64 (*version)(void);
	void *p;

	cr_assert_eq(library_map(&l, ZYDIS), 0);
	cr_assert_eq(library_link(&l, given, array_size(given)), 0);
	p = library_find(&l, "ZydisGetVersion");
	memcpy(&version, &p, sizeof(p));
	cr_assert_not_null(p);
	cr_assert_neq(version(), 0);
	p = library_find(&l, "ZydisRegisterGetString");
	memcpy(&name, &p, sizeof(p));
	cr_assert_not_null(p);
	cr_assert_str_eq(name(1), "al");
	cr_assert_null(library_find(&l, "ZydisGetVersio"));
	cr_assert_null(library_find(&l, "memcpy"), "what it takes it does not give");
	cr_assert_eq(munmap(l.base, l.span), 0);
}

Test(library, tables_are_read_only_once_linked)
{
	struct library l;
	char line[200], perms[5] = "";
	unsigned long begin, end;
	FILE *f;

	cr_assert_eq(library_map(&l, ZYDIS), 0);
	cr_assert_eq(library_link(&l, given, array_size(given)), 0);
	cr_assert_gt(l.relro_len, 0);
	f = fopen("/proc/self/maps", "re");
	cr_assert_not_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %4s", &begin, &end, perms) == 3 &&
		    begin <= (u64)l.base + l.relro && (u64)l.base + l.relro < end)
			break;
	fclose(f);
	cr_assert_str_eq(perms, "r--p");
	cr_assert_eq(munmap(l.base, l.span), 0);
}

Test(library, one_that_needs_what_is_not_given_is_refused)
{
	struct library l;

	cr_assert_eq(library_map(&l, ZYDIS), 0);
	cr_assert_eq(library_link(&l, given, 2), -ENOEXEC);
	cr_assert_eq(munmap(l.base, l.span), 0);
}

Test(library, others_are_refused)
{
	struct library l;

	cr_assert_eq(library_map(&l, "/nowhere/libZydis.so"), -ENOENT);
	cr_assert_null(l.base);
	cr_assert_eq(library_map(&l, "/etc/passwd"), -ENOEXEC, "no ELF file");
	cr_assert_null(l.base);
	cr_assert_eq(library_map(&l, LIBC), -ENOEXEC, "it has thread-local data");
	cr_assert_null(l.base);
}
