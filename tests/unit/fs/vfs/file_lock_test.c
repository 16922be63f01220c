/* Advisory locks: conflicts, splitting and merging, waiting, deadlock, release. */
#include "vfs_fixture.h"
#include <sys/file.h>
#include "base/fiber.h"
#include "base/sched.h"
#include "fs/vfs/file_lock.h"

TestSuite(file_lock, .init = world_begin, .fini = world_end);

/* Stand-ins for the fdtables of three processes. */
static int owner_a, owner_b, owner_c;

static int set(struct file *f, int cmd, void *owner, short type, s64 start, s64 len)
{
	struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return file_lock_set(f, cmd, &fl, owner);
}

/* The lock in the way of a write lock on the range: "start+len" or "". */
static const char *in_the_way(struct file *f, void *owner, s64 start, s64 len)
{
	static char buf[64];
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	ok(file_lock_get(f, F_GETLK, &fl, owner));
	if (fl.l_type == F_UNLCK)
		return "";
	snprintf(buf, sizeof(buf), "%c%lld+%lld", fl.l_type == F_WRLCK ? 'w' : 'r',
	         (long long)fl.l_start, (long long)fl.l_len);
	return buf;
}

Test(file_lock, ranges_split_and_merge)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR);

	ok(set(f, F_SETLK, &owner_a, F_WRLCK, 0, 100));
	cr_assert_str_eq(in_the_way(f, &owner_b, 0, 0), "w0+100");
	cr_assert_str_eq(in_the_way(f, &owner_a, 0, 0), "");
	ok(set(f, F_SETLK, &owner_a, F_UNLCK, 40, 20));
	cr_assert_str_eq(in_the_way(f, &owner_b, 0, 0), "w0+40");
	cr_assert_str_eq(in_the_way(f, &owner_b, 40, 20), "");
	cr_assert_str_eq(in_the_way(f, &owner_b, 50, 0), "w60+40");
	ok(set(f, F_SETLK, &owner_b, F_WRLCK, 40, 20));
	fails(EAGAIN, set(f, F_SETLK, &owner_b, F_RDLCK, 39, 1));
	ok(set(f, F_SETLK, &owner_b, F_UNLCK, 0, 0));
	ok(set(f, F_SETLK, &owner_a, F_RDLCK, 40, 20));
	cr_assert_str_eq(in_the_way(f, &owner_b, 40, 1), "r40+20");
	ok(set(f, F_SETLK, &owner_b, F_RDLCK, 45, 5));
	fails(EAGAIN, set(f, F_SETLK, &owner_a, F_WRLCK, 40, 20));
	ok(set(f, F_SETLK, &owner_b, F_UNLCK, 0, 0));
	ok(set(f, F_SETLK, &owner_a, F_WRLCK, 40, 20));
	cr_assert_str_eq(in_the_way(f, &owner_b, 0, 0), "w0+100");
	ok(set(f, F_SETLK, &owner_a, F_WRLCK, 100, 0));
	cr_assert_str_eq(in_the_way(f, &owner_b, 0, 0), "w0+0");
	ok(set(f, F_SETLK, &owner_a, F_UNLCK, 0, 0));
	file_put(f);
}

Test(file_lock, arguments)
{
	struct file *r = must_open("f", O_CREAT | O_RDONLY), *w = must_open("f", O_WRONLY);
	struct flock fl = {.l_type = F_UNLCK};

	fails(EBADF, set(r, F_SETLK, &owner_a, F_WRLCK, 0, 1));
	fails(EBADF, set(w, F_SETLK, &owner_a, F_RDLCK, 0, 1));
	fails(EINVAL, set(w, F_SETLK, &owner_a, 7, 0, 1));
	fails(EINVAL, set(w, F_SETLK, &owner_a, F_WRLCK, -1, 1));
	fails(EINVAL, set(w, F_SETLK, &owner_a, F_WRLCK, 5, -6));
	fails(EOVERFLOW, set(w, F_SETLK, &owner_a, F_WRLCK, INT64_MAX, 2));
	ok(set(w, F_SETLK, &owner_a, F_WRLCK, 5, -5));
	cr_assert_str_eq(in_the_way(w, &owner_b, 0, 0), "w0+5");
	fails(EINVAL, file_lock_get(w, F_GETLK, &fl, &owner_a));
	fl = (struct flock){.l_type = F_WRLCK, .l_pid = 1};
	fails(EINVAL, file_lock_set(w, F_OFD_SETLK, &fl, NULL));
	fails(EINVAL, file_flock(r, LOCK_SH | LOCK_EX));
	fails(EINVAL, file_flock(r, 0));
	fails(EINVAL, file_lease_set(r, 55));
	fails(EAGAIN, file_lease_set(r, F_UNLCK));
	fails(EINVAL, file_lease_set(r, F_RDLCK));
	cr_assert_eq(file_lease_get(r), F_UNLCK);
	file_locks_release_posix(w, &owner_a);
	cr_assert_str_eq(in_the_way(w, &owner_b, 0, 0), "");
	file_put(r);
	file_put(w);
}

