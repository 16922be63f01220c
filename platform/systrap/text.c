/*
 * What is known of the text of files, and copies of it in which call sites are rewritten.
 *
 * A site is noted when it traps, in whichever process. When the text is mapped again, and its sites
 * have trapped so often that it pays, a copy is made: the file's bytes with a jump for each site
 * (patch.c), in a sealed file in memory. Copies do not change, as processes run in them; sites that
 * trap later are in the next copy, together with those of the one before, which keep their slots.
 *
 * Believing. Who reports a site is a guest, and who maps the copy is another one, of
 * another user perhaps. So nothing is taken from a report but the place. The bytes are the file's
 * own, and a site is one only if each decoding of what lies before it comes by it, and loads
 * the number of a call on its way (patch_plan_is_sure): bytes inside of another instruction,
 * or of a table, stay what they are, whoever jumps there.
 *
 * Only so many files are known, so much of their text is copied, and so many sites have slots. What
 * was mapped least recently makes room, unless a process has it: copies that are mapped stay, and
 * count. A file whose copy is gone must trap as often again before it has another, so that more
 * texts than there is room for, in turns, cost no more than twice their traps.
 *
 * A file is known by its inode, its size and its times. One that has been changed a moment ago
 * could change again without showing it, and is not copied.
 *
 * Host calls: fcntl, close.
 */
#include "platform/systrap/text.h"
#include "base/blocking.h"
#include "base/host.h"
#include "platform/systrap/cpuid.h"
#include "platform/systrap/patch_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX   256
#define NOTED_MAX   256
#define CPUIDS_MAX  64           /* of one text */
#define BYTES_MAX   (4UL << 20)  /* of one text */
#define COPIES_MAX  (16UL << 20) /* of all that are in use */
#define SETTLED_SEC 2            /* since the last change, before a file counts as one that stays */
/*
 * A copy is made when the traps that it saves have cost about as much as it, and so many more: a
 * sandbox that runs a program or two has no use for one, and it takes memory.
 */
#define FIRST_TRAPS 8
#define LATER_TRAPS 64
#define TRAP_BYTES  16384 /* are copied in the time of a trap */

/* A place whose call has trapped; in a copy, or refused, once it has been looked at. */
struct noted {
	u32 call;
	bool seen;
};

struct text_file {
	struct text_key key;
	u64 used;               /* when it was last mapped, or trapped: a reading of use_clock */
	struct text_copy *copy; /* the latest */
	struct noted noted[NOTED_MAX];
	unsigned notes;
	u32 traps; /* of noted places that have not been seen yet */
	bool busy; /* a copy is being made */
};

static struct lock text_lock = LOCK_INIT(RANK_TEXT);
static struct text_file *files[FILES_MAX]; /* these guarded by text_lock */
static unsigned file_count, slots_used;
static u32 slot_copies[SHARED_PATCH_MAX]; /* that have a site there; 0: it is free */
static u64 copy_bytes, use_clock;
static u8 *tables; /* words, then slots */

SLIST_HEAD(gone, text_copy);

void text_init(u8 *memory)
{
	tables = memory;
}

bool text_key_of(int fd, u64 off, u64 len, struct text_key *out)
{
	struct timespec now;
	struct stat st;
	if (len > BYTES_MAX || host_fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    off + len > PAGE_ALIGN((u64)st.st_size))
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - st.st_ctim.tv_sec < SETTLED_SEC)
		return false;
	*out = (struct text_key){.dev = st.st_dev,
	                         .ino = st.st_ino,
	                         .size = (u64)st.st_size,
	                         .mtime = st.st_mtim,
	                         .ctime = st.st_ctim,
	                         .off = off,
	                         .len = len};
	return true;
}

/* text_lock held, as below. */
static struct text_file *file_find(const struct text_key *key)
{
	for (unsigned i = 0; i < file_count; i++)
		if (memcmp(&files[i]->key, key, sizeof(*key)) == 0)
			return files[i];
	return NULL;
}

