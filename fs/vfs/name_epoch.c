/* The word that tells of changes of names; see name_epoch.h. */
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/super.h"

static _Atomic u32 own_word;
static _Atomic u32 *epoch = &own_word;

void name_epoch_keep(_Atomic u32 *word)
{
	epoch = word ? word : &own_word;
}

u32 name_epoch(void)
{
	return atomic_load(epoch);
}

void name_epoch_end(void)
{
	atomic_fetch_add(epoch, 1);
}

void name_epoch_end_in(const struct super *sb)
{
	if (__atomic_load_n(&sb->flags, __ATOMIC_RELAXED) & SB_LASTS)
		name_epoch_end();
}
