/*
 * Answers to CPUID.
 *
 * On a virtual machine CPUID goes by way of the hypervisor, and takes some 5 us on a nested one.
 * The C library's loader makes 43 of them at each start of a program: a third of what a small
 * program takes from its exec to its end. So where text of a loader is mapped rewritten (text.c),
 * its CPUIDs are, too, and the stub answers them from a table that guests cannot write. What the
 * table does not have, the instruction itself still answers.
 *
 * In the table are leaves whose answer is the same on each CPU of the machine and at any time: none
 * that tell a CPU's own number (1, 0xb, 0x1f, 0x8000001e), and of machines with CPUs of several
 * kinds, none that tell their caches (2, 4, 0x80000005, ...).
 */
#include "platform/systrap/cpuid.h"
#include <cpuid.h>
#include <pthread.h>

#define EXTENDED 0x80000000u
/* Of leaf 7, in edx. */
#define HYBRID (1u << 15)

static const struct leaf {
	u32 leaf;
	u8 subs;     /* sub-leaves from 0 on that are asked for; 0: ecx makes no difference */
	bool caches; /* of the CPU's kind */
} leaves[] = {
    /* In about the order of their use. */
    {0x80000000, 0, false}, {0x80000006, 0, true},  {0x80000005, 0, true},  {4, 5, true},
    {2, 0, true},           {0xd, 8, false},        {7, 2, false},          {0, 0, false},
    {0x8000001d, 4, true},  {0x80000008, 0, false}, {0x80000001, 0, false}, {0x80000007, 0, false},
    {0x14, 1, false},       {0x19, 1, false},
};

static bool is_hybrid(u32 max)
{
	u32 a, b, c, d = 0;

	if (max >= 7)
		__cpuid_count(7, 0, a, b, c, d);
	return d & HYBRID;
}

static struct cpuid_answer *put(struct cpuid_answer *out, const struct leaf *l, u32 sub)
{
	struct cpuid_answer a = {.mask = l->subs ? ~0ULL : ~0ULL << 32,
	                         .key = (u64)l->leaf << 32 | sub};
	u64 mask = a.mask;

	__cpuid_count(l->leaf, sub, a.eax, a.ebx, a.ecx, a.edx);
	/* Stubs take an answer without a mask for the end of the table. */
	a.mask = 0;
	*out = a;
	atomic_store_explicit((_Atomic u64 *)&out->mask, mask, memory_order_release);
	return out + 1;
}

static struct cpuid_answer *table;

void cpuid_answers_init(struct cpuid_answer *memory)
{
	table = memory;
}

static void fill(void)
{
	struct cpuid_answer *out = table;
	u32 max = __get_cpuid_max(0, NULL), max_extended = __get_cpuid_max(EXTENDED, NULL);
	bool hybrid = is_hybrid(max);

	for (size_t i = 0; i < array_size(leaves); i++) {
		const struct leaf *l = &leaves[i];

		if (l->leaf > (l->leaf >= EXTENDED ? max_extended : max) || (l->caches && hybrid))
			continue;
		for (u32 sub = 0; sub < max_of((u32)l->subs, 1u); sub++)
			if (out < table + CPUID_ANSWERS)
				out = put(out, l, sub);
	}
}

void cpuid_answers_fill(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fill);
}