static void slot_drop(const struct text_copy *c)
{
	for (unsigned i = 0; i < c->sites; i++)
		if (--slot_copies[c->site[i].index] == 0)
			slots_used--;
}

/* Without text_lock: closes files. */
static void copies_free(struct gone *gone)
{
	struct text_copy *c;
	while ((c = SLIST_FIRST(gone))) {
		SLIST_REMOVE_HEAD(gone, gone_link);
		if (c->fd >= 0)
			close(c->fd);
		free(c);
	}
}

/* Nobody has c any more. */
static void copy_retire(struct text_copy *c, struct gone *gone)
{
	copy_bytes -= c->bytes;
	slot_drop(c);
	SLIST_INSERT_HEAD(gone, c, gone_link);
}

/* f has to begin anew. No process has its copy. */
static void copy_give_up(struct text_file *f, struct gone *gone)
{
	copy_retire(f->copy, gone);
	f->copy = NULL;
	f->traps = 0;
	for (unsigned i = 0; i < f->notes; i++)
		f->noted[i].seen = false;
}

/* Who is to go first: with a copy, or for the sake of its place. Not `but`. NULL: nobody can. */
static struct text_file *file_least_used(const struct text_file *but, bool with_copy)
{
	struct text_file *least = NULL;
	for (unsigned i = 0; i < file_count; i++) {
		struct text_file *f = files[i];
		if (f == but || f->busy || (f->copy ? atomic_load(&f->copy->users) > 1 : with_copy))
			continue;
		if (!least || f->used < least->used)
			least = f;
	}
	return least;
}

static struct text_file *file_obtain(const struct text_key *key, struct gone *gone)
{
	struct text_file *f = file_find(key);
	if (f)
		return f;
	if (file_count == FILES_MAX) {
		f = file_least_used(NULL, false);
		if (!f)
			return NULL;
		if (f->copy)
			copy_give_up(f, gone);
		memset(f, 0, sizeof(*f));
	} else {
		f = calloc(1, sizeof(*f));
		if (!f)
			return NULL;
		files[file_count++] = f;
	}
	f->key = *key;
	return f;
}

/* text_lock held. */
static void note_trap(struct text_file *f, u32 call)
{
	unsigned i;
	f->used = ++use_clock;
	for (i = 0; i < f->notes && f->noted[i].call != call; i++)
		;
	if (i == NOTED_MAX || (i < f->notes && f->noted[i].seen))
		return;
	if (i == f->notes)
		f->noted[f->notes++].call = call;
	f->traps++;
}

void text_note(const struct text_key *key, u32 call, struct text_file **cached)
{
	struct gone gone = SLIST_HEAD_INITIALIZER(gone);
	lock_acquire(&text_lock);
	/* Entries stay, but may be another file's by now. */
	if (!*cached || memcmp(&(*cached)->key, key, sizeof(*key)) != 0)
		*cached = file_obtain(key, &gone);
	if (*cached)
		note_trap(*cached, call);
	lock_release(&text_lock);
	copies_free(&gone);
}

/* ---- copies -------------------------------------------------------------- */

struct text_copy *text_copy_keep(struct text_copy *c)
{
	atomic_fetch_add(&c->users, 1);
	return c;
}

void text_copy_put(struct text_copy *c)
{
	struct gone gone = SLIST_HEAD_INITIALIZER(gone);
	if (atomic_fetch_sub(&c->users, 1) != 1)
		return;
	lock_acquire(&text_lock);
	copy_retire(c, &gone);
	lock_release(&text_lock);
	copies_free(&gone);
}

static bool pays(const struct text_file *f)
{
	u64 enough = f->key.len / TRAP_BYTES + (f->copy ? LATER_TRAPS : FIRST_TRAPS);
	return f->traps >= enough;
}

/* For the next copy of f, while that before is there, too. */
static bool make_room(const struct text_file *f, struct gone *gone)
{
	struct text_file *least;
	while (copy_bytes + f->key.len > COPIES_MAX ||
	       slots_used + f->notes + CPUIDS_MAX > SHARED_PATCH_MAX) {
		least = file_least_used(f, true);
		if (!least)
			break;
		copy_give_up(least, gone);
	}
	/* With too few slots it has fewer sites. */
	return copy_bytes + f->key.len <= COPIES_MAX;
}

