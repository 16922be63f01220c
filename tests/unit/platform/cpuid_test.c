/* The table of CPUID's answers. */
#include <criterion/criterion.h>
#include "platform/systrap/cpuid.h"
#include <cpuid.h>

static struct cpuid_answer table[CPUID_ANSWERS + 1];

static const struct cpuid_answer *find(u32 leaf, u32 sub)
{
	u64 key = (u64)leaf << 32 | sub;

	for (const struct cpuid_answer *a = table; a->mask; a++)
		if ((key & a->mask) == a->key)
			return a;
	return NULL;
}

Test(cpuid, answers_are_the_instructions)
{
	unsigned n = 0;

	cpuid_answers_init(table);
	cpuid_answers_fill();
	for (const struct cpuid_answer *a = table; a->mask; a++, n++) {
		u32 r[4];

		__cpuid_count((u32)(a->key >> 32), (u32)a->key, r[0], r[1], r[2], r[3]);
		cr_assert(r[0] == a->eax && r[1] == a->ebx && r[2] == a->ecx && r[3] == a->edx,
		          "leaf %#llx", (unsigned long long)a->key);
	}
	cr_assert(n >= 5 && n <= CPUID_ANSWERS);
	/* A sub-leaf counts where there are such, and only there. */
	cr_assert_not_null(find(0, 0));
	cr_assert_eq(find(0, 7), find(0, 0));
	cr_assert_neq(find(7, 0), find(7, 1));
	cr_assert_null(find(7, 0x10007));
}

/* What depends on who asks is not kept. */
Test(cpuid, a_cpus_own_number_is_not_in_it)
{
	static const u32 own[] = {1, 0xb, 0x1f, 0x8000001e};

	cpuid_answers_init(table);
	cpuid_answers_fill();
	for (size_t i = 0; i < array_size(own); i++)
		cr_assert_null(find(own[i], 0));
}
