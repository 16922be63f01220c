/*
 * The file system types that mount(2) knows, as /proc/filesystems lists them.
 * Filled at startup by whoever assembles the sentry, read-only afterwards.
 */
#include <string.h>
#include "base/bug.h"
#include "fs/vfs/super.h"

#define TYPES_MAX 32

static const struct fs_type *types[TYPES_MAX];
static size_t count;

void fs_type_register(const struct fs_type *type)
{
	if (fs_type_find(type->name))
		return;
	BUG_ON(count == TYPES_MAX);
	types[count++] = type;
}

const struct fs_type *fs_type_find(const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	}
	return NULL;
}

void fs_type_each(void (*fn)(const struct fs_type *t, void *arg), void *arg)
{
	for (size_t i = 0; i < count; i++)
		fn(types[i], arg);
}
