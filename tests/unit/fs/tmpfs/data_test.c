/*
 * File data, in the sentry's pages and in a memfd: both forms must behave the
 * same, so most tests run twice, and one plays random operations against a model.
 */
#include "../vfs/vfs_fixture.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "base/sanitizer.h"
#include "base/sched.h"
#include "fs/tmpfs/tmpfs_internal.h"
#include <sys/mman.h>
#include <unistd.h>

TestSuite(data, .init = world_begin, .fini = world_end);

/* Maps f as mm does, so that its data moves to a memfd; returns the memory. */
static char *map_file(struct file *f, size_t n, bool writable)
{
	struct map_backing b;
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	char *p;

	ok(f->ops->map(f, prot, true, &b));
	p = mmap(NULL, n, prot, MAP_SHARED, b.fd, (off_t)b.off);
	cr_assert_neq(p, MAP_FAILED);
	return p;
}

static void unmap_file(struct file *f, char *p, size_t n, bool writable)
{
	munmap(p, n);
	f->ops->unmapped(f, PROT_READ | (writable ? PROT_WRITE : 0), true);
}

static struct file *fresh(bool mapped)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR | O_TRUNC);

	if (mapped)
		unmap_file(f, map_file(f, 4096, false), 4096, false);
	return f;
}

Test(data, holes)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct file *f = fresh(mapped);
		char buf[4096];

		cr_assert_eq(pwrite_buf(f, "x", 1, 10000), 1);
		cr_assert_eq(stat_of("f").size, 10001);
		cr_assert_eq(stat_of("f").blocks, 8);
		cr_assert_eq(pread_buf(f, buf, 4096, 100), 4096);
		for (int i = 0; i < 4096; i++)
			cr_assert_eq(buf[i], 0);
		cr_assert_eq(stat_of("f").blocks, 8);
		cr_assert_eq(file_seek(f, 0, SEEK_DATA), 8192);
		cr_assert_eq(file_seek(f, 9000, SEEK_DATA), 9000);
		cr_assert_eq(file_seek(f, 0, SEEK_HOLE), 0);
		cr_assert_eq(file_seek(f, 8192, SEEK_HOLE), 10001);
		fails(ENXIO, file_seek(f, 10001, SEEK_HOLE));
		fails(ENXIO, file_seek(f, -1, SEEK_DATA));
		cr_assert_eq(pwrite_buf(f, "y", 1, 0), 1);
		cr_assert_eq(file_seek(f, 0, SEEK_DATA), 0);
		cr_assert_eq(file_seek(f, 0, SEEK_HOLE), 4096);
		ok(file_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 9000));
		cr_assert_eq(stat_of("f").blocks, 8);
		cr_assert_eq(pread_buf(f, buf, 2, 9999), 2);
		cr_assert_eq(buf[1], 'x');
		ok(file_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 4096));
		cr_assert_eq(stat_of("f").blocks, 0);
		fails(ENXIO, file_seek(f, 0, SEEK_DATA));
		file_put(f);
		ok(vfs_unlink(HERE, "f"));
	}
}

Test(data, fallocate)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct file *f = fresh(mapped);

		ok(file_fallocate(f, 0, 0, 10000));
		cr_assert_eq(stat_of("f").size, 10000);
		cr_assert_eq(stat_of("f").blocks, 24);
		/* Allocated is not written. */
		fails(ENXIO, file_seek(f, 0, SEEK_DATA));
		cr_assert_eq(pwrite_buf(f, "x", 1, 5000), 1);
		cr_assert_eq(file_seek(f, 0, SEEK_DATA), 4096);
		ok(file_fallocate(f, FALLOC_FL_KEEP_SIZE, 0, 50000));
		cr_assert_eq(stat_of("f").size, 10000);
		cr_assert_eq(stat_of("f").blocks, 13 * 8);
		ok(vfs_ftruncate(f, 10000));
		cr_assert_eq(stat_of("f").blocks, 24);
		file_put(f);
		ok(vfs_unlink(HERE, "f"));
	}
}

/* ---- what takes long -------------------------------------------------------- */

#define MUCH (64UL << 20)

static struct file *large;
static int looks; /* before it is killed; negative: never */
static s64 result;
static u32 turns;
static bool over;

static bool killed(const struct caller *c unused_arg)
{
	return looks >= 0 && looks-- == 0;
}

static void allocate(void *arg unused_arg)
{
	result = file_fallocate(large, 0, 0, MUCH);
	over = true;
}

static void punch_and_cut(void *arg unused_arg)
{
	result = file_fallocate(large, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MUCH / 2);
	if (!result)
		result = vfs_ftruncate(large, 0);
	over = true;
}

static void let_go(void *arg unused_arg)
{
	file_put(large);
	result = vfs_unlink(HERE, "f");
	over = true;
}

/* The other one that wants the worker. */
static void take_turns(void *arg unused_arg)
{
	while (!over) {
		turns++;
		fiber_yield();
	}
}

