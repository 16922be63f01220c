/*
 * PI futexes; see futex_pi.h (kernel/futex/pi.c).
 *
 * The word in guest memory holds the owner's tid; an uncontended lock is taken and
 * released by guest code alone. A lock that has waiters has FUTEX_WAITERS in its
 * word, so that its release comes here, and an entry in the table. Ownership is
 * handed over in the word before the waiter is woken: nobody can steal it.
 *
 * One mutex for all of them, as guest memory is read and written under it.
 */
#include "sentry/futex_pi.h"
#include "base/bug.h"
#include "base/fiber.h"
#include "base/mutex.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include "sentry/mm.h"
#include "sentry/task.h"
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What names a futex: an address in an mm, or a place in a shared object. */
struct pi_key {
	const void *object; /* mm, or inode of a shared mapping; compared only */
	u64 id;             /* of a shared anonymous object */
	u64 offset;
};

struct pi_waiter {
	TAILQ_ENTRY(pi_waiter) link;
	struct task *task;
	_Atomic bool granted;
};

struct pi_futex {
	LIST_ENTRY(pi_futex) link;
	struct pi_key key;
	s32 owner; /* tid */
	u64 addr;  /* in the owner's memory, if owner_mm is its mm */
	TAILQ_HEAD(, pi_waiter) waiters;
};

#define BUCKETS 64

static LIST_HEAD(pi_list, pi_futex) table[BUCKETS];
static struct mutex pi_mutex = {
    .lock = LOCK_INIT(RANK_IPC),
    .waiters = TAILQ_HEAD_INITIALIZER(pi_mutex.waiters),
    .rank = RANK_IPC,
};
/* Lets a thread that ends pass by without the mutex when no PI futex is contended. */
static _Atomic u32 contended;

static int key_of(struct task *t, u64 addr, bool private, struct pi_key *key)
{
	struct mm *m = t->mm;
	*key = (struct pi_key){.object = m, .offset = addr};
	if (addr % sizeof(u32))
		return -EINVAL;
	if (private)
		return 0;
	if (mm_lock(m) != 0)
		return -EINTR;
	const struct vma *v = mm_find_locked(m, addr);
	int err = v && v->start <= addr ? 0 : -EFAULT;
	if (!err && (v->flags & MAP_SHARED)) {
		key->object = v->file ? (const void *)v->file->inode : NULL;
		key->id = v->shared_id;
		key->offset = addr - v->start + v->off;
	}
	mm_unlock(m);
	return err;
}

static struct pi_list *bucket(const struct pi_key *k)
{
	u64 h = (u64)k->object / 64 + k->id * 31 + k->offset / 4;
	return &table[h % BUCKETS];
}

static struct pi_futex *lookup(const struct pi_key *k)
{
	struct pi_futex *f;
	LIST_FOREACH (f, bucket(k), link)
		if (f->key.object == k->object && f->key.id == k->id && f->key.offset == k->offset)
			return f;
	return NULL;
}

static void drop_if_empty(struct pi_futex *f)
{
	if (!TAILQ_EMPTY(&f->waiters))
		return;
	LIST_REMOVE(f, link);
	atomic_fetch_sub(&contended, 1);
	free(f);
}

static int exchange_word(struct task *t, u64 addr, u32 expect, u32 value, u32 *old)
{
	struct uspace *u = t->caller.uspace;
	return u->ops->cmpxchg32(u, addr, expect, value, old);
}

/* Takes a free word. 0: it is t's; -EBUSY: *word has the owner; -EDEADLK, -EFAULT. */
static int take_word(struct task *t, u64 addr, u32 *word)
{
	u32 old;
	if (get_user(word, uptr_make(addr)) != 0)
		return -EFAULT;
	for (;;) {
		if ((*word & FUTEX_TID_MASK) == (u32)t->own_tid)
			return -EDEADLK;
		if (*word & FUTEX_TID_MASK)
			return -EBUSY;
		/* OWNER_DIED stays for the new owner to see. */
		u32 mine = (*word & (FUTEX_OWNER_DIED | FUTEX_WAITERS)) | (u32)t->own_tid;
		if (exchange_word(t, addr, *word, mine, &old) != 0)
			return -EFAULT;
		if (old == *word)
			return 0;
		*word = old;
	}
}

/* Makes the owner come here to unlock. 0; -EAGAIN: the word has changed. */
static int mark_contended(struct task *t, u64 addr, u32 word)
{
	u32 old;
	struct task *owner;
	if (!(word & FUTEX_WAITERS)) {
		if (exchange_word(t, addr, word, word | FUTEX_WAITERS, &old) != 0)
			return -EFAULT;
		if (old != word)
			return -EAGAIN;
	}
	owner = task_find((s32)(word & FUTEX_TID_MASK));
	if (!owner)
		return -ESRCH;
	task_put(owner);
	return 0;
}

