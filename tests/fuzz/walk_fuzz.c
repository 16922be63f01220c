/*
 * Path resolution in a tree that the input makes: each step makes, removes, moves or links a name,
 * or walks to one, by names of few components, so that they meet. With RESOLVE_BENEATH and
 * RESOLVE_IN_ROOT a walk must end below where it began; nothing may be left of it all.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fs/vfs/vfs_fixture.h"

#define STEPS_MAX 40
#define NAME_MAX_ 400

static const char *const parts[] = {"a", "b", "c",   "..",    ".",  "",
                                    "/", "d", "a/b", "../..", "c/", "//"};

static void take_name(struct input *in, char name[NAME_MAX_])
{
	u8 how = input_u8(in);
	size_t n = 0;

	if (how & 0x80)
		name[n++] = '/';
	if ((how & 0x7f) == 0x7f) {
		memset(name + n, 'n', 256);
		n += 256;
	}
	for (u8 i = 0; i < how % 7; i++) {
		const char *part = parts[input_u8(in) % array_size(parts)];
		size_t len = strlen(part);

		if (i)
			name[n++] = '/';
		memcpy(name + n, part, len);
		n += len;
	}
	name[n] = 0;
}

/* Is p base, or below it? */
static bool is_below(struct path base, struct path p)
{
	struct path up;

	for (unsigned i = 0; i < 400; i++) {
		bool met = path_equal(p, base), top;

		if (!met && !inode_is_dir(dentry_inode(p.dentry)))
			met = mount_ns_base(caller()->fs->ns)->owner == NULL;
		if (met) {
			path_put(p);
			return true;
		}
		must(walk(p, "..", 0, &up) == 0);
		top = path_equal(up, p);
		path_put(p);
		p = up;
		if (top)
			break;
	}
	path_put(p);
	return false;
}

static void walk_within(struct input *in, const char *base_name, const char *name)
{
	int flags = (input_u8(in) & 1 ? WALK_BENEATH : WALK_IN_ROOT) | WALK_DIRECTORY;
	struct path base, p;

	if (walk((struct path){0}, base_name, WALK_FOLLOW | WALK_DIRECTORY, &base))
		return;
	if (walk(base, name, flags | WALK_FOLLOW, &p) == 0)
		must(is_below(base, p));
	path_put(base);
}

static int change(struct input *in, u8 what, const char *a, const char *b)
{
	struct path p;
	int err;

	switch (what) {
	case 0:
		return vfs_mkdir(HERE, a, 0755);
	case 1:
		return vfs_symlink(b, HERE, a);
	case 2:
		return try_open(a, O_CREAT | O_RDWR);
	case 3:
		return vfs_unlink(HERE, a);
	case 4:
		return vfs_rmdir(HERE, a);
	case 5:
		return vfs_rename(HERE, a, HERE, b, input_u8(in) % 8);
	case 6:
		err = walk(HERE, a, 0, &p);
		if (err)
			return err;
		err = vfs_link(p, HERE, b);
		path_put(p);
		return err;
	default:
		return try_walk(a, input_u8(in));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	char a[NAME_MAX_], b[NAME_MAX_];

	world_begin();
	for (unsigned i = 0; i < STEPS_MAX && in.n; i++) {
		u8 what = input_u8(&in) % 10;
		int err;

		take_name(&in, a);
		take_name(&in, b);
		if (what >= 8) {
			walk_within(&in, a, b);
			continue;
		}
		err = change(&in, what, a, b);
		must(err <= 0 && err > -134);
	}
	world_end();
	return 0;
}
