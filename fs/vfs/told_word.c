/* Words that tell of changes of what others have been told; see told_word.h. */
#include "fs/vfs/told_word.h"

static _Atomic u32 *told_words;
static u32 told_mask;

void told_words_keep(_Atomic u32 *words, u32 n)
{
	told_words = words;
	told_mask = n - 1;
}

bool told_anybody(void)
{
	return told_words;
}

u32 told_mark(const void *object)
{
	return ((u32)((u64)(uintptr_t)object * 0x9e3779b97f4a7c15ULL >> 32) & told_mask) + 1;
}

struct told told_now(u32 mark)
{
	return (struct told){.word = mark - 1, .seen = atomic_load(&told_words[mark - 1])};
}

void told_move_on(u32 mark)
{
	atomic_fetch_add(&told_words[mark - 1], 1);
}
