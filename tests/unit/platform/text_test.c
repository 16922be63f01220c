/* Copies of text: what is in them, when there is one, and that nothing that is reported is
 * believed. */
#include <criterion/criterion.h>
#include "platform/stub/layout.h"
#include "platform/systrap/text.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATCHES (SHARED_PATCH_TABLE_SIZE + SHARED_PATCH_CODE_SIZE)

/* The C library's own text, as it is in memory and in its file. */
static struct {
	const u8 *memory;
	u64 off, len;
	int fd;
	struct text_key key;
} libc;

static int find(struct dl_phdr_info *info, size_t size unused_arg, void *arg unused_arg)
{
	u64 want = (u64)dlsym(RTLD_DEFAULT, "getppid") - info->dlpi_addr;

	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || want - p->p_vaddr >= p->p_memsz)
			continue;
		libc.memory = (const u8 *)info->dlpi_addr + p->p_vaddr;
		libc.off = p->p_offset;
		libc.len = PAGE_ALIGN(p->p_filesz);
		libc.fd = open(info->dlpi_name, O_RDONLY | O_CLOEXEC);
		return 1;
	}
	return 0;
}

static void setup(void)
{
	text_init(mmap(NULL, PATCHES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	dl_iterate_phdr(find, NULL);
}

TestSuite(text, .init = setup);

static bool have_library(void)
{
	/* Under the sanitizers functions are wrapped; some systems' libraries are changed a moment
	 * ago. */
	return libc.fd > 0 && text_key_of(libc.fd, libc.off, libc.len, &libc.key);
}

/* The call instruction in a function of the library. */
static u32 call_in(const char *function)
{
	const u8 *at = dlsym(RTLD_DEFAULT, function);

	for (int i = 0; i < 64; i++)
		if (at[i] == 0x0f && at[i + 1] == 0x05)
			return (u32)(at + i - libc.memory);
	cr_assert(0, "no call in it");
	return 0;
}

static void note(const struct text_key *key, u32 call)
{
	struct text_file *file = NULL;

	text_note(key, call, &file);
}

static void trap_often(u32 call)
{
	for (int i = 0; i < 100; i++)
		note(&libc.key, call);
}

Test(text, a_copy_differs_in_the_jumps)
{
	struct text_copy *c;
	const u8 *copy;
	u32 call;

	if (!have_library())
		cr_skip_test("no library to be looked at");
	call = call_in("getsid");
	cr_assert_null(text_copy_get(&libc.key, libc.fd, false));
	note(&libc.key, call);
	cr_assert_null(text_copy_get(&libc.key, libc.fd, false), "one trap does not pay");
	trap_often(call);
	c = text_copy_get(&libc.key, libc.fd, false);
	cr_assert_not_null(c);
	cr_assert_eq(c->sites, 1);
	copy = mmap(NULL, libc.len, PROT_READ, MAP_PRIVATE, c->fd, 0);
	cr_assert_neq(copy, MAP_FAILED);
	for (u64 i = 0; i + PAGE_SIZE <= libc.len; i++)
		if (i - c->site[0].site.begin >= PATCH_JUMP && copy[i] != libc.memory[i])
			cr_assert(0, "byte %llu", (unsigned long long)i);
	cr_assert(copy[c->site[0].site.begin] == 0xff && copy[c->site[0].site.begin + 1] == 0x24);
	/* It stays as it is. */
	cr_assert_lt(pwrite(c->fd, "", 1, 0), 0);
	cr_assert_lt(ftruncate(c->fd, 0), 0);
	text_copy_put(c);
}

Test(text, the_next_copy_has_all_of_the_one_before)
{
	struct text_copy *first, *second;
	u32 calls[2];

	if (!have_library())
		cr_skip_test("no library to be looked at");
	calls[0] = call_in("getsid");
	calls[1] = call_in("getpgid");
	trap_often(calls[0]);
	first = text_copy_get(&libc.key, libc.fd, false);
	note(&libc.key, calls[1]);
	second = text_copy_get(&libc.key, libc.fd, false);
	cr_assert(first && second == first, "a trap does not pay");
	text_copy_put(second);
	for (int i = 0; i < 10; i++)
		trap_often(calls[1]);
	second = text_copy_get(&libc.key, libc.fd, false);
	cr_assert(second && second != first);
	cr_assert_eq(second->sites, 2);
	cr_assert_eq(second->site[0].index, first->site[0].index);
	cr_assert_eq(second->site[0].site.begin, first->site[0].site.begin);
	cr_assert_neq(second->site[1].index, first->site[0].index);
	text_copy_put(first);
	text_copy_put(second);
}

Test(text, what_is_no_call_is_not_believed)
{
	u32 call;

	if (!have_library())
		cr_skip_test("no library to be looked at");
	call = call_in("getsid");
	trap_often(call - 1);
	trap_often(call + 1);
	trap_often((u32)libc.len - 1);
	trap_often((u32)libc.len + 5000);
	trap_often(~0u);
	cr_assert_null(text_copy_get(&libc.key, libc.fd, false));
}

Test(text, another_version_is_another_file)
{
	struct text_key other;

	if (!have_library())
		cr_skip_test("no library to be looked at");
	trap_often(call_in("getsid"));
	other = libc.key;
	other.mtime.tv_nsec ^= 1;
	cr_assert_null(text_copy_get(&other, libc.fd, false));
	/* Even if it is only found out when the file is read. */
	for (int i = 0; i < 100; i++)
		note(&other, call_in("getsid"));
	cr_assert_null(text_copy_get(&other, libc.fd, false));
}

Test(text, a_file_that_has_just_been_changed_has_no_key)
{
	struct text_key key;
	int fd = memfd_create("text", MFD_CLOEXEC);

	cr_assert_eq(ftruncate(fd, 8192), 0);
	cr_assert_not(text_key_of(fd, 0, 8192, &key));
	cr_assert(!have_library() || !text_key_of(libc.fd, libc.off, 1UL << 40, &key));
	close(fd);
}