/* What moves with a, and its jump, overlaps what moves with b. */
static bool collide(const struct site *a, const struct site *b)
{
	return a->begin < b->begin + site_span(b) && b->begin < a->begin + site_span(a);
}

/* The site of a call, or of a CPUID, at this offset of the text. */
static bool site_plan(const u8 *text, u64 len, u32 call, struct site *out)
{
	u64 from = call > PATCH_SURE ? call - PATCH_SURE : 0;
	u64 n = min_of(len, (u64)call + PATCH_TAIL) - from;
	struct patch_plan plan;
	if ((u64)call + 2 > len || !patch_plan_is_sure(text + from, n, call - from) ||
	    patch_plan(text + from, n, call - from, call, &plan) != PATCH_OK)
		return false;
	*out = (struct site){.begin = call - plan.before,
	                     .before = plan.before,
	                     .after = plan.after,
	                     .cpuid = plan.cpuid};
	/* A page is written at a time when it is put back. */
	if ((out->begin ^ (out->begin + PATCH_JUMP - 1)) & PAGE_MASK)
		return false;
	memcpy(out->original, text + out->begin, site_span(out));
	return true;
}

/* A slot for the site of a new copy, which is written there; -1: there is none left. */
static int slot_take(const struct site *s)
{
	struct slot_id id = {.shared = true};
	lock_acquire(&text_lock);
	while (id.index < SHARED_PATCH_MAX && slot_copies[id.index])
		id.index++;
	if (id.index < SHARED_PATCH_MAX) {
		slot_copies[id.index] = 1;
		slots_used++;
	}
	lock_release(&text_lock);
	if (id.index == SHARED_PATCH_MAX)
		return -1;
	slot_write(tables, tables + SHARED_PATCH_TABLE_SIZE, id, s);
	return (int)id.index;
}

/* Adds the site of a call, or a CPUID, to c, if it is one. */
static void copy_add(struct text_copy *c, const u8 *text, u64 len, u32 call)
{
	struct site s;
	int index;
	if (!site_plan(text, len, call, &s))
		return;
	for (unsigned i = 0; i < c->sites; i++)
		if (collide(&c->site[i].site, &s))
			return;
	index = slot_take(&s);
	if (index >= 0)
		c->site[c->sites++] = (struct shared_site){s, (unsigned)index};
}

