/* Descriptor tables: lowest first, limits, flags, copies, and many hands at once. */
#include <pthread.h>
#include "vfs_fixture.h"

TestSuite(fdtable, .init = world_begin, .fini = world_end);

static struct file *some_file(void)
{
	return must_open("/f", O_CREAT | O_RDWR);
}

static int install(struct fdtable *t, u32 min, u64 limit, bool cloexec)
{
	struct file *f = some_file();
	int fd = fdtable_install(t, f, min, limit, cloexec);

	if (fd < 0)
		file_put(f);
	return fd;
}

Test(fdtable, lowest_free)
{
	struct fdtable *t = caller()->files;

	for (int i = 0; i < 200; i++)
		cr_assert_eq(install(t, 0, 1024, false), i);
	cr_assert_eq(fdtable_count(t), 200);
	ok(fdtable_close(t, 3));
	ok(fdtable_close(t, 130));
	cr_assert_eq(install(t, 4, 1024, false), 130);
	cr_assert_eq(install(t, 0, 1024, false), 3);
	cr_assert_eq(install(t, 0, 1024, false), 200);
	cr_assert_eq(install(t, 500, 1024, false), 500);
	fails(EMFILE, install(t, 0, 201, false));
	fails(EMFILE, install(t, 1024, 1024, false));
	cr_assert_eq(fdtable_next(t, 201), 500);
	cr_assert_eq(fdtable_next(t, 501), -1);
	fails(EBADF, fdtable_close(t, 300));
	fails(EBADF, fdtable_close(t, -1));
	cr_assert_null(fdtable_lookup(t, 1 << 30));
}

Test(fdtable, a_million)
{
	struct fdtable *t = caller()->files;
	struct file *f = some_file();

	cr_assert_eq(fdtable_install(t, file_get(f), FDTABLE_MAX - 1, ~0ULL, false),
	             FDTABLE_MAX - 1);
	fails(EMFILE, fdtable_install(t, f, FDTABLE_MAX, ~0ULL, false));
	for (int i = 0; i < 20000; i++)
		cr_assert_eq(fdtable_install(t, file_get(f), 0, ~0ULL, false), i);
	ok(fdtable_close_range(t, 10, ~0U, false));
	cr_assert_eq(fdtable_count(t), 10);
	file_put(f);
}

Test(fdtable, install_at)
{
	struct fdtable *t = caller()->files;
	struct file *f = some_file(), *g = some_file();

	cr_assert_eq(fdtable_install_at(t, f, 70, 1024, true), 70);
	cr_assert_eq(fdtable_get_cloexec(t, 70), 1);
	cr_assert_eq(fdtable_install_at(t, g, 70, 1024, false), 70);
	cr_assert_eq(fdtable_get_cloexec(t, 70), 0);
	cr_assert_eq(fdtable_count(t), 1);
	fails(EBADF, fdtable_install_at(t, some_file(), 1024, 1024, false));
	fails(EBADF, fdtable_install_at(t, some_file(), -1, 1024, false));
}

Test(fdtable, exec_and_ranges)
{
	struct fdtable *t = caller()->files;

	for (int i = 0; i < 10; i++)
		install(t, 0, 1024, i % 2);
	ok(fdtable_set_cloexec(t, 0, true));
	fails(EBADF, fdtable_set_cloexec(t, 10, true));
	fails(EBADF, fdtable_get_cloexec(t, 10));
	fdtable_close_on_exec(t);
	cr_assert_eq(fdtable_count(t), 4);
	cr_assert_eq(fdtable_next(t, 0), 2);
	ok(fdtable_close_range(t, 4, 7, true));
	cr_assert_eq(fdtable_get_cloexec(t, 4), 1);
	cr_assert_eq(fdtable_get_cloexec(t, 8), 0);
	fails(EINVAL, fdtable_close_range(t, 5, 4, false));
	ok(fdtable_close_range(t, 3, 1000, false));
	cr_assert_eq(fdtable_count(t), 1);
}

Test(fdtable, copies)
{
	struct fdtable *t = caller()->files, *copy;
	struct file *f = some_file();

	for (int i = 0; i < 300; i++)
		cr_assert_eq(fdtable_install(t, file_get(f), 0, 1024, i == 7), i);
	copy = fdtable_copy(t, ~0U);
	cr_assert_eq(fdtable_count(copy), 300);
	cr_assert_eq(fdtable_get_cloexec(copy, 7), 1);
	ok(fdtable_close(t, 0));
	cr_assert_eq(fdtable_count(copy), 300);
	fdtable_put(copy);
	copy = fdtable_copy(t, 5);
	cr_assert_eq(fdtable_count(copy), 4);
	fdtable_put(copy);
	cr_assert_eq(ref_count(&f->ref), 300);
	file_put(f);
}

