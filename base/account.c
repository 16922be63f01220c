/*
 * The table of accounts: a small hash of the users that hold something now. An
 * account goes away with its last charge, so the table is never larger than
 * the number of objects that hold one.
 */
#include "base/account.h"
#include "base/census.h"
#include "base/lock.h"
#include <stdlib.h>

#define BUCKETS 64

static struct lock table_lock = LOCK_INIT(RANK_ALLOC);
static struct account *table[BUCKETS]; /* guarded by table_lock */
static CENSUS(account_census, "account");

/* The account of uid with +1, or NULL. One on its way out (no references) does not count. */
static struct account *find_locked(u32 uid)
{
	for (struct account *a = table[uid % BUCKETS]; a; a = a->next)
		if (a->uid == uid && ref_get_unless_zero(&a->ref))
			return a;
	return NULL;
}

struct account *account_get(u32 uid)
{
	struct account *found;
	{
		lock_guard(&table_lock);
		found = find_locked(uid);
	}
	if (found)
		return found;

	/* The allocation is made outside the lock, so another may come first. */
	struct account *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	ref_init(&a->ref);
	a->uid = uid;
	lock_acquire(&table_lock);
	found = find_locked(uid);
	if (!found) {
		a->next = table[uid % BUCKETS];
		table[uid % BUCKETS] = a;
		census_add(&account_census, 1);
	}
	lock_release(&table_lock);
	if (!found)
		return a;
	free(a);
	return found;
}

struct account *account_hold(struct account *a)
{
	ref_get(&a->ref);
	return a;
}

void account_put(struct account *a)
{
	if (!a || !ref_put(&a->ref))
		return;
	lock_acquire(&table_lock);
	struct account **link = &table[a->uid % BUCKETS];
	while (*link != a)
		link = &(*link)->next;
	*link = a->next;
	lock_release(&table_lock);
	census_add(&account_census, -1);
	free(a);
}
