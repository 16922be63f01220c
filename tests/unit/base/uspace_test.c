/* Copies to and from guest memory: faults, partial copies, strings. */
#include <criterion/criterion.h>
#include "tests/unit/base/guest_memory.h"

TestSuite(uspace, .fini = assert_nothing_left);

static void copies(void)
{
	char buf[16] = "hello";
	u32 word = 7;

	check(copy_out(at(100), buf, 6) == 0);
	check(strcmp(guest + 100, "hello") == 0);
	memset(buf, 0, sizeof(buf));
	check(copy_in(buf, at(100), 6) == 0 && strcmp(buf, "hello") == 0);
	check(put_user(at(8), &word) == 0);
	word = 0;
	check(get_user(&word, at(8)) == 0 && word == 7);
	check(cmpxchg_user32(at(8), 7, 9, &word) == 0 && word == 7);
	check(cmpxchg_user32(at(8), 7, 11, &word) == 0 && word == 9);
}

Test(uspace, copies_both_ways)
{
	as_guest(copies);
}

static void faults(void)
{
	char buf[16];
	u32 old;

	check(copy_in(buf, uptr_make(0), 1) == -EFAULT);
	check(copy_in(buf, uptr_make(0), 0) == 0);
	check(copy_in(buf, at(GUEST_SIZE - 4), 8) == -EFAULT);
	check(copy_in_partial(buf, at(GUEST_SIZE - 4), 8) == 4);
	check(copy_out_partial(at(GUEST_SIZE - 4), buf, 8) == 4);
	check(copy_out(at(-1UL), buf, 8) == -EFAULT);
	/* Ranges that wrap around the end of the address space. */
	check(copy_in(buf, uptr_make(~0UL - 3), 16) == -EFAULT);
	check(copy_in_partial(buf, at(0), ~0UL - 100) == 0);
	check(clear_user(at(0), ~0UL) == -EFAULT);
	check(cmpxchg_user32(at(GUEST_SIZE - 2), 0, 0, &old) == -EFAULT);
}

Test(uspace, bad_addresses_fault)
{
	as_guest(faults);
}

static void clears(void)
{
	check(clear_user(at(1), 100000) == 0);
	check((u8)guest[0] == 0xaa && (u8)guest[100001] == 0xaa);
	for (unsigned i = 1; i <= 100000; i++)
		check(guest[i] == 0);
	check(clear_user(at(GUEST_SIZE - 20000), 20001) == -EFAULT);
	check(clear_user(at(5), 0) == 0);
}

Test(uspace, clears_more_than_one_piece)
{
	as_guest(clears);
}

static void strings(void)
{
	char buf[8];

	strcpy(guest, "seven77");
	check(copy_in_str(buf, at(0), sizeof(buf)) == 7 && strcmp(buf, "seven77") == 0);
	check(copy_in_str(buf, at(0), 7) == -ENAMETOOLONG);
	check(copy_in_str(buf, at(0), 0) == -ENAMETOOLONG);
	check(copy_in_str(buf, at(7), sizeof(buf)) == 0);
	check(copy_in_str(buf, uptr_make(16), sizeof(buf)) == -EFAULT);
	memset(guest + GUEST_SIZE - 4, 'x', 4);
	check(copy_in_str(buf, at(GUEST_SIZE - 4), sizeof(buf)) == -EFAULT);
}

Test(uspace, strings_end_by_nul_size_or_fault)
{
	as_guest(strings);
}

Test(uspace, a_caller_without_memory_faults)
{
	char buf[4];

	cr_assert_eq(copy_in(buf, at(0), 4), -EFAULT);
	cr_assert_eq(copy_out(at(0), buf, 4), -EFAULT);
	cr_assert_eq(copy_in_str(buf, at(0), 4), -EFAULT);
	cr_assert_eq(clear_user(at(0), 4), -EFAULT);
}
