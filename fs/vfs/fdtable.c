/*
 * Descriptor tables. A table is an array of files and two bitmaps (open,
 * close-on-exec); a third bitmap has a bit for each full word of the first, so
 * that the lowest free descriptor of a million is found in a few steps.
 *
 * All is guarded by the table's lock. Files are put, and memory is had,
 * outside it: a put may end in any file's release.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/caller.h"
#include "base/census.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/file_lock.h"

#define BITS      64
#define SLOTS_MIN 64

static CENSUS(fdtable_census, "fd table");

struct fdtable_slots {
	u32 size; /* a power of two >= 64 */
	u32 count;
	struct file **files;
	u64 *open, *cloexec, *full;
};

static inline bool bit_test(const u64 *map, u32 i)
{
	return map[i / BITS] >> (i % BITS) & 1;
}

static inline void bit_set(u64 *map, u32 i, bool on)
{
	u64 bit = 1ULL << (i % BITS);

	map[i / BITS] = on ? map[i / BITS] | bit : map[i / BITS] & ~bit;
}

/* One block: the files, then the three bitmaps. */
static struct fdtable_slots *slots_create(u32 size)
{
	u32 words = size / BITS, full_words = (words + BITS - 1) / BITS;
	struct fdtable_slots *s = calloc(1, sizeof(*s) + size * sizeof(struct file *) +
	                                        (2 * words + full_words) * sizeof(u64));

	if (!s)
		return NULL;
	s->size = size;
	s->files = (struct file **)(s + 1);
	s->open = (u64 *)(s->files + size);
	s->cloexec = s->open + words;
	s->full = s->cloexec + words;
	return s;
}

static void slot_fill(struct fdtable_slots *s, u32 fd, struct file *f, bool cloexec)
{
	s->files[fd] = f;
	s->count++;
	bit_set(s->open, fd, true);
	bit_set(s->cloexec, fd, cloexec);
	if (s->open[fd / BITS] == ~0ULL)
		bit_set(s->full, fd / BITS, true);
}

static struct file *slot_clear(struct fdtable_slots *s, u32 fd)
{
	struct file *f = s->files[fd];

	s->files[fd] = NULL;
	s->count--;
	bit_set(s->open, fd, false);
	bit_set(s->cloexec, fd, false);
	bit_set(s->full, fd / BITS, false);
	return f;
}

/* --- what others have been told ---------------------------------------------------- */

/*
 * Each descriptor has a word, which others may share: then one's change makes the other's users
 * ask again.
 */
static _Atomic u32 *tell_words;
static u32 tell_mask;

void fdtable_tell_by(_Atomic u32 *words, u32 n)
{
	tell_words = words;
	tell_mask = n - 1;
}

/* A table's descriptors have neighbouring words, so none shares one with another. */
static u32 tell_word(const struct fdtable *t, u32 fd)
{
	return ((u32)((u64)(uintptr_t)t * 0x9e3779b97f4a7c15ULL >> 32) + fd) & tell_mask;
}

bool fdtable_tell(struct fdtable *t, int fd, const struct file *f, struct fdtable_told *out)
{
	if (!tell_words || fd < 0 || fd >= FDTABLE_TOLD)
		return false;
	lock_guard(&t->lock);
	if (t->slots->files[fd] != f)
		return false;
	t->told |= 1ULL << fd;
	out->at.word = tell_word(t, (u32)fd);
	out->at.seen = atomic_load(&tell_words[out->at.word]);
	out->cloexec = bit_test(t->slots->cloexec, (u32)fd);
	return true;
}

void fdtable_untell(void)
{
	for (u32 i = 0; tell_words && i <= tell_mask; i++)
		atomic_fetch_add(&tell_words[i], 1);
}

static void untell_locked(struct fdtable *t, u32 fd)
{
	if (fd < FDTABLE_TOLD && (t->told >> fd & 1)) {
		t->told &= ~(1ULL << fd);
		atomic_fetch_add(&tell_words[tell_word(t, fd)], 1);
	}
}

static struct file *take_locked(struct fdtable *t, u32 fd)
{
	untell_locked(t, fd);
	return slot_clear(t->slots, fd);
}

static void cloexec_locked(struct fdtable *t, u32 fd, bool on)
{
	if (bit_test(t->slots->cloexec, fd) == on)
		return;
	bit_set(t->slots->cloexec, fd, on);
	untell_locked(t, fd);
}

/* The lowest free descriptor >= min; s->size if the table is full. */
static u32 slot_find_free(const struct fdtable_slots *s, u32 min)
{
	u32 words = s->size / BITS, w;
	u64 word;

	if (min >= s->size)
		return min;
	w = min / BITS;
	word = s->open[w] | ((1ULL << (min % BITS)) - 1);
	if (~word)
		return w * BITS + (u32)__builtin_ctzll(~word);
	for (w++; w < words; w++) {
		if (w % BITS == 0 && s->full[w / BITS] == ~0ULL) {
			w += BITS - 1;
			continue;
		}
		if (~s->open[w])
			return w * BITS + (u32)__builtin_ctzll(~s->open[w]);
	}
	return s->size;
}

