/* splice, tee, vmsplice between pipes and other files. */
#include "tests/unit/fibers.h"
#include <signal.h>
#include <sys/ioctl.h>
#include "fs/anon/eventfd.h"
#include "fs/pipe/pipe.h"
#include "fs/pipe/splice.h"

TestSuite(splice, .init = guest_init, .fini = guest_fini, .timeout = 120);

static struct file *a[2], *b[2];
static char data[200000], back[200000];

static void open_two(void)
{
	check(pipe_create(0, a) == 0 && pipe_create(0, b) == 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 11 + i / 4096);
}

static void close_two(void)
{
	for (int i = 0; i < 2; i++) {
		file_put(a[i]);
		file_put(b[i]);
	}
}

static void moves_body(void)
{
	u64 pos = 0;

	open_two();
	check(put(a[1], data, 10000) == 10000);
	check(splice_files(a[0], NULL, b[1], NULL, 5000, 0) == 5000);
	check(splice_files(a[0], NULL, b[1], NULL, 100000, 0) == 5000);
	check(take(b[0], back, 20000) == 10000 && memcmp(back, data, 10000) == 0);
	check(splice_files(a[0], NULL, b[1], NULL, 1, SPLICE_F_NONBLOCK) == -EAGAIN);
	check(splice_files(a[0], NULL, b[1], NULL, 0, 0) == 0);
	check(splice_files(a[0], NULL, a[1], NULL, 1, 0) == -EINVAL);
	check(splice_files(a[0], &pos, b[1], NULL, 1, 0) == -ESPIPE);
	check(splice_files(a[0], NULL, b[1], NULL, 1, 0x100) == -EINVAL);
	check(splice_files(a[1], NULL, b[1], NULL, 1, 0) == -EBADF);
	close_two();
}

Test(splice, moves_between_pipes)
{
	as_guest(moves_body);
}

static void tee_body(void)
{
	open_two();
	check(put(a[1], data, 9000) == 9000);
	check(tee_pipes(a[0], b[1], 100000, 0) == 9000);
	check(ioctl_int(a[0], FIONREAD) == 9000 && ioctl_int(b[0], FIONREAD) == 9000);
	check(take(b[0], back, 9000) == 9000 && memcmp(back, data, 9000) == 0);
	check(take(a[0], back, 9000) == 9000 && memcmp(back, data, 9000) == 0);
	check(tee_pipes(a[0], b[1], 1, SPLICE_F_NONBLOCK) == -EAGAIN);
	check(tee_pipes(a[0], a[1], 1, 0) == -EINVAL);
	file_put(a[1]);
	check(tee_pipes(a[0], b[1], 1, 0) == 0);
	file_put(b[0]);
	check(splice_files(a[0], NULL, b[1], NULL, 1, 0) == -EPIPE && raised == SIGPIPE);
	file_put(a[0]);
	file_put(b[1]);
}

Test(splice, tee_copies_and_leaves)
{
	as_guest(tee_body);
}

static void vmsplice_body(void)
{
	struct uio u;

	open_two();
	uio_init_kernel(&u, data, 100000);
	check(vmsplice_pipe(a[1], &u, SPLICE_F_NONBLOCK) == 65536);
	check(vmsplice_pipe(a[1], &u, SPLICE_F_NONBLOCK) == -EAGAIN);
	uio_init_kernel(&u, back, 100000);
	check(vmsplice_pipe(a[0], &u, 0) == 65536 && memcmp(back, data, 65536) == 0);
	close_two();
}

Test(splice, vmsplice_writes_and_reads)
{
	as_guest(vmsplice_body);
}

/* An eventfd stands for any stream that is not a pipe. */
static void stream_body(void)
{
	struct file *e;
	u64 v = 0;

	open_two();
	check(eventfd_create(5, 0, &e) == 0);
	check(splice_files(e, NULL, a[1], NULL, 8, 0) == 8);
	check(take(a[0], &v, 8) == 8 && v == 5);
	set_nonblock(e, true);
	check(splice_files(e, NULL, a[1], NULL, 8, 0) == -EAGAIN);
	/* Nothing stays promised when nothing came. */
	check(put(a[1], data, 65536) == 65536);
	check(splice_files(e, NULL, a[1], NULL, 8, SPLICE_F_NONBLOCK) == -EAGAIN);
	check(take(a[0], back, 65536) == 65536);
	v = 3;
	check(put(a[1], &v, 8) == 8);
	check(splice_files(a[0], NULL, e, NULL, 8, 0) == 8);
	check(take(e, &v, 8) == 8 && v == 3);
	check(splice_files(e, &v, a[1], NULL, 8, 0) == -EINVAL);
	check(splice_files(e, NULL, e, NULL, 8, 0) == -EINVAL);
	file_put(e);
	close_two();
}

Test(splice, moves_to_and_from_other_streams)
{
	as_guest(stream_body);
}

static void move_rest(void *arg)
{
	ssize_t n;

	(void)arg;
	while ((n = splice_files(a[0], NULL, b[1], NULL, 1 << 20, 0)) > 0)
		;
	check(n == 0);
	file_put(b[1]);
	file_put(a[0]);
}

static ssize_t got;

static void read_rest(void *arg)
{
	ssize_t n;

	(void)arg;
	while ((n = take(b[0], back + got, sizeof(back) - got)) > 0)
		got += n;
	check(n == 0);
	file_put(b[0]);
}

static void pipeline_body(void)
{
	open_two();
	spawn(move_rest, NULL);
	spawn(read_rest, NULL);
	check(put(a[1], data, sizeof(data)) == sizeof(data));
	file_put(a[1]);
}

Test(splice, waits_on_either_side)
{
	as_guest(pipeline_body);
	cr_assert_eq(got, sizeof(data));
	cr_assert_eq(memcmp(data, back, sizeof(data)), 0);
}