Test(fdtable, path_files_are_hidden)
{
	struct fdtable *t = caller()->files;
	struct file *f;
	int fd = fdtable_install(t, must_open("/", O_PATH), 0, 1024, false);

	cr_assert_null(fdtable_lookup(t, fd));
	fails(EBADF, fd_get(fd, &f));
	f = fdtable_lookup_any(t, fd);
	cr_assert_not_null(f);
	file_put(f);
}

static _Atomic bool stop;

static void *use_table(void *arg)
{
	struct fdtable *t = arg;
	unsigned n = 0;

	while (!stop) {
		struct file *f = fdtable_lookup(t, (int)(n++ % 100));

		if (f)
			file_put(f);
	}
	return NULL;
}

Test(fdtable, races)
{
	struct fdtable *t = caller()->files;
	struct file *f = some_file();
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, use_table, t);
	for (int i = 0; i < 20000; i++) {
		if (fdtable_install(t, file_get(f), (u32)i % 100, 1024, false) < 0)
			file_put(f);
		if (i % 3 == 0)
			fdtable_close(t, i % 100);
		if (i % 5000 == 0)
			fdtable_close_range(t, 0, ~0U, false);
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	fdtable_close_range(t, 0, ~0U, false);
	cr_assert_eq(ref_count(&f->ref), 1);
	file_put(f);
}

/* Each way to make a descriptor another file changes the word that who was told of it looks at. */
Test(fdtable, who_was_told_learns_of_changes)
{
	static _Atomic u32 words[FDTABLE_TOLD];
	struct fdtable *t = caller()->files, *copy;
	struct file *f = some_file(), *other = some_file(), *out;
	struct fdtable_told told, other_told;
	u32 i;

	cr_assert(!fdtable_tell(t, 0, f, &told), "nobody listens");
	fdtable_tell_by(words, array_size(words));
	for (i = 0; i < 5; i++)
		cr_assert_eq(fdtable_install(t, file_get(f), 0, 1024, true), (int)i);
	cr_assert(!fdtable_tell(t, 0, other, &told));
	cr_assert(!fdtable_tell(t, 7, f, &told));
	cr_assert(!fdtable_tell(t, -1, f, &told));
	cr_assert(!fdtable_tell(t, FDTABLE_TOLD, f, &told));

#define CHANGES(what)                                                                              \
	do {                                                                                       \
		cr_assert(fdtable_tell(t, (int)i, f, &told));                                      \
		cr_assert_eq(words[told.at.word], told.at.seen);                                   \
		what;                                                                              \
		cr_assert_neq(words[told.at.word], told.at.seen);                                  \
	} while (0)
	i = 0;
	CHANGES(ok(fdtable_close(t, 0)));
	i = 1;
	CHANGES(cr_assert_eq(fdtable_install_at(t, file_get(other), 1, 1024, false), 1));
	i = 2;
	CHANGES(ok(fdtable_remove(t, 2, &out)));
	file_put(out);
	i = 3;
	CHANGES(ok(fdtable_close_range(t, 3, 3, false)));
	i = 4;
	CHANGES(fdtable_untell());
	cr_assert(told.cloexec);
	CHANGES(ok(fdtable_set_cloexec(t, 4, false)));
	cr_assert(fdtable_tell(t, 4, f, &told) && !told.cloexec);
	ok(fdtable_set_cloexec(t, 4, false));
	cr_assert_eq(words[told.at.word], told.at.seen, "nothing has changed");
	CHANGES(ok(fdtable_close_range(t, 4, 4, true)));
	CHANGES(fdtable_close_on_exec(t));

	/* What is done to a copy is no affair of this one. */
	cr_assert_eq(fdtable_install(t, file_get(f), 4, 1024, false), 4);
	cr_assert(fdtable_tell(t, 4, f, &told));
	copy = fdtable_copy(t, FDTABLE_MAX);
	ok(fdtable_close(copy, 4));
	cr_assert_eq(words[told.at.word], told.at.seen);
	fdtable_put(copy);
	/* Nor that of another descriptor, whether anybody was told of it or not. */
	ok(fdtable_close(t, 1));
	cr_assert_eq(fdtable_install(t, file_get(f), 5, 1024, false), 5);
	cr_assert(fdtable_tell(t, 5, f, &other_told));
	ok(fdtable_close(t, 5));
	cr_assert_neq(words[other_told.at.word], other_told.at.seen);
	cr_assert_eq(words[told.at.word], told.at.seen);
	fdtable_tell_by(NULL, 1);
	file_put(f);
	file_put(other);
}