/* The first open descriptor >= fd, or s->size. */
static u32 slot_next(const struct fdtable_slots *s, u32 fd)
{
	u32 words = s->size / BITS, w = fd / BITS;
	u64 word;

	if (fd >= s->size)
		return s->size;
	word = s->open[w] & (~0ULL << (fd % BITS));
	while (!word && ++w < words)
		word = s->open[w];
	return word ? w * BITS + (u32)__builtin_ctzll(word) : s->size;
}

static void slots_move(struct fdtable_slots *to, const struct fdtable_slots *from)
{
	memcpy(to->files, from->files, from->size * sizeof(struct file *));
	memcpy(to->open, from->open, from->size / 8);
	memcpy(to->cloexec, from->cloexec, from->size / 8);
	memcpy(to->full, from->full, (from->size / BITS + BITS - 1) / BITS * sizeof(u64));
	to->count = from->count;
}

static u32 size_for(u32 fd)
{
	u32 size = SLOTS_MIN;

	while (size <= fd)
		size *= 2;
	return size;
}

/* Called and returns with the lock held, and drops it meanwhile; fd then has a slot. */
static int grow_locked(struct fdtable *t, u32 fd)
{
	while (fd >= t->slots->size) {
		u32 size = size_for(fd);
		struct fdtable_slots *s, *old;

		lock_release(&t->lock);
		s = slots_create(size);
		lock_acquire(&t->lock);
		if (!s)
			return -ENOMEM;
		old = s;
		/* Another thread may have grown it further meanwhile. */
		if (size > t->slots->size) {
			old = t->slots;
			slots_move(s, old);
			t->slots = s;
		}
		free(old);
	}
	return 0;
}

struct fdtable *fdtable_create(void)
{
	struct fdtable *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->slots = slots_create(SLOTS_MIN);
	if (!t->slots) {
		free(t);
		return NULL;
	}
	ref_init(&t->ref);
	lock_init(&t->lock, RANK_FDTABLE);
	census_add(&fdtable_census, 1);
	return t;
}

/* The highest open descriptor below max_fd, or -1. */
static s64 slot_highest(const struct fdtable_slots *s, u32 max_fd)
{
	s64 fd = (s64)min_of(max_fd, s->size) - 1;

	while (fd >= 0 && !bit_test(s->open, (u32)fd)) {
		if (fd % BITS == BITS - 1 && s->open[fd / BITS] == 0)
			fd -= BITS;
		else
			fd--;
	}
	return fd;
}

struct fdtable *fdtable_copy(struct fdtable *t, u32 max_fd)
{
	struct fdtable *copy = fdtable_create();
	struct fdtable_slots *s;
	s64 high;
	u32 size;

	if (!copy)
		return NULL;
	lock_acquire(&t->lock);
	for (;;) {
		high = slot_highest(t->slots, max_fd);
		size = size_for((u32)max_of(high, 0));
		if (size <= copy->slots->size)
			break;
		lock_release(&t->lock);
		s = slots_create(size);
		if (!s) {
			fdtable_put(copy);
			return NULL;
		}
		free(copy->slots);
		copy->slots = s;
		lock_acquire(&t->lock);
	}
	for (u32 fd = slot_next(t->slots, 0); (s64)fd <= high; fd = slot_next(t->slots, fd + 1))
		slot_fill(copy->slots, fd, file_get(t->slots->files[fd]),
		          bit_test(t->slots->cloexec, fd));
	lock_release(&t->lock);
	return copy;
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	ref_get(&t->ref);
	return t;
}

/* What close(2) does with a file that has left its slot; takes over the reference. */
static int close_file(struct fdtable *t, struct file *f)
{
	int err = 0;

	if (!(atomic_load(&f->flags) & O_PATH)) {
		if (f->ops->flush)
			err = f->ops->flush(f, t);
		file_locks_release_posix(f, t);
	}
	file_put(f);
	return err;
}

void fdtable_put(struct fdtable *t)
{
	if (!t || !ref_put(&t->ref))
		return;
	for (u32 fd = slot_next(t->slots, 0); fd < t->slots->size; fd = slot_next(t->slots, fd + 1))
		close_file(t, t->slots->files[fd]);
	free(t->slots);
	free(t);
	census_add(&fdtable_census, -1);
}

struct file *fdtable_lookup_any(struct fdtable *t, int fd)
{
	struct file *f = NULL;

	lock_acquire(&t->lock);
	if (fd >= 0 && (u32)fd < t->slots->size) {
		f = t->slots->files[fd];
		if (f)
			file_get(f);
	}
	lock_release(&t->lock);
	return f;
}

struct file *fdtable_lookup(struct fdtable *t, int fd)
{
	struct file *f = fdtable_lookup_any(t, fd);

