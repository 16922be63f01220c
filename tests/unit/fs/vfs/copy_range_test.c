/* Copies between files: pieces, ends, limits, signals. */
#include "vfs_fixture.h"
#include "base/fiber.h"
#include "base/sched.h"
#include "fs/vfs/copy_range.h"

TestSuite(copy_range, .init = world_begin, .fini = world_end);

Test(copy_range, pieces_and_ends)
{
	struct file *in = must_open("in", O_CREAT | O_RDWR);
	struct file *out = must_open("out", O_CREAT | O_RDWR);
	static char a[200000], b[200000];
	u64 from = 10, to = 5;

	for (size_t i = 0; i < sizeof(a); i++)
		a[i] = (char)(i * 7);
	cr_assert_eq(pwrite_buf(in, a, sizeof(a), 0), sizeof(a));
	cr_assert_eq(vfs_copy(in, &from, out, &to, 150000), 150000);
	cr_assert_eq(from, 150010);
	cr_assert_eq(to, 150005);
	cr_assert_eq(vfs_copy(in, &from, out, &to, 1 << 30), 49990);
	cr_assert_eq(vfs_copy(in, &from, out, &to, 1), 0);
	cr_assert_eq(vfs_copy(in, &from, out, &to, 0), 0);
	cr_assert_eq(pread_buf(out, b, sizeof(b), 5), 199990);
	cr_assert_eq(memcmp(a + 10, b, 199990), 0);
	cr_assert_eq(file_seek(in, 0, SEEK_CUR), 0);
	file_put(in);
	file_put(out);
}

Test(copy_range, short_writes_do_not_lose_bytes)
{
	struct file *in = must_open("in", O_CREAT | O_RDWR);
	struct file *out = must_open("out", O_CREAT | O_WRONLY);
	u64 from = 0, to = 0;

	cr_assert_eq(write_str(in, "0123456789"), 10);
	caller()->fsize_limit = 4;
	cr_assert_eq(vfs_copy(in, &from, out, &to, 10), 4);
	cr_assert_eq(from, 4);
	fails(EFBIG, vfs_copy(in, &from, out, &to, 10));
	cr_assert_eq(from, 4);
	caller()->fsize_limit = ~0ULL;
	fails(EBADF, vfs_copy(out, &to, in, &from, 10));
	file_put(in);
	file_put(out);
}

static struct file *src, *dst;
static ssize_t result;

static void copy(void *arg unused_arg)
{
	u64 from = 0, to = 0;

	fiber_interrupt(fiber_self());
	result = vfs_copy(src, &from, dst, &to, 10);
}

Test(copy_range, signals)
{
	struct fiber *f;

	src = must_open("in", O_CREAT | O_RDWR);
	dst = must_open("out", O_CREAT | O_RDWR);
	cr_assert_eq(write_str(src, "0123456789"), 10);
	ok(fiber_create(copy, NULL, "copy", caller(), &f));
	sched_run_until_idle(0);
	cr_assert_eq(result, -ERESTARTSYS);
	file_put(src);
	file_put(dst);
}