static void run_beside(fiber_fn *fn)
{
	struct fiber *f;

	over = false;
	turns = 0;
	ok(fiber_create(fn, NULL, "long", caller(), &f));
	ok(fiber_create(take_turns, NULL, "other", caller(), &f));
	sched_run_until_idle(0);
	cr_assert(over);
}

Test(data, what_takes_long_lets_others_run)
{
	large = fresh(false);
	run_beside(allocate);
	cr_assert_eq(result, 0);
	cr_assert_geq(turns, 16);
	cr_assert_eq(stat_of("f").blocks, MUCH / 512);
	run_beside(punch_and_cut);
	cr_assert_eq(result, 0);
	cr_assert_geq(turns, 16);
	cr_assert_eq(stat_of("f").blocks, 0);
	run_beside(allocate);
	run_beside(let_go);
	cr_assert_eq(result, 0);
	cr_assert_geq(turns, 16);

	/* The host's own work is the blocking pool's; between steps, others. */
	large = fresh(true);
	run_beside(allocate);
	cr_assert_eq(result, 0);
	cr_assert_geq(turns, 4);
	cr_assert_eq(stat_of("f").blocks, MUCH / 512);
	file_put(large);
}

Test(data, a_killed_allocation_is_undone)
{
	caller()->killed = killed;
	for (int mapped = 0; mapped < 2; mapped++) {
		large = fresh(mapped);
		_Atomic u64 *used = &fs_of(large->inode)->used_pages;

		cr_assert_eq(atomic_load(used), 0);
		cr_assert_eq(pwrite_buf(large, "x", 1, 5000), 1);
		looks = 2;
		allocate(NULL);
		cr_assert_eq(result, -EINTR);
		cr_assert_eq(stat_of("f").size, 5001);
		cr_assert_eq(stat_of("f").blocks, 8);
		cr_assert_eq(file_seek(large, 0, SEEK_DATA), 4096);
		cr_assert_eq(atomic_load(used), 1);
		looks = -1;
		allocate(NULL);
		ok((int)result);
		cr_assert_eq(stat_of("f").blocks, MUCH / 512);
		file_put(large);
		ok(vfs_unlink(HERE, "f"));
		cr_assert_eq(atomic_load(used), 0);
	}
	caller()->killed = NULL;
}

/* Who could write to it meanwhile keeps it, whatever becomes of the call. */
Test(data, a_killed_allocation_takes_nothing_from_writers)
{
	char *p;

	caller()->killed = killed;
	large = fresh(true);
	p = map_file(large, MUCH, true);
	looks = 2;
	allocate(NULL);
	cr_assert_eq(result, -EINTR);
	cr_assert_eq(stat_of("f").size, 0);
	cr_assert_gt(stat_of("f").blocks, 0);
	unmap_file(large, p, MUCH, true);
	ok(vfs_ftruncate(large, 0));
	cr_assert_eq(stat_of("f").blocks, 0);
	file_put(large);
	caller()->killed = NULL;
}

/* Sparse. ThreadSanitizer leaves a program not always a terabyte in one piece to look at it. */
#define HUGE_SIZE (1ULL << (MOAT_TSAN ? 34 : 40))

Test(data, truncation_clears_the_tail)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct file *f = fresh(mapped);
		char buf[8192];

		memset(buf, 'x', sizeof(buf));
		cr_assert_eq(pwrite_buf(f, buf, 8192, 0), 8192);
		ok(vfs_ftruncate(f, 100));
		ok(vfs_ftruncate(f, 8192));
		cr_assert_eq(pread_buf(f, buf, 8192, 0), 8192);
		cr_assert_eq(buf[99], 'x');
		for (int i = 100; i < 8192; i++)
			cr_assert_eq(buf[i], 0);
		ok(vfs_ftruncate(f, HUGE_SIZE));
		cr_assert_eq(pread_buf(f, buf, 8192, HUGE_SIZE - 10), 10);
		ok(vfs_ftruncate(f, 0));
		cr_assert_eq(stat_of("f").blocks, 0);
		file_put(f);
		ok(vfs_unlink(HERE, "f"));
	}
}

Test(data, mappings_and_calls_see_the_same)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR);
	char buf[16], *p;

	cr_assert_eq(pwrite_buf(f, "before", 6, 0), 6);
	ok(vfs_ftruncate(f, 3 * 4096));
	p = map_file(f, 3 * 4096, true);
	cr_assert_eq(memcmp(p, "before", 6), 0);
	memcpy(p, "mapped", 6);
	memcpy(p + 8192, "far", 3);
	cr_assert_eq(pread_buf(f, buf, 6, 0), 6);
	cr_assert_eq(memcmp(buf, "mapped", 6), 0);
	cr_assert_eq(pread_buf(f, buf, 3, 8192), 3);
	cr_assert_eq(memcmp(buf, "far", 3), 0);
	cr_assert_eq(pwrite_buf(f, "call", 4, 4096), 4);
	cr_assert_eq(memcmp(p + 4096, "call", 4), 0);
	/* It grows far beyond the first view, and the old mapping stays the same memory. */
	cr_assert_eq(pwrite_buf(f, "end", 3, 10 << 20), 3);
	cr_assert_eq(pwrite_buf(f, "more", 4, 0), 4);
	cr_assert_eq(memcmp(p, "more", 4), 0);
	unmap_file(f, p, 3 * 4096, true);
	ok(f->ops->fsync(f, false));
	cr_assert_eq(stat_of("f").blocks, 4 * 8);
	file_put(f);
	cr_assert_eq(tmpfs_global_used(), 4 * 4096);
	ok(vfs_unlink(HERE, "f"));
}

