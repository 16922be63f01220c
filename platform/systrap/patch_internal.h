/* What patch.c, which rewrites, patch_view.c, which hides it, and patch_text.c, which maps text
 * that is rewritten already, share. */
#pragma once
#include "platform/systrap/systrap.h"
#include "platform/systrap/text.h"

#define COUNTERS   256 /* sites that are counted at a time; a power of two */
#define SITES_MAX  1500
#define SITES_HASH 4096

/* What is needed once a site is rewritten. */
struct pool {
	int fd;
	u8 *memory; /* words, then slots */
	unsigned sites;
	struct site site[SITES_MAX];
	u16 by_call[SITES_HASH]; /* index + 1 by the address of the call; open addressing */
};

/* Text of a file that nobody can change, mapped at addr for executing. */
struct mapped_text {
	struct text_key key;
	u64 addr;
	struct text_copy *copy; /* what is mapped instead, or NULL: the file itself */
	struct text_file *file; /* text_note's */
};

struct patch_domain {
	_Atomic u32 spaces;
	struct lock lock;
	struct pool *pool; /* guarded by lock; once set, it stays */
	struct {
		u64 call;
		u32 traps;
	} counter[COUNTERS];      /* guarded by lock; a site that collides takes the place */
	struct mapped_text *text; /* guarded by lock, as are these */
	unsigned texts, texts_room;
};

/* ---- patch_slot.c -------------------------------------------------------- */

/* In a slot, from the end of what moved from before the call: the way into the stub, with the call
 * that traps if need be. */
#define GLUE_SIZE 22

/* A site's place among its kind. */
struct slot_id {
	bool shared; /* by all stubs */
	unsigned index;
};

static inline u64 site_call(const struct site *s)
{
	return s->begin + s->before;
}

/* Where the slot goes on in the text. */
static inline u64 site_back(const struct site *s)
{
	return site_call(s) + 2 + s->after;
}

/* What moves, and what else the jump takes the place of: padding behind a return. */
static inline u64 site_span(const struct site *s)
{
	return max_of(site_back(s) - s->begin, (u64)PATCH_JUMP);
}

void patch_jump(u8 jump[PATCH_JUMP], struct slot_id id);
/* words, slots: the sentry's mappings of the tables of this kind. */
void slot_write(u8 *words, u8 *slots, struct slot_id id, const struct site *s);
u64 slot_address(struct slot_id id);
/* False if rip is in no slot. */
bool slot_at(u64 rip, struct slot_id *id, u64 *offset);
/* The original code's address for an offset in s's slot, and for an original one that in the slot.
 */
u64 slot_to_original(const struct site *s, u64 offset);
u64 slot_from_original(const struct site *s, struct slot_id id, u64 rip);

/* ---- patch.c ------------------------------------------------------------- */

/* The space's domain, made if it has none; NULL: out of memory. */
struct patch_domain *domain_of(struct platform_space *s);
/*
 * Writes to text of t's space, in one page; by t, whose space's patch_steps must be odd. True if
 * the bytes are in memory. The page is executable again in any case, or the space dies.
 */
must_check bool patch_text_write(struct systrap_thread *t, u64 begin, const u8 bytes[PATCH_JUMP]);

/* ---- patch_site.c -------------------------------------------------------- */

/* How far a walk over a domain's sites has come; starts as zeroes. */
struct site_cursor {
	unsigned own, text, in_text;
};

/*
 * The next site whose jump overlaps [addr, addr + n), as far as is known: whether it is there, the
 * memory says. False: no more.
 */
must_check bool site_next(struct patch_domain *d, u64 addr, u64 n, struct site_cursor *c,
                          struct site *out, struct slot_id *id);
/* The site whose slot this is; false if there is none. */
must_check bool site_of_slot(struct patch_domain *d, struct slot_id id, struct site *out);

/* ---- patch_text.c -------------------------------------------------------- */

/* A call has trapped there: if it is of a file's text, the file's later mappings shall know. */
void patch_text_note(struct patch_domain *d, u64 call);
void patch_text_forget(struct patch_domain *d);
