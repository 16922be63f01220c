/* Reading and writing: rights, positions, limits, holes, waiting. */
#include "vfs_fixture.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/fiber.h"
#include "base/sched.h"

TestSuite(file, .init = world_begin, .fini = world_end);

Test(file, rights_and_kinds)
{
	struct file *r = must_open("f", O_CREAT | O_RDONLY), *w = must_open("f", O_WRONLY);
	struct file *p = must_open("f", O_PATH), *d = must_open("/", O_RDONLY);
	char c;

	fails(EBADF, write_str(r, "x"));
	fails(EBADF, pread_buf(w, &c, 1, 0));
	fails(EBADF, pread_buf(p, &c, 1, 0));
	fails(EBADF, write_str(p, "x"));
	fails(EBADF, file_seek(p, 0, SEEK_SET));
	fails(EISDIR, pread_buf(d, &c, 1, 0));
	fails(EBADF, write_str(d, "x"));
	fails(EINVAL, vfs_ftruncate(r, 0));
	fails(EINVAL, vfs_ftruncate(d, 0));
	fails(EBADF, vfs_ftruncate(p, 0));
	fails(EINVAL, pread_buf(r, &c, 1, 1ULL << 63));
	cr_assert_eq(pread_buf(r, &c, 0, 0), 0);
	file_put(r);
	file_put(w);
	file_put(p);
	file_put(d);
}

static const struct file_ops bare_ops;

Test(file, there_are_no_more_than_allowed)
{
	u64 before = file_count();
	struct file *a = must_open("f", O_CREAT | O_RDWR), *b, *anon;

	cr_assert_eq(file_count(), before + 1);
	file_limit_set(before + 2);
	b = must_open("f", O_RDONLY);
	fails(ENFILE, open_at("f", O_PATH, 0, &anon));
	fails(ENFILE, file_create_anon(&bare_ops, NULL, O_RDWR, 0600, &anon));
	file_put(b);
	/* A place that is free again. */
	b = must_open("f", O_PATH);
	/* Who stands behind another takes none. */
	cr_assert_eq(file_create_uncounted(a->path, a->inode, O_RDONLY, &anon), 0);
	cr_assert_eq(file_count(), before + 2);
	file_put(anon);
	file_put(a);
	file_put(b);
	cr_assert_eq(file_count(), before);
	file_limit_set(~0ULL);
}

Test(file, positions)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR);
	char buf[16];
	struct uio u;

	cr_assert_eq(write_str(f, "hello"), 5);
	cr_assert_eq(write_str(f, " world"), 6);
	cr_assert_eq(file_seek(f, 0, SEEK_CUR), 11);
	cr_assert_eq(file_seek(f, -5, SEEK_END), 6);
	uio_init_kernel(&u, buf, sizeof(buf));
	cr_assert_eq(file_read(f, &u), 5);
	cr_assert_eq(memcmp(buf, "world", 5), 0);
	cr_assert_eq(file_read(f, &u), 0);
	fails(EINVAL, file_seek(f, -1, SEEK_SET));
	fails(EINVAL, file_seek(f, -100, SEEK_CUR));
	fails(EINVAL, file_seek(f, 0, 9));
	cr_assert_eq(file_seek(f, 1LL << 40, SEEK_SET), 1LL << 40);
	fails(EINVAL, file_seek(f, INT64_MAX, SEEK_CUR));
	cr_assert_eq(pwrite_buf(f, "HE", 2, 0), 2);
	cr_assert_eq(pread_buf(f, buf, 16, 0), 11);
	cr_assert_eq(memcmp(buf, "HEllo", 5), 0);
	file_put(f);
}

Test(file, append)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR | O_APPEND);
	struct file *g = must_open("f", O_RDWR);

	cr_assert_eq(write_str(f, "abc"), 3);
	cr_assert_eq(pwrite_buf(g, "defgh", 5, 3), 5);
	cr_assert_eq(file_seek(f, 0, SEEK_SET), 0);
	cr_assert_eq(write_str(f, "i"), 1);
	cr_assert_eq(file_seek(f, 0, SEEK_CUR), 9);
	/* pwrite(2), BUGS */
	cr_assert_eq(pwrite_buf(f, "j", 1, 0), 1);
	cr_assert_eq(stat_of("f").size, 10);
	file_put(f);
	file_put(g);
}

static int raised;

static void note_signal(struct caller *c unused_arg, int sig)
{
	raised = sig;
}

Test(file, size_limit)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR);
	void (*raise)(struct caller *, int) = caller()->raise;

	caller()->raise = note_signal;
	caller()->fsize_limit = 10;
	cr_assert_eq(write_str(f, "0123456789abc"), 10);
	cr_assert_eq(raised, 0);
	fails(EFBIG, write_str(f, "x"));
	cr_assert_eq(raised, SIGXFSZ);
	raised = 0;
	fails(EFBIG, vfs_ftruncate(f, 11));
	cr_assert_eq(raised, SIGXFSZ);
	raised = 0;
	fails(EFBIG, file_fallocate(f, 0, 0, 11));
	cr_assert_eq(raised, SIGXFSZ);
	ok(vfs_ftruncate(f, 9));
	cr_assert_eq(pwrite_buf(f, "yz", 2, 9), 1);
	cr_assert_eq(pwrite_buf(f, "", 0, 100), 0);
	caller()->raise = raise;
	caller()->fsize_limit = ~0ULL;
	fails(EFBIG, pwrite_buf(f, "x", 1, INT64_MAX));
	file_put(f);
}

