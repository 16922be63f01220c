/* The name epoch: what ends it, what does not, and which walks it is all there is to. */
#include "vfs_fixture.h"
#include "fs/pseudo/pseudo.h"
#include "fs/vfs/name_epoch.h"

TestSuite(name_epoch, .init = world_begin, .fini = world_end);

#define ENDS(call)                                                                                 \
	do {                                                                                       \
		u32 before_ = name_epoch();                                                        \
		ok(call);                                                                          \
		cr_assert_neq(name_epoch(), before_, #call);                                       \
	} while (0)
#define LEAVES(call)                                                                               \
	do {                                                                                       \
		u32 before_ = name_epoch();                                                        \
		(void)!(call);                                                                     \
		cr_assert_eq(name_epoch(), before_, #call);                                        \
	} while (0)

static int utimes_name(const char *name)
{
	struct path p = must_walk(name, 0);
	int err = vfs_utimes(p, NULL);

	path_put(p);
	return err;
}

Test(name_epoch, ends_when_names_change)
{
	ENDS(vfs_mkdir(HERE, "d", 0755));
	ENDS(try_open("f", O_CREAT | O_WRONLY));
	ENDS(vfs_symlink("f", HERE, "l"));
	ENDS(vfs_rename(HERE, "f", HERE, "d/f", 0));
	ENDS(vfs_mkdir(HERE, "e", 0755));
	ENDS(vfs_rename(HERE, "d", HERE, "e", RENAME_EXCHANGE));
	ENDS(chmod_name("e/f", 0600));
	ENDS(mount_tmpfs("d", "", 0));
	ENDS(umount_name("d", 0));
	ENDS(vfs_unlink(HERE, "e/f"));
	ENDS(vfs_rmdir(HERE, "e"));
	ENDS(vfs_unlink(HERE, "l"));
}

Test(name_epoch, lasts_while_files_are_used)
{
	touch("f");
	ok(vfs_mkdir(HERE, "d", 0755));
	try_walk("new", 0);
	LEAVES(try_walk("new", 0));
	LEAVES(try_walk("f/x", 0));
	LEAVES(try_walk("d/never/seen", 0));
	LEAVES(try_open("f", O_RDWR | O_TRUNC));
	LEAVES(vfs_mkdir(HERE, "d", 0755));
	LEAVES(vfs_unlink(HERE, "nothing"));
	LEAVES(utimes_name("f"));
}

static bool lasts(const char *name, int flags)
{
	caller()->walk_lasts = false;
	try_walk(name, flags);
	return caller()->walk_lasts;
}

static const struct pseudo_node proc_root = {.mode = S_IFDIR | 0555};

Test(name_epoch, is_all_that_decides_most_walks)
{
	struct super *sb;
	struct path at;

	touch("f");
	ok(vfs_mkdir(HERE, "d", 0755));
	ok(vfs_mkdir(HERE, "told", 0755));
	ok(vfs_mkdir(HERE, "asks", 0755));
	ok(vfs_symlink("/d", HERE, "l"));
	ok(mount_tmpfs("told", "", 0));
	ok(pseudo_mount(&proc_root, "proc", "proc", 0x1234, 0, &sb));
	at = must_walk("asks", 0);
	ok(mount_attach(caller()->fs->ns, at, sb, 0));
	path_put(at);
	super_put(sb);
	/* Twice each: as seen for the first time, and as the cache knows it. */
	for (int i = 0; i < 2; i++) {
		cr_assert(lasts("/", 0));
		cr_assert(lasts("/f", 0));
		cr_assert(lasts("/none", 0));
		cr_assert(lasts("/d/none/none", 0));
		cr_assert(lasts("/f/none", 0));
		cr_assert(lasts("/told", 0));
		cr_assert(lasts("/told/none", 0));
		cr_assert(lasts("/l", 0), "the link itself");
		cr_assert(!lasts("/l", WALK_FOLLOW), "following it leaves a time");
		cr_assert(!lasts("/l/none", 0));
		cr_assert(!lasts("f", 0), "depends on where the caller stands");
		cr_assert(!lasts("/asks", 0));
		cr_assert(!lasts("/asks/none", 0));
		cr_assert(!lasts("/asks/../f", 0));
	}
	ok(umount_name("asks", 0));
	ok(umount_name("told", 0));
}

Test(name_epoch, is_kept_where_others_see_it)
{
	_Atomic u32 word = 7;

	name_epoch_keep(&word);
	cr_assert_eq(name_epoch(), 7);
	ok(vfs_mkdir(HERE, "d", 0755));
	cr_assert_neq(atomic_load(&word), 7);
	name_epoch_keep(NULL);
	word = 0;
	ok(vfs_rmdir(HERE, "d"));
	cr_assert_eq(atomic_load(&word), 0);
}
