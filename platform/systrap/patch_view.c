/*
 * What others see of rewritten call sites, and how these become what they were.
 *
 * A debugger that reads text, or a process that looks at another's memory, is shown the original
 * bytes. One that writes may hit a part of a jump: so whatever sites it touches are put back first.
 * The same holds for text that the guest makes writable, and for text that moves, as the way back
 * from a slot leads to where the site was. As everywhere in patch.c, a site is one only if its jump
 * is in memory.
 */
#include "platform/process_memory.h"
#include "platform/systrap/patch_internal.h"
#include <string.h>

void patch_hide(struct platform_space *space, void *buf, u64 addr, size_t n)
{
	struct patch_domain *d = atomic_load(&space->patches);
	struct site_cursor c = {0};
	u8 jump[PATCH_JUMP];
	struct slot_id id;
	struct site s;
	if (!d)
		return;
	while (site_next(d, addr, n, &c, &s, &id)) {
		u64 low = max_of(addr, s.begin), high = min_of(addr + n, s.begin + PATCH_JUMP);
		u8 *seen = (u8 *)buf + (low - addr);
		patch_jump(jump, id);
		if (memcmp(seen, jump + (low - s.begin), high - low) == 0)
			memcpy(seen, s.original + (low - s.begin), high - low);
	}
}

void patch_restore(struct platform_space *space, u64 addr, size_t n)
{
	struct patch_domain *d = atomic_load(&space->patches);
	u8 jump[PATCH_JUMP], have[PATCH_JUMP];
	struct site_cursor c = {0};
	struct slot_id id;
	struct site s;
	if (!d)
		return;
	while (site_next(d, addr, n, &c, &s, &id)) {
		patch_jump(jump, id);
		if (vm_read(space->pid, have, s.begin, PATCH_JUMP) == PATCH_JUMP &&
		    memcmp(have, jump, PATCH_JUMP) == 0)
			(void)!vm_write(space->pid, s.begin, s.original, PATCH_JUMP);
	}
}

void patch_undo(struct platform_thread *pt, u64 low, u64 high)
{
	struct systrap_thread *t = systrap_thread(pt);
	struct patch_domain *d = atomic_load(&pt->space->patches);
	u8 jump[PATCH_JUMP], have[PATCH_JUMP];
	struct site_cursor c = {0};
	struct slot_id id;
	struct site s;
	if (!d || pt->ops)
		return;
	while (site_next(d, low, high - low, &c, &s, &id)) {
		patch_jump(jump, id);
		if (vm_read(pt->space->pid, have, s.begin, PATCH_JUMP) != PATCH_JUMP ||
		    memcmp(have, jump, PATCH_JUMP) != 0)
			continue;
		atomic_fetch_add(&pt->space->patch_steps, 1);
		(void)!patch_text_write(t, s.begin, s.original);
		atomic_fetch_add(&pt->space->patch_steps, 1);
		atomic_fetch_add_explicit(&systrap_stats.undone, 1, memory_order_relaxed);
	}
}