/* The file with this content, for good. */
static int sealed_file(const u8 *bytes, u64 n)
{
	int fd = host_memfd("moat-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	u64 done = 0;
	while (fd >= 0 && done < n) {
		ssize_t put = host_pwrite(fd, bytes + done, n - done, done);
		if (put <= 0)
			break;
		done += (u64)put;
	}
	if (fd >= 0 &&
	    (done < n || fcntl(fd, F_ADD_SEALS,
	                       F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

struct copy_job {
	const struct text_key *key;
	int fd;
	bool loader;
	const struct text_copy *before; /* or NULL */
	u32 call[NOTED_MAX];            /* of new ones */
	unsigned calls;
	struct text_copy *copy;
};

static void cpuids_add(struct text_copy *c, const u8 *text, u64 len)
{
	static const u8 cpuid[] = {0x0f, 0xa2};
	unsigned most = c->sites + CPUIDS_MAX;
	const u8 *end = text + len;
	for (const u8 *p = text; c->sites < most && (p = memmem(p, (size_t)(end - p), cpuid, 2));
	     p++)
		copy_add(c, text, len, (u32)(p - text));
	cpuid_answers_fill();
}

/* The slots of the copy before are this one's, too. */
static void slots_keep(const struct text_copy *c)
{
	lock_guard(&text_lock);
	for (unsigned i = 0; i < c->sites; i++)
		slot_copies[c->site[i].index]++;
}

static void sites_fill(struct copy_job *j, u8 *text, struct text_copy *c)
{
	if (j->before) {
		memcpy(c->site, j->before->site, j->before->sites * sizeof(c->site[0]));
		c->sites = j->before->sites;
		slots_keep(c);
	}
	/* Those that are planned see the text as it was. */
	for (unsigned i = 0; i < j->calls; i++)
		copy_add(c, text, j->key->len, j->call[i]);
	if (j->loader && !j->before)
		cpuids_add(c, text, j->key->len);
	for (unsigned i = 0; i < c->sites; i++)
		patch_jump(text + c->site[i].site.begin, (struct slot_id){true, c->site[i].index});
}

/* One that has come to nothing. */
static void copy_discard(struct text_copy *c)
{
	lock_acquire(&text_lock);
	slot_drop(c);
	lock_release(&text_lock);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Job of the blocking pool: the file may have to come from a disk. */
static s64 copy_make(void *arg)
{
	struct copy_job *j = arg;
	u64 len = j->key->len, want = min_of(len, j->key->size - j->key->off), got = 0;
	unsigned room = j->calls + (j->before ? j->before->sites : CPUIDS_MAX);
	struct text_copy *c = calloc(1, sizeof(*c) + room * sizeof(c->site[0]));
	u8 *text = calloc(1, len);
	if (c)
		c->fd = -1;
	while (c && text && got < want) {
		ssize_t n = host_pread(j->fd, text + got, want - got, j->key->off + got);
		if (n <= 0)
			break;
		got += (u64)n;
	}
	if (c && text && got == want) {
		sites_fill(j, text, c);
		c->bytes = len;
		c->users = 1;
		if (c->sites)
			c->fd = sealed_file(text, len);
	}
	free(text);
	if (c && c->users && c->fd >= 0)
		j->copy = c;
	else if (c)
		copy_discard(c);
	return 0;
}

/* Makes f's next copy. f stays, and is busy. */
static void copy_renew(struct text_file *f, struct copy_job *j)
{
	struct text_copy *old = NULL;
	struct text_key now;
	(void)blocking_call(copy_make, j);
	/* Changed while it was read? */
	if (j->copy && (!text_key_of(j->fd, j->key->off, j->key->len, &now) ||
	                memcmp(&now, j->key, sizeof(now)) != 0)) {
		copy_discard(j->copy);
		j->copy = NULL;
	}
	lock_acquire(&text_lock);
	f->busy = false;
	if (j->copy) {
		old = f->copy;
		f->copy = j->copy;
	} else {
		copy_bytes -= f->key.len;
	}
	lock_release(&text_lock);
	if (old)
		text_copy_put(old);
}

/* Takes what is new, and the room for the copy. text_lock held. */
static void job_begin(struct text_file *f, int fd, struct copy_job *j)
{
	j->key = &f->key;
	j->fd = fd;
	j->before = f->copy;
	for (unsigned i = 0; i < f->notes; i++)
		if (!f->noted[i].seen) {
			j->call[j->calls++] = f->noted[i].call;
			f->noted[i].seen = true;
		}
	f->traps = 0;
	f->busy = true;
	copy_bytes += f->key.len;
}

struct text_copy *text_copy_get(const struct text_key *key, int fd, bool loader)
{
	struct gone gone = SLIST_HEAD_INITIALIZER(gone);
	struct copy_job job = {.loader = loader};
	struct text_copy *c;
	struct text_file *f;
	lock_acquire(&text_lock);
	f = file_find(key);
	if (f)
		f->used = ++use_clock;
	if (f && !f->busy && pays(f) && make_room(f, &gone))
		job_begin(f, fd, &job);
	lock_release(&text_lock);
	copies_free(&gone);
	/* While it is busy nobody else replaces the copy before, nor takes its place. */
	if (job.calls)
		copy_renew(f, &job);
	lock_guard(&text_lock);
	/* It may be another file's by now. */
	c = f && memcmp(&f->key, key, sizeof(*key)) == 0 ? f->copy : NULL;
	return c ? text_copy_keep(c) : NULL;
}
