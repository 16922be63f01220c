/*
 * Mount options of tmpfs: the input is the string. What is taken must be kept (its own account of
 * its options mounts again), and nothing may be left of what is refused.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fs/vfs/vfs_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char options[4096];
	struct super *sb = NULL;
	size_t n = min_of(size, sizeof(options) - 1);
	int err;

	if (n)
		memcpy(options, data, n);
	options[n] = 0;
	world_begin();
	err = tmpfs_type.mount(&tmpfs_type, "tmpfs", 0, options, &sb);
	must(err <= 0);
	if (!err)
		super_put(sb);
	world_end();
	return 0;
}
