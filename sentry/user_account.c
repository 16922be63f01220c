/*
 * User accounts; see user_account.h. A sandbox has few users at a time, so a
 * short list in order of use is all that is needed.
 */
#include "sentry/user_account.h"
#include "base/bug.h"
#include "base/lock.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

struct user_account {
	TAILQ_ENTRY(user_account) link;
	u32 uid;
	u32 count[USER_RESOURCES];
};

/* Inside the siglock (queueing a signal charges it), hence a leaf. */
static struct lock accounts_lock = LOCK_INIT(RANK_ALLOC);
static TAILQ_HEAD(, user_account) accounts = TAILQ_HEAD_INITIALIZER(accounts);

static struct user_account *find(u32 uid)
{
	struct user_account *u;
	TAILQ_FOREACH (u, &accounts, link) {
		if (u->uid != uid)
			continue;
		if (u != TAILQ_FIRST(&accounts)) {
			TAILQ_REMOVE(&accounts, u, link);
			TAILQ_INSERT_HEAD(&accounts, u, link);
		}
		return u;
	}
	return NULL;
}

int user_charge(u32 uid, enum user_resource what, u64 limit)
{
	lock_guard(&accounts_lock);
	struct user_account *u = find(uid);
	if ((u ? u->count[what] : 0) >= limit)
		return -EAGAIN;
	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u)
			return -ENOMEM;
		u->uid = uid;
		TAILQ_INSERT_HEAD(&accounts, u, link);
	}
	u->count[what]++;
	return 0;
}

void user_uncharge(u32 uid, enum user_resource what)
{
	lock_guard(&accounts_lock);
	struct user_account *u = find(uid);
	BUG_ON(!u || u->count[what] == 0);
	u->count[what]--;
	for (int i = 0; i < USER_RESOURCES; i++)
		if (u->count[i])
			return;
	TAILQ_REMOVE(&accounts, u, link);
	free(u);
}

u32 user_count(u32 uid, enum user_resource what)
{
	lock_guard(&accounts_lock);
	struct user_account *u = find(uid);
	return u ? u->count[what] : 0;
}
