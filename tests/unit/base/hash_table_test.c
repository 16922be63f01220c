/* Hash tables that grow. */
#include <criterion/criterion.h>
#include "base/hash_table.h"
#include "tests/unit/base/support.h"

#define MANY 1000u

struct number {
	struct hash_node node;
	u32 value;
};

static struct number numbers[MANY];

/* Half as many hashes as numbers, so that each is shared by two. */
static u32 hash_of(u32 value)
{
	return hash_u64(value / 2);
}

static struct number *find(struct hash_table *t, u32 value)
{
	struct hash_node *n;

	HASH_TABLE_FOREACH (n, t, hash_of(value)) {
		struct number *it = container_of(n, struct number, node);

		if (it->value == value)
			return it;
	}
	return NULL;
}

static void fill(struct hash_table *t, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		numbers[i] = (struct number){.value = i};
		hash_table_insert(t, &numbers[i].node, hash_of(i));
	}
}

TestSuite(hash_table, .fini = assert_nothing_left);

Test(hash_table, finds_each_at_every_size)
{
	struct hash_table t;

	hash_table_init(&t);
	for (u32 count = 1; count < MANY; count *= 3) {
		for (u32 i = 0; i < count; i++)
			hash_table_warm(&t, hash_of(i));
		fill(&t, count);
		for (u32 i = 0; i < count; i++)
			cr_assert_eq(find(&t, i), &numbers[i]);
		cr_assert_null(find(&t, count + 2));
		cr_assert_eq(t.count, count);
		hash_table_take_all(&t);
		cr_assert_null(find(&t, 0));
	}
	hash_table_destroy(&t);
}

Test(hash_table, grows_with_what_it_holds)
{
	struct hash_table t;

	hash_table_init(&t);
	fill(&t, 1 << HASH_TABLE_FEW_BITS);
	cr_assert_eq(t.buckets, t.few, "a few need no memory");
	hash_table_take_all(&t);
	fill(&t, MANY);
	cr_assert_geq(1u << t.bits, MANY / 2);
	hash_table_take_all(&t);
	hash_table_destroy(&t);
}

Test(hash_table, forgets_what_is_removed_and_nothing_else)
{
	struct hash_table t;

	hash_table_init(&t);
	fill(&t, MANY);
	for (u32 i = 0; i < MANY; i += 3) {
		cr_assert(hash_node_is_in(&numbers[i].node));
		hash_table_remove(&t, &numbers[i].node);
		cr_assert(!hash_node_is_in(&numbers[i].node));
	}
	for (u32 i = 0; i < MANY; i++)
		cr_assert_eq(find(&t, i), i % 3 ? &numbers[i] : NULL);
	hash_table_take_all(&t);
	hash_table_destroy(&t);
}

Test(hash_table, shrinks_when_told_to)
{
	struct hash_table t;

	hash_table_init(&t);
	fill(&t, MANY);
	for (u32 i = 0; i < MANY; i++) {
		hash_table_remove(&t, &numbers[i].node);
		hash_table_tidy(&t);
		cr_assert_leq(1u << t.bits, max_of(8 * t.count, 1u << HASH_TABLE_FEW_BITS));
		for (u32 k = i + 1; k < MANY; k += 97)
			cr_assert_eq(find(&t, k), &numbers[k]);
		cr_assert_null(find(&t, i));
	}
	cr_assert_eq(t.buckets, t.few);
	hash_table_destroy(&t);
}

Test(hash_table, gives_up_all_at_once)
{
	struct hash_table t;
	struct hash_node *n;
	u32 count = 0;

	hash_table_init(&t);
	fill(&t, MANY);
	for (n = hash_table_take_all(&t); n; n = n->next) {
		cr_assert(!hash_node_is_in(n));
		count++;
	}
	cr_assert_eq(count, MANY);
	cr_assert_eq(t.count, 0);
	hash_table_destroy(&t);
}