Test(data, random_operations_against_a_model)
{
	enum { SIZE = 100000 };
	static char model[SIZE], buf[SIZE];
	u64 state = 88172645463325252ULL, size = 0;
	struct file *f = must_open("f", O_CREAT | O_RDWR);

	for (int round = 0; round < 4000; round++) {
		u64 off, len;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		off = state % SIZE;
		len = 1 + (state >> 20) % (state % 3 ? 5000 : 50000);
		len = min_of(len, SIZE - off);
		if (round == 2000)
			unmap_file(f, map_file(f, 4096, false), 4096, false);
		switch (state >> 40 & 7) {
		case 0:
		case 1:
		case 2:
			memset(buf, (int)round, len);
			cr_assert_eq(pwrite_buf(f, buf, len, off), (ssize_t)len);
			memset(model + off, (int)round, len);
			size = max_of(size, off + len);
			break;
		case 3:
			ok(vfs_ftruncate(f, off));
			if (off < size)
				memset(model + off, 0, size - off);
			size = off;
			break;
		case 4:
			ok(file_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len));
			if (off < size)
				memset(model + off, 0, min_of(len, size - off));
			break;
		case 5:
			ok(file_fallocate(f, 0, off, len));
			size = max_of(size, off + len);
			break;
		default: {
			ssize_t want = off < size ? (ssize_t)min_of(len, size - off) : 0;

			cr_assert_eq(pread_buf(f, buf, len, off), want);
			cr_assert_eq(memcmp(buf, model + off, (size_t)want), 0);
		}
		}
		cr_assert_eq(inode_size(f->inode), size);
	}
	file_put(f);
	ok(vfs_unlink(HERE, "f"));
}

Test(data, memfd_and_seals)
{
	struct file *f;
	struct path root = fs_context_root(caller()->fs);
	char buf[64], *p;

	fails(EINVAL, tmpfs_memfd_create("x", 0x4, &f));
	ok(tmpfs_memfd_create("x", 0, &f));
	cr_assert_str_eq(path_name(f->path, root, buf, sizeof(buf), NULL), "/memfd:x (deleted)");
	path_put(root);
	cr_assert_eq(tmpfs_seals_get(f), F_SEAL_SEAL);
	fails(EPERM, tmpfs_seals_add(f, F_SEAL_WRITE));
	cr_assert_eq(inode_mode(f->inode) & 0777, 0777);
	file_put(f);
	ok(tmpfs_memfd_create("y", MFD_ALLOW_SEALING, &f));
	cr_assert_eq(write_str(f, "hello"), 5);
	cr_assert_eq(tmpfs_seals_get(f), 0);
	fails(EINVAL, tmpfs_seals_add(f, 0x1000));
	ok(tmpfs_seals_add(f, F_SEAL_GROW));
	fails(EPERM, pwrite_buf(f, "world", 5, 1));
	fails(EPERM, vfs_ftruncate(f, 6));
	fails(EPERM, file_fallocate(f, 0, 0, 6));
	ok(tmpfs_seals_add(f, F_SEAL_SHRINK));
	fails(EPERM, vfs_ftruncate(f, 4));
	ok(vfs_ftruncate(f, 5));
	p = map_file(f, 4096, true);
	fails(EBUSY, tmpfs_seals_add(f, F_SEAL_WRITE));
	unmap_file(f, p, 4096, true);
	ok(tmpfs_seals_add(f, F_SEAL_WRITE | F_SEAL_SEAL));
	fails(EPERM, pwrite_buf(f, "j", 1, 0));
	fails(EPERM, file_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
	{
		struct map_backing b;

		fails(EPERM, f->ops->map(f, PROT_READ | PROT_WRITE, true, &b));
		ok(f->ops->map(f, PROT_READ | PROT_WRITE, false, &b));
		f->ops->unmapped(f, PROT_READ | PROT_WRITE, false);
	}
	fails(EPERM, tmpfs_seals_add(f, F_SEAL_SEAL));
	file_put(f);
	ok(tmpfs_memfd_create("z", MFD_NOEXEC_SEAL, &f));
	cr_assert_eq(tmpfs_seals_get(f), F_SEAL_EXEC);
	fails(EPERM, vfs_chmod(f->path, 0755));
	ok(vfs_chmod(f->path, 0600));
	file_put(f);
	ok(tmpfs_shm_create("SYSV00000000", 10000, 0600, &f));
	cr_assert_eq(inode_size(f->inode), 10000);
	file_put(f);
}
