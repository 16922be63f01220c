/*
 * Mappings of text that is rewritten already. When a file that nobody can change is mapped for
 * executing, and call instructions in it have trapped before, in whichever process, then
 * its stub is given a copy of the text to map in place of the file (text.c). In the guest's own
 * map it is the file.
 *
 * The copy is the same for all, and so are the words and the slots that its jumps go by; where
 * a slot goes on depends on where the text lies, so that is a word in the stub's own memory,
 * which forks inherit with the text. So one process can have a text in one place only: another
 * mapping of it is of the file. A domain, whose processes may differ in what they have unmapped,
 * never takes a text for gone.
 */
#include "platform/process_memory.h"
#include "platform/systrap/patch_internal.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What a domain remembers; what comes after that is mapped as it is. */
#define TEXTS_MAX 128

void patch_text_forget(struct patch_domain *d)
{
	for (unsigned i = 0; i < d->texts; i++)
		if (d->text[i].copy)
			text_copy_put(d->text[i].copy);
	free(d->text);
	d->text = NULL;
	d->texts = d->texts_room = 0;
}

void patch_text_note(struct patch_domain *d, u64 call)
{
	lock_guard(&d->lock);
	/* The latest first: it may lie where another was. */
	for (unsigned i = d->texts; i-- > 0;) {
		struct mapped_text *m = &d->text[i];
		if (call - m->addr < m->key.len) {
			text_note(&m->key, (u32)(call - m->addr), &m->file);
			return;
		}
	}
}

/* Room for one more; false if there is none. d->lock held. */
static bool make_room(struct patch_domain *d)
{
	unsigned room = max_of(2 * d->texts_room, 4u);
	struct mapped_text *text;
	if (d->texts < d->texts_room)
		return true;
	if (d->texts == TEXTS_MAX || !(text = realloc(d->text, room * sizeof(*text))))
		return false;
	d->text = text;
	d->texts_room = room;
	return true;
}

static bool overlaps(const struct mapped_text *m, u64 addr, u64 n)
{
	return m->addr < addr + n && m->addr + m->key.len > addr;
}

/* The entry for this text: its copy's, if one is mapped; one of its own, if it lies at addr. */
static struct mapped_text *entry_of(struct patch_domain *d, const struct text_key *key, u64 addr)
{
	struct mapped_text *m, *gone = NULL;
	for (m = d->text; m < d->text + d->texts; m++) {
		if (memcmp(&m->key, key, sizeof(*key)) == 0 && (m->copy || m->addr == addr))
			return m;
		if (!m->copy && overlaps(m, addr, key->len))
			gone = m;
	}
	if (!gone && make_room(d))
		gone = &d->text[d->texts++];
	if (gone)
		*gone = (struct mapped_text){.key = *key, .addr = addr};
	return gone;
}

/*
 * Enters a mapping at addr. True if it can be of a copy, which is the domain's from then on: *copy,
 * or the one that it has had in this place before.
 */
static bool enter(struct patch_domain *d, const struct text_key *key, u64 addr,
                  struct text_copy **copy)
{
	struct mapped_text *m;
	lock_guard(&d->lock);
	m = entry_of(d, key, addr);
	if (!m || m->addr != addr || !*copy)
		return false;
	if (!m->copy)
		m->copy = text_copy_keep(*copy);
	if (m->copy != *copy) {
		text_copy_put(*copy);
		*copy = text_copy_keep(m->copy);
	}
	return true;
}

/* Where the slots go on, for a text at addr, to t's stub. */
static bool write_back_words(struct systrap_thread *t, const struct text_copy *c, u64 addr)
{
	u64 words[64];
	unsigned n;
	for (unsigned i = 0; i < c->sites; i += n) {
		unsigned first = c->site[i].index;
		size_t bytes;
		for (n = 0;
		     n < array_size(words) && i + n < c->sites && c->site[i + n].index == first + n;
		     n++)
			words[n] = addr + site_back(&c->site[i + n].site);
		bytes = n * sizeof(words[0]);
		if (vm_write(t->base.space->pid, SHARED_PATCH_BACK + (u64)first * sizeof(words[0]),
		             words, bytes) != bytes)
			return false;
	}
	return true;
}

void patch_map(struct systrap_thread *t, struct hostop *op)
{
	struct patch_domain *d;
	struct text_copy *copy;
	struct text_key key;
	if (!systrap.config->patch || !op->shareable || op->fd < 0 ||
	    op->prot != (PROT_READ | PROT_EXEC) || (op->flags & MAP_SHARED) ||
	    !text_key_of(op->fd, op->off, op->len, &key))
		return;
	d = domain_of(t->base.space);
	if (!d)
		return;
	copy = text_copy_get(&key, op->fd, op->loader);
	if (enter(d, &key, op->addr, &copy) && write_back_words(t, copy, op->addr)) {
		/* The domain's reference keeps it until it is mapped. */
		op->fd = copy->fd;
		op->off = 0;
		atomic_fetch_add_explicit(&systrap_stats.shared, 1, memory_order_relaxed);
	}
	if (copy)
		text_copy_put(copy);
}