Test(file_lock, ofd_locks_belong_to_the_file)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR), *g = must_open("f", O_RDWR);
	struct flock fl = {.l_type = F_WRLCK};

	ok(set(f, F_OFD_SETLK, &owner_a, F_WRLCK, 0, 10));
	fails(EAGAIN, set(g, F_OFD_SETLK, &owner_a, F_WRLCK, 0, 10));
	fails(EAGAIN, set(g, F_SETLK, &owner_a, F_RDLCK, 0, 10));
	ok(file_lock_get(g, F_GETLK, &fl, &owner_a));
	cr_assert_eq(fl.l_pid, -1);
	file_put(f);
	ok(set(g, F_SETLK, &owner_a, F_RDLCK, 0, 10));
	/* Closing a descriptor of the file ends them, whichever it is. */
	cr_assert_eq(fdtable_install(caller()->files, file_get(g), 0, 10, false), 0);
	ok(set(g, F_SETLK, caller()->files, F_WRLCK, 20, 10));
	cr_assert_str_eq(in_the_way(g, &owner_b, 20, 10), "w20+10");
	ok(fdtable_close(caller()->files, 0));
	cr_assert_str_eq(in_the_way(g, &owner_b, 20, 10), "");
	file_locks_release_posix(g, &owner_a);
	file_put(g);
}

Test(file_lock, flock)
{
	struct file *f = must_open("f", O_CREAT | O_RDONLY), *g = must_open("f", O_RDONLY);

	ok(file_flock(f, LOCK_SH));
	ok(file_flock(g, LOCK_SH | LOCK_NB));
	fails(EAGAIN, file_flock(g, LOCK_EX | LOCK_NB));
	/* The failed conversion has lost the shared lock. */
	ok(file_flock(f, LOCK_EX | LOCK_NB));
	fails(EAGAIN, file_flock(g, LOCK_SH | LOCK_NB));
	/* Record locks are another world. */
	ok(set(g, F_SETLK, &owner_a, F_RDLCK, 0, 0));
	ok(file_flock(f, LOCK_UN));
	ok(file_flock(g, LOCK_EX | LOCK_NB));
	file_locks_release_posix(g, &owner_a);
	file_put(g);
	ok(file_flock(f, LOCK_EX | LOCK_NB));
	file_put(f);
}

/* A fiber that locks on behalf of an owner. */
struct locker {
	struct file *file;
	void *owner;
	s64 start;
	int result;
	struct fiber *fiber;
};

static void lock_and_wait(void *arg)
{
	struct locker *l = arg;

	l->result = 1;
	l->result = set(l->file, F_SETLKW, l->owner, F_WRLCK, l->start, 1);
}

static void start(struct locker *l)
{
	ok(fiber_create(lock_and_wait, l, "locker", caller(), &l->fiber));
	sched_run_until_idle(0);
}

static void count_waiting(const struct file_lock_info *info, void *arg)
{
	cr_assert_neq(info->ino, 0);
	++((int *)arg)[info->waiting];
}

Test(file_lock, waits_and_deadlocks)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR);
	struct locker a = {.file = f, .owner = &owner_a, .start = 1};
	struct locker b = {.file = f, .owner = &owner_b, .start = 2};
	struct locker c = {.file = f, .owner = &owner_c, .start = 0};
	int seen[2] = {0, 0};

	/* a has 0 and wants 1, b has 1 and wants 2, c has 2 and wants 0. */
	ok(set(f, F_SETLK, &owner_a, F_WRLCK, 0, 1));
	ok(set(f, F_SETLK, &owner_b, F_WRLCK, 1, 1));
	ok(set(f, F_SETLK, &owner_c, F_WRLCK, 2, 1));
	start(&a);
	start(&b);
	cr_assert_eq(a.result, 1);
	cr_assert_eq(b.result, 1);
	file_locks_each(count_waiting, seen);
	cr_assert_eq(seen[0], 3);
	cr_assert_eq(seen[1], 2);
	start(&c);
	cr_assert_eq(c.result, -EDEADLK);
	file_locks_release_posix(f, &owner_c);
	sched_run_until_idle(0);
	cr_assert_eq(b.result, 0);
	cr_assert_eq(a.result, 1);
	fiber_interrupt(a.fiber);
	sched_run_until_idle(0);
	cr_assert_eq(a.result, -ERESTARTSYS);
	file_locks_release_posix(f, &owner_a);
	file_locks_release_posix(f, &owner_b);
	file_put(f);
}

static void flock_and_wait(void *arg)
{
	struct locker *l = arg;

	l->result = 1;
	l->result = file_flock(l->file, LOCK_EX);
}

Test(file_lock, flock_waits)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR);
	struct locker l = {.file = must_open("f", O_RDWR)};

	ok(file_flock(f, LOCK_SH));
	ok(fiber_create(flock_and_wait, &l, "flock", caller(), &l.fiber));
	sched_run_until_idle(0);
	cr_assert_eq(l.result, 1);
	file_put(f);
	sched_run_until_idle(0);
	cr_assert_eq(l.result, 0);
	file_put(l.file);
}