static struct pi_futex *enqueue(const struct pi_key *key, u64 addr, s32 owner, struct pi_waiter *w)
{
	struct pi_futex *f = lookup(key);
	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f)
			return NULL;
		f->key = *key;
		f->addr = addr;
		TAILQ_INIT(&f->waiters);
		LIST_INSERT_HEAD(bucket(key), f, link);
		atomic_fetch_add(&contended, 1);
	}
	f->owner = owner;
	TAILQ_INSERT_TAIL(&f->waiters, w, link);
	return f;
}

/* One attempt, under the mutex: 0 owned, 1 enqueued, or -errno. */
static int lock_or_enqueue(struct task *t, const struct pi_key *key, u64 addr, struct pi_waiter *w)
{
	u32 word;
	for (;;) {
		int err = take_word(t, addr, &word);
		if (err != -EBUSY)
			return err;
		if (!w)
			return -EAGAIN;
		err = mark_contended(t, addr, word);
		if (err == -EAGAIN)
			continue;
		if (err)
			return err;
		s32 owner = (s32)(word & FUTEX_TID_MASK);
		return enqueue(key, addr, owner, w) ? 1 : -ENOMEM;
	}
}

/*
 * The wait is over: false if the lock has been handed over. Under the mutex in any case, so
 * that whoever has handed it over is done with this fiber.
 */
static bool withdraw(const struct pi_key *key, struct pi_waiter *w)
{
	mutex_guard(&pi_mutex);
	if (atomic_load(&w->granted))
		return false;
	struct pi_futex *f = lookup(key);
	BUG_ON(!f);
	TAILQ_REMOVE(&f->waiters, w, link);
	drop_if_empty(f);
	return true;
}

s64 futex_lock_pi(struct task *t, u64 addr, bool private, u64 deadline)
{
	struct pi_waiter w = {.task = t};
	struct pi_key key;
	int err = key_of(t, addr, private, &key);
	if (err)
		return err;
	mutex_acquire(&pi_mutex);
	err = lock_or_enqueue(t, &key, addr, &w);
	mutex_release(&pi_mutex);
	if (err <= 0)
		return err;
	err = 0;
	while (!atomic_load(&w.granted) && !err)
		err = fiber_sleep(deadline);
	if (!withdraw(&key, &w))
		return 0;
	return err == -EINTR ? -ERESTARTNOINTR : err;
}

s64 futex_trylock_pi(struct task *t, u64 addr, bool private)
{
	struct pi_key key;
	int err = key_of(t, addr, private, &key);
	if (err)
		return err;
	mutex_guard(&pi_mutex);
	return lock_or_enqueue(t, &key, addr, NULL);
}

/* Gives f to its first waiter, by t's own memory at addr. The word holds t's tid. */
static int hand_over(struct task *t, struct pi_futex *f, u64 addr, u32 died)
{
	struct pi_waiter *w = TAILQ_FIRST(&f->waiters);
	u32 word, old, value = (u32)w->task->own_tid | died;
	if (TAILQ_NEXT(w, link))
		value |= FUTEX_WAITERS;
	if (get_user(&word, uptr_make(addr)) != 0)
		return -EFAULT;
	for (;;) {
		if ((word & FUTEX_TID_MASK) != (u32)t->own_tid &&
		    !(died && (word & FUTEX_OWNER_DIED)))
			return -EPERM;
		if (exchange_word(t, addr, word, value, &old) != 0)
			return -EFAULT;
		if (old == word)
			break;
		word = old;
	}
	TAILQ_REMOVE(&f->waiters, w, link);
	f->owner = w->task->own_tid;
	atomic_store(&w->granted, true);
	fiber_unpark(w->task->fiber);
	drop_if_empty(f);
	return 0;
}

s64 futex_unlock_pi(struct task *t, u64 addr, bool private)
{
	struct pi_key key;
	u32 word, old;
	int err = key_of(t, addr, private, &key);
	if (err)
		return err;
	mutex_guard(&pi_mutex);
	if (get_user(&word, uptr_make(addr)) != 0)
		return -EFAULT;
	if ((word & FUTEX_TID_MASK) != (u32)t->own_tid)
		return -EPERM;
	struct pi_futex *f = lookup(&key);
	if (f)
		return hand_over(t, f, addr, 0);
	/* Its waiters have given up; the bit may be set still. */
	for (;;) {
		if (exchange_word(t, addr, word, 0, &old) != 0)
			return -EFAULT;
		if (old == word)
			return 0;
		if ((old & FUTEX_TID_MASK) != (u32)t->own_tid)
			return -EPERM;
		word = old;
	}
}

void futex_pi_exit(struct task *t)
{
	if (atomic_load(&contended) == 0)
		return;
	mutex_guard(&pi_mutex);
	for (int i = 0; i < BUCKETS; i++) {
		struct pi_futex *f, *next;
		for (f = LIST_FIRST(&table[i]); f; f = next) {
			next = LIST_NEXT(f, link);
			if (f->owner != t->own_tid)
				continue;
			/*
			 * Where the word cannot be reached by this thread (another process's
			 * mapping of it is gone), its waiters are left to their time-outs.
			 */
			(void)!hand_over(t, f, f->addr, FUTEX_OWNER_DIED);
		}
	}
}
