/*
 * Which sites a domain knows: those of its own, and those of the text copies that it has mapped.
 * None need be there still, as the guest may have changed its memory since.
 */
#include "platform/systrap/patch_internal.h"

/* Of one kind: own sites from number *i on. d->lock held, as below. */
static bool own_next(const struct pool *p, u64 addr, u64 n, unsigned *i, struct site *out)
{
	for (; p && *i < p->sites; (*i)++) {
		*out = p->site[*i];
		if (out->begin < addr + n && out->begin + PATCH_JUMP > addr) {
			(*i)++;
			return true;
		}
	}
	return false;
}

static bool overlaps(const struct mapped_text *m, u64 addr, u64 n)
{
	return m->copy && m->addr < addr + n && m->addr + m->key.len > addr;
}

static void site_place(const struct mapped_text *m, const struct shared_site *from,
                       struct site *out)
{
	*out = from->site;
	out->begin += m->addr;
}

static bool text_next(const struct mapped_text *m, u64 addr, u64 n, unsigned *i, struct site *out,
                      struct slot_id *id)
{
	while (*i < m->copy->sites) {
		const struct shared_site *s = &m->copy->site[(*i)++];
		site_place(m, s, out);
		if (out->begin < addr + n && out->begin + PATCH_JUMP > addr) {
			*id = (struct slot_id){true, s->index};
			return true;
		}
	}
	return false;
}

bool site_next(struct patch_domain *d, u64 addr, u64 n, struct site_cursor *c, struct site *out,
               struct slot_id *id)
{
	lock_guard(&d->lock);
	if (own_next(d->pool, addr, n, &c->own, out)) {
		*id = (struct slot_id){false, c->own - 1};
		return true;
	}
	for (; c->text < d->texts; c->text++, c->in_text = 0)
		if (overlaps(&d->text[c->text], addr, n) &&
		    text_next(&d->text[c->text], addr, n, &c->in_text, out, id))
			return true;
	return false;
}

static bool copy_find(const struct text_copy *c, unsigned index, unsigned *at)
{
	unsigned low = 0, high = c->sites;
	while (low < high) {
		*at = low + (high - low) / 2;
		if (c->site[*at].index == index)
			return true;
		if (c->site[*at].index < index)
			low = *at + 1;
		else
			high = *at;
	}
	return false;
}

bool site_of_slot(struct patch_domain *d, struct slot_id id, struct site *out)
{
	unsigned at;
	lock_guard(&d->lock);
	if (!id.shared) {
		if (!d->pool || id.index >= d->pool->sites)
			return false;
		*out = d->pool->site[id.index];
		return true;
	}
	for (unsigned i = 0; i < d->texts; i++)
		if (d->text[i].copy && copy_find(d->text[i].copy, id.index, &at)) {
			site_place(&d->text[i], &d->text[i].copy->site[at], out);
			return true;
		}
	return false;
}
