/* Which call sites can be rewritten, and what moves. */
#include <criterion/criterion.h>
#include "platform/systrap/patch_plan.h"
#include <string.h>

#define CALL 80 /* where the call is in each text, behind instructions of no account */

/* nops of four bytes, then `before`, the instruction, `after`, and int3 to the end. */
static enum patch_verdict plan_of(const char *instruction, const char *before, size_t nbefore,
                                  const char *after, size_t nafter, struct patch_plan *out)
{
	static const u8 nop4[] = {0x0f, 0x1f, 0x40, 0x00};
	u8 code[CALL + 40];
	size_t i;

	memset(code, 0xcc, sizeof(code));
	/* As many as fit; what is left over comes first. */
	memset(code, 0x90, CALL);
	for (i = CALL - nbefore; i >= 4; i -= 4)
		memcpy(code + i - 4, nop4, 4);
	memcpy(code + CALL - nbefore, before, nbefore);
	memcpy(code + CALL, instruction, 2);
	memcpy(code + CALL + 2, after, nafter);
	/* One behind a boundary of functions, so that padding is within one. */
	return patch_plan(code, sizeof(code), CALL, 0x400001, out);
}
#define PLAN_OF(instruction, before, after, out)                                                   \
	plan_of(instruction, before, sizeof(before) - 1, after, sizeof(after) - 1, out)
#define PLAN(before, after, out)  PLAN_OF("\x0f\x05", before, after, out)
#define CPUID(before, after, out) PLAN_OF("\x0f\xa2", before, after, out)

Test(patch_plan, neighbours_behind)
{
	struct patch_plan p;

	/* cmp $-4096, %rax; ja */
	cr_assert_eq(PLAN("", "\x48\x3d\x00\xf0\xff\xff\x77\x10", &p), PATCH_OK);
	cr_assert(p.before == 0 && p.after == 6 && !p.ends);
	/* mov %rax, %rdx; mov %rdx, %rax; ret */
	cr_assert_eq(PLAN("", "\x48\x89\xc2\x48\x89\xd0\xc3", &p), PATCH_OK);
	cr_assert(p.before == 0 && p.after == 6 && !p.ends);
	/* ret, and padding */
	cr_assert_eq(PLAN("", "\xc3", &p), PATCH_OK);
	cr_assert(p.before == 0 && p.after == 1 && p.ends);
}

Test(patch_plan, neighbours_before)
{
	struct patch_plan p;

	/* mov $39, %eax; call */
	cr_assert_eq(PLAN("\xb8\x27\0\0\0", "\xe8\0\0\0\0", &p), PATCH_OK);
	cr_assert(p.before == 5 && p.after == 0);
	/* xor %eax, %eax; syscall; mov %rax, %rdi; call */
	cr_assert_eq(PLAN("\x31\xc0", "\x48\x89\xc7\xe8\0\0\0\0", &p), PATCH_OK);
	cr_assert(p.before == 2 && p.after == 3);
	/* mov $39, %rax */
	cr_assert_eq(PLAN("\x48\xc7\xc0\x27\0\0\0", "\xeb\x05", &p), PATCH_OK);
	cr_assert(p.before == 7 && p.after == 0);
}

Test(patch_plan, stays)
{
	struct patch_plan p;

	/* Branches, calls, and addresses that are relative: lea 0(%rip), %rsi; mov %fs:0, %rdx. */
	cr_assert_neq(PLAN("", "\xeb\x05\x90\x90\x90", &p), PATCH_OK);
	cr_assert_neq(PLAN("", "\xe8\0\0\0\0", &p), PATCH_OK);
	cr_assert_neq(PLAN("", "\x48\x8d\x35\0\0\0\0", &p), PATCH_OK);
	cr_assert_neq(PLAN("", "\x74\x02\xc3\x90\x90", &p), PATCH_OK);
	/* A return with code behind it. */
	cr_assert_neq(PLAN("", "\xc3\x48\x89\xc2\x48\x89\xd0", &p), PATCH_OK);
	/* mov $39, %r8d: ends like a load of eax, but is not one. */
	cr_assert_neq(PLAN("\x41\xb8\x27\0\0\0", "\xe8\0\0\0\0", &p), PATCH_OK);
	/* mov %edi, 0x27(%rax) with a long displacement, likewise. */
	cr_assert_neq(PLAN("\x89\xb8\x27\0\0\0", "\xe8\0\0\0\0", &p), PATCH_OK);
	/* What is no call at all. */
	cr_assert_neq(patch_plan((const u8 *)"\x90\x90", 2, 0, 0, &p), PATCH_OK);
}