	if (f && (atomic_load_explicit(&f->flags, memory_order_relaxed) & O_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

int fdtable_install(struct fdtable *t, struct file *f, u32 min, u64 limit, bool cloexec)
{
	u32 fd;
	int err;

	limit = min_of(limit, (u64)FDTABLE_MAX);
	lock_acquire(&t->lock);
	for (;;) {
		fd = slot_find_free(t->slots, min);
		if (fd >= limit) {
			err = -EMFILE;
			break;
		}
		if (fd < t->slots->size) {
			slot_fill(t->slots, fd, f, cloexec);
			err = (int)fd;
			break;
		}
		err = grow_locked(t, fd);
		if (err)
			break;
	}
	lock_release(&t->lock);
	return err;
}

int fdtable_install_at(struct fdtable *t, struct file *f, int fd, u64 limit, bool cloexec)
{
	struct file *old = NULL;
	int err;

	if (fd < 0 || (u64)fd >= min_of(limit, (u64)FDTABLE_MAX)) {
		file_put(f);
		return -EBADF;
	}
	lock_acquire(&t->lock);
	err = grow_locked(t, (u32)fd);
	if (!err) {
		if (t->slots->files[fd])
			old = take_locked(t, (u32)fd);
		slot_fill(t->slots, (u32)fd, f, cloexec);
	}
	lock_release(&t->lock);
	/* dup2(2), NOTES: errors of the implied close are lost. */
	if (old)
		close_file(t, old);
	if (err)
		file_put(f);
	return err ? err : fd;
}

int fdtable_remove(struct fdtable *t, int fd, struct file **out)
{
	int err = -EBADF;

	lock_acquire(&t->lock);
	if (fd >= 0 && (u32)fd < t->slots->size && t->slots->files[fd]) {
		*out = take_locked(t, (u32)fd);
		err = 0;
	}
	lock_release(&t->lock);
	return err;
}

int fdtable_close(struct fdtable *t, int fd)
{
	struct file *f;
	int err = fdtable_remove(t, fd, &f);

	return err ? err : close_file(t, f);
}

int fdtable_close_range(struct fdtable *t, u32 first, u32 last, bool cloexec_only_mark)
{
	u32 fd = first;

	if (first > last)
		return -EINVAL;
	for (;;) {
		struct file *f = NULL;

		lock_acquire(&t->lock);
		fd = slot_next(t->slots, fd);
		if (cloexec_only_mark) {
			for (; fd < t->slots->size && fd <= last; fd = slot_next(t->slots, fd + 1))
				cloexec_locked(t, fd, true);
		} else if (fd < t->slots->size && fd <= last) {
			f = take_locked(t, fd);
		}
		lock_release(&t->lock);
		if (!f)
			return 0;
		close_file(t, f);
	}
}

void fdtable_close_on_exec(struct fdtable *t)
{
	u32 w = 0;

	for (;;) {
		struct file *f = NULL;

		lock_acquire(&t->lock);
		while (w < t->slots->size / BITS && t->slots->cloexec[w] == 0)
			w++;
		if (w < t->slots->size / BITS)
			f = take_locked(t, w * BITS + (u32)__builtin_ctzll(t->slots->cloexec[w]));
		lock_release(&t->lock);
		if (!f)
			return;
		close_file(t, f);
	}
}

int fdtable_get_cloexec(struct fdtable *t, int fd)
{
	int result = -EBADF;

	lock_acquire(&t->lock);
	if (fd >= 0 && (u32)fd < t->slots->size && t->slots->files[fd])
		result = bit_test(t->slots->cloexec, (u32)fd);
	lock_release(&t->lock);
	return result;
}

int fdtable_set_cloexec(struct fdtable *t, int fd, bool on)
{
	int err = -EBADF;

	lock_acquire(&t->lock);
	if (fd >= 0 && (u32)fd < t->slots->size && t->slots->files[fd]) {
		cloexec_locked(t, (u32)fd, on);
		err = 0;
	}
	lock_release(&t->lock);
	return err;
}

int fdtable_next(struct fdtable *t, int fd)
{
	u32 next;
	bool found;

	lock_acquire(&t->lock);
	next = slot_next(t->slots, (u32)max_of(fd, 0));
	found = next < t->slots->size;
	lock_release(&t->lock);
	return found ? (int)next : -1;
}

u32 fdtable_count(struct fdtable *t)
{
	lock_guard(&t->lock);
	return t->slots->count;
}

int fd_get(int fd, struct file **out)
{
	struct fdtable *t = caller()->files;

	*out = t ? fdtable_lookup(t, fd) : NULL;
	return *out ? 0 : -EBADF;
}

int fd_install(struct file *f, bool cloexec)
{
	struct caller *c = caller();
	int fd = c->files ? fdtable_install(c->files, f, 0, c->nofile_limit, cloexec) : -EMFILE;

	if (fd < 0)
		file_put(f);
	return fd;
}