/* A stream of one byte, for what blocks. */
struct slot {
	struct waitq waitq;
	_Atomic int value; /* -1: empty */
};

static ssize_t slot_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct slot *s = f->priv;
	char c = (char)atomic_load(&s->value);

	if (atomic_load(&s->value) < 0)
		return -EAGAIN;
	atomic_store(&s->value, -1);
	waitq_wake(&s->waitq, EPOLLOUT);
	return uio_write(dst, &c, 1);
}

static ssize_t slot_write(struct file *f, struct uio *src, u64 *pos unused_arg)
{
	struct slot *s = f->priv;
	char c;
	ssize_t n;

	if (atomic_load(&s->value) >= 0)
		return -EAGAIN;
	n = uio_read(src, &c, 1);
	atomic_store(&s->value, c);
	waitq_wake(&s->waitq, EPOLLIN);
	return n;
}

static u32 slot_ready(struct file *f)
{
	struct slot *s = f->priv;

	return atomic_load(&s->value) < 0 ? EPOLLOUT : EPOLLIN;
}

static struct waitq *slot_waitq(struct file *f)
{
	return &((struct slot *)f->priv)->waitq;
}

static u64 slot_timeout(struct file *f unused_arg, bool write)
{
	return write ? NO_DEADLINE : 1000000;
}

static const struct file_ops slot_ops = {
    .read = slot_read, .write = slot_write, .ready = slot_ready, .waitq = slot_waitq};
static const struct file_ops timed_slot_ops = {
    .read = slot_read, .ready = slot_ready, .waitq = slot_waitq, .io_timeout = slot_timeout};

static struct file *slot_file;
static char received[32];
static ssize_t sent, got;

static void sender(void *arg unused_arg)
{
	sent = write_str(slot_file, "twelve bytes");
}

static void receiver(void *arg unused_arg)
{
	struct uio u;

	/* A read gives what there is; the write goes on until all is gone. */
	for (ssize_t n; got < 12; got += n) {
		uio_init_kernel(&u, received + got, 12);
		n = file_read(slot_file, &u);
		if (n <= 0)
			break;
	}
}

static struct fiber *start(fiber_fn *fn)
{
	struct fiber *f = NULL;

	ok(fiber_create(fn, NULL, "test", caller(), &f));
	return f;
}

Test(file, blocking_streams)
{
	struct slot s = {.value = -1};
	char c;

	waitq_init(&s.waitq);
	ok(file_create_anon(&slot_ops, &s, O_RDWR | O_NONBLOCK, S_IFIFO | 0600, &slot_file));
	fails(ESPIPE, pread_buf(slot_file, &c, 1, 0));
	fails(ESPIPE, file_seek(slot_file, 0, SEEK_SET));
	{
		struct uio u;

		uio_init_kernel(&u, &c, 1);
		fails(EAGAIN, file_read(slot_file, &u));
		fails(EAGAIN, file_pread(slot_file, &u, FILE_POS_CURRENT, 0));
		fails(EOPNOTSUPP, file_pread(slot_file, &u, FILE_POS_CURRENT, 1 << 20));
		atomic_store(&slot_file->flags, O_RDWR);
		fails(EAGAIN, file_pread(slot_file, &u, FILE_POS_CURRENT, RWF_NOWAIT));
	}
	start(receiver);
	start(sender);
	sched_run_until_idle(0);
	cr_assert_eq(sent, 12);
	cr_assert_eq(got, 12);
	cr_assert_str_eq(received, "twelve bytes");
	file_put(slot_file);
	waitq_destroy(&s.waitq);
}

static void read_one(void *arg unused_arg)
{
	struct uio u;

	uio_init_kernel(&u, received, 1);
	got = file_read(slot_file, &u);
}

Test(file, signals_and_timeouts_end_a_wait)
{
	struct slot s = {.value = -1};
	struct fiber *f;

	waitq_init(&s.waitq);
	ok(file_create_anon(&slot_ops, &s, O_RDWR, S_IFIFO | 0600, &slot_file));
	f = start(read_one);
	sched_run_until_idle(0);
	fiber_interrupt(f);
	sched_run_until_idle(0);
	cr_assert_eq(got, -ERESTARTSYS);
	file_put(slot_file);
	ok(file_create_anon(&timed_slot_ops, &s, O_RDWR, S_IFIFO | 0600, &slot_file));
	start(read_one);
	sched_run_until_idle(10000000);
	cr_assert_eq(got, -EAGAIN);
	file_put(slot_file);
	waitq_destroy(&s.waitq);
}

Test(file, fallocate_arguments)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR), *r = must_open("f", O_RDONLY);

	fails(EINVAL, file_fallocate(f, 0, 0, 0));
	fails(EINVAL, file_fallocate(f, 0, ~0ULL, 1));
	fails(EOPNOTSUPP, file_fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 10));
	fails(EOPNOTSUPP, file_fallocate(f, 0x1000, 0, 10));
	fails(EOPNOTSUPP, file_fallocate(f, FALLOC_FL_ZERO_RANGE, 0, 10));
	fails(EOPNOTSUPP, file_fallocate(f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	fails(EBADF, file_fallocate(r, 0, 0, 10));
	fails(EFBIG, file_fallocate(f, 0, INT64_MAX, INT64_MAX));
	file_put(f);
	file_put(r);
}
