/* Copies of text: what is in them, when there is one, and that nothing that is reported is
 * believed. */
#include <criterion/criterion.h>
#include "platform/stub/layout.h"
#include "platform/systrap/text.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

/* ---- what there is room for ---------------------------------------------------- */

#define BYTES_MAX (16UL << 20)

/* As good as different files: pieces of the library that begin or end elsewhere, all with call. */
static struct text_key piece(unsigned k, u64 len, u32 *call)
{
	u64 page = *call / PAGE_SIZE, before = 1 + k / 64,
	    after = len / PAGE_SIZE - before + k % 64;
	struct text_key key = libc.key;

	key.off += (page - before) * PAGE_SIZE;
	key.len = (before + after) * PAGE_SIZE;
	*call -= (u32)((page - before) * PAGE_SIZE);
	return key;
}

/* +1 */
static struct text_copy *map_piece(unsigned k, u64 len, unsigned traps)
{
	u32 call = call_in("getsid");
	struct text_key key = piece(k, len, &call);

	while (traps-- > 0)
		note(&key, call);
	return text_copy_get(&key, libc.fd, false);
}

/* Of all copies that are in memory. */
static u64 bytes_of_copies(void)
{
	char name[64], to[64];
	struct stat st;
	u64 sum = 0;

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		memset(to, 0, sizeof(to));
		if (readlink(name, to, sizeof(to) - 1) > 0 && strstr(to, "moat-text") &&
		    fstat(fd, &st) == 0)
			sum += (u64)st.st_size;
	}
	return sum;
}

Test(text, the_least_recently_mapped_make_room)
{
	const u64 len = 128 * PAGE_SIZE;
	struct text_copy *held, *c;

	if (!have_library())
		cr_skip_test("no library to be looked at");
	held = map_piece(0, len, 100);
	cr_assert_not_null(held);
	for (unsigned k = 1; k < 60; k++) {
		c = map_piece(k, len, 100);
		cr_assert_not_null(c, "piece %u", k);
		text_copy_put(c);
		/* Is mapped again and again. */
		c = map_piece(1, len, 0);
		cr_assert_not_null(c, "after piece %u", k);
		text_copy_put(c);
		cr_assert_leq(bytes_of_copies(), BYTES_MAX);
	}
	cr_assert_gt(bytes_of_copies(), BYTES_MAX / 2);
	/* The one that is in use is still there; one that is not must earn it again. */
	c = map_piece(0, len, 0);
	cr_assert_eq(c, held);
	text_copy_put(c);
	cr_assert_null(map_piece(2, len, 1));
	c = map_piece(2, len, 100);
	cr_assert_not_null(c);
	text_copy_put(c);
	text_copy_put(held);
}

/* All that are in use take what there is; nobody else gets one until they are gone. */
Test(text, what_is_in_use_makes_no_room)
{
	const u64 len = 128 * PAGE_SIZE;
	struct text_copy *held[60];
	unsigned n = 0;

	if (!have_library())
		cr_skip_test("no library to be looked at");
	while (n < 60 && (held[n] = map_piece(n, len, 100)))
		n++;
	cr_assert(n > 20 && n < 60, "%u", n);
	cr_assert_leq(bytes_of_copies(), BYTES_MAX);
	text_copy_put(held[0]);
	held[0] = map_piece(n, len, 100);
	cr_assert_not_null(held[0]);
	while (n-- > 0)
		text_copy_put(held[n]);
}

/* Places for files and slots for sites are used again, but no slot that a copy in use has. */
Test(text, places_and_slots_are_used_again)
{
	struct text_copy *held, *c;

	if (!have_library())
		cr_skip_test("no library to be looked at");
	held = map_piece(0, 32 * PAGE_SIZE, 100);
	cr_assert_not_null(held);
	for (unsigned k = 1; k < SHARED_PATCH_MAX + 100; k++) {
		c = map_piece(k, 32 * PAGE_SIZE, 100);
		cr_assert_not_null(c, "piece %u", k);
		cr_assert_eq(c->sites, 1, "piece %u", k);
		cr_assert_neq(c->site[0].index, held->site[0].index);
		text_copy_put(c);
	}
	text_copy_put(held);
}

/* The copy before is gone, and what the next one has of it is not. */
Test(text, a_slot_stays_with_the_next_copy)
{
	struct text_copy *c, *other;
	unsigned index;

	if (!have_library())
		cr_skip_test("no library to be looked at");
	trap_often(call_in("getsid"));
	c = text_copy_get(&libc.key, libc.fd, false);
	cr_assert_not_null(c);
	index = c->site[0].index;
	text_copy_put(c);
	for (int i = 0; i < 10; i++)
		trap_often(call_in("getpgid"));
	c = text_copy_get(&libc.key, libc.fd, false);
	cr_assert_eq(c->sites, 2);
	cr_assert_eq(c->site[0].index, index);
	other = map_piece(0, 32 * PAGE_SIZE, 100);
	cr_assert_not_null(other);
	cr_assert_neq(other->site[0].index, index);
	text_copy_put(other);
	text_copy_put(c);
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