/* 120 bytes of instructions, `before` at their end; is the call behind them sure? */
/* What is before it moves, if that is enough: it may be in a loop. */
Test(patch_plan, cpuid)
{
	struct patch_plan p;

	/* mov $4, %eax; and behind it mov %eax, %edx; and $31, %edx */
	cr_assert_eq(CPUID("\xb8\x04\0\0\0", "\x89\xc2\x83\xe2\x1f", &p), PATCH_OK);
	cr_assert(p.cpuid && p.before == 5 && p.after == 0 && !p.ends);
	/* mov $13, %eax; mov %edi, %ecx */
	cr_assert_eq(CPUID("\xb8\x0d\0\0\0\x89\xf9", "\x75\x10", &p), PATCH_OK);
	cr_assert(p.cpuid && p.before == 7 && p.after == 0);
	/* A call, and mov %esi, %ecx: with mov $1, %edi from behind. */
	cr_assert_eq(CPUID("\xe8\0\0\0\0\x89\xf1", "\xbf\x01\0\0\0\x75\x10", &p), PATCH_OK);
	cr_assert(p.cpuid && p.before == 0 && p.after == 5);
	/* The same, with mov %eax, %edx behind, which is too short alone. */
	cr_assert_eq(CPUID("\xe8\0\0\0\0\x89\xf1", "\x45\x89\xc2\x75\x10", &p), PATCH_OK);
	cr_assert(p.cpuid && p.before == 2 && p.after == 3);
	/* push %rbx; mov %edi, %eax; mov %esi, %ecx: the second would begin at a byte that is code.
	 */
	cr_assert_eq(CPUID("\xe8\0\0\0\0\x53\x89\xf8\x89\xf1", "\x75\x10", &p), PATCH_IMMOVABLE);
	/* mov %eax, 16(%rip) */
	cr_assert_eq(CPUID("\xe8\0\0\0\0\x89\xf1", "\x89\x05\x10\0\0\0", &p), PATCH_IMMOVABLE);
	cr_assert_eq(PLAN("\xb8\x27\0\0\0", "\x75\x10", &p), PATCH_OK);
	cr_assert_not(p.cpuid);
}

static bool sure(const char *instruction, const u8 *fill, size_t nfill, const char *before,
                 size_t nbefore)
{
	u8 code[128 + 32];
	size_t at = 128;

	memset(code, 0x90, sizeof(code));
	for (size_t i = at - nbefore; i >= nfill; i -= nfill)
		memcpy(code + i - nfill, fill, nfill);
	memcpy(code + at - nbefore, before, nbefore);
	memcpy(code + at, instruction, 2);
	return patch_plan_is_sure(code, sizeof(code), at);
}
#define SURE_OF(instruction, before)                                                               \
	sure(instruction, fill, sizeof(fill), before, sizeof(before) - 1)
#define SURE(before)       SURE_OF("\x0f\x05", before)
#define SURE_CPUID(before) SURE_OF("\x0f\xa2", before)

Test(patch_plan, believed_by_its_neighbours_only)
{
	/* push %rbx; mov %rdi, %rbx; push %rbp; sub $16, %rsp; two nops */
	static const u8 fill[] = {0x53, 0x48, 0x89, 0xfb, 0x55, 0x48, 0x83, 0xec, 0x10, 0x90, 0x90};

	/* mov $39, %eax; and with an argument behind it */
	cr_assert(SURE("\xb8\x27\0\0\0"));
	cr_assert(SURE("\xb8\x27\0\0\0\xbf\x03\0\0\0"));
	/* xor %eax, %eax */
	cr_assert(SURE("\x31\xc0"));
	/* No number, or none of a call. */
	cr_assert_not(SURE(""));
	cr_assert_not(SURE("\xb8\0\0\x01\0"));
	/* The call is an operand: mov $39, %eax; mov $0x....050f, %edx; the same of eight bytes. */
	cr_assert_not(SURE("\xb8\x27\0\0\0\xba"));
	cr_assert_not(SURE("\xb8\x27\0\0\0\x48\xba\x01\x02"));
	/* Another instruction's end: mov $39, %eax; add 0x...(%rip), %ecx */
	cr_assert_not(SURE("\xb8\x27\0\0\0\x03\x0d"));
	/* mov $0x80000000, %eax; and mov %edi, %eax; but no word of eight bits, nor none at all. */
	cr_assert(SURE_CPUID("\xb8\0\0\0\x80"));
	cr_assert(SURE_CPUID("\x89\xf8\x89\xf1"));
	cr_assert_not(SURE_CPUID("\xb0\x04"));
	cr_assert_not(SURE_CPUID(""));
	cr_assert_not(SURE_CPUID("\xb8\x27\0\0\0\xba"));
	cr_assert_not(SURE_CPUID("\xb8\x27\0\0\0\x03\x0d"));
}

Test(patch_plan, believes_no_table)
{
	/* Two words of a table, with a call among them. */
	static const u8 fill[] = {0x8d, 0x01, 0x02, 0x01, 0x8d, 0x01, 0x02, 0x01,
	                          0xc6, 0xa5, 0x63, 0x63, 0xf8, 0x84, 0x7c, 0x7c};

	cr_assert_not(SURE("\xee\x99\x77\x77\xf6\x8d"));
	cr_assert_not(patch_plan_is_sure((const u8 *)"\xb8\x27\0\0\0\x0f\x05", 7, 5));
}
