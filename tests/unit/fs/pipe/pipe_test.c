/* Pipes: capacity and merging as on Linux, blocking, packets, broken pipes, sizes. */
#include "tests/unit/fibers.h"
#include <signal.h>
#include <sys/ioctl.h>
#include "fs/pipe/pipe.h"
#include "fs/vfs/inode.h"

TestSuite(pipe, .init = guest_init, .fini = guest_fini, .timeout = 120);

static struct file *end[2];
static char big[1 << 20], back[1 << 20];

static void open_pipe(u32 flags)
{
	check(pipe_create(flags, end) == 0);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 4096);
}

static void close_pipe(void)
{
	file_put(end[0]);
	file_put(end[1]);
}

static void passes_bytes_body(void)
{
	char c = 0;

	open_pipe(O_NONBLOCK);
	check(end[0]->inode == end[1]->inode && S_ISFIFO(inode_mode(end[0]->inode)));
	check(take(end[0], &c, 1) == -EAGAIN);
	check(file_ready(end[0]) == 0 && file_ready(end[1]) == (EPOLLOUT | EPOLLWRNORM));
	check(put(end[1], "a", 1) == 1 && put_user_bytes(end[1], "b", 1) == 1);
	check(ioctl_int(end[0], FIONREAD) == 2);
	check(file_ready(end[0]) == (EPOLLIN | EPOLLRDNORM));
	check(take(end[0], &c, 1) == 1 && c == 'a');
	check(take_user_bytes(end[0], &c, 1) == 1 && c == 'b');
	check(take(end[0], &c, 1) == -EAGAIN && take(end[0], &c, 0) == 0);
	check(take(end[1], &c, 1) == -EBADF && put(end[0], "a", 1) == -EBADF);
	check(end[0]->ops->ioctl(end[0], TIOCOUTQ, 0) == -ENOTTY);
	close_pipe();
	check(pipe_create(O_APPEND, end) == -EINVAL);
}

Test(pipe, passes_bytes)
{
	as_guest(passes_bytes_body);
}

/* The figures are what a Linux host answers to the same calls. */
static void capacity_body(void)
{
	int n = 0;

	open_pipe(O_NONBLOCK);
	check(put(end[1], "x", 1) == 1);
	while (put(end[1], big, 4096) == 4096)
		n++;
	check(n == 15);
	close_pipe();

	open_pipe(O_NONBLOCK);
	check(put(end[1], "x", 1) == 1 && put(end[1], big, 65536) == 61440);
	close_pipe();

	open_pipe(O_NONBLOCK);
	check(put(end[1], "x", 1) == 1 && put(end[1], big, 65535) == 65535);
	check(file_ready(end[1]) == 0 && put(end[1], "y", 1) == -EAGAIN);
	check(take(end[0], back, 65536) == 65536);
	check(back[0] == 'x' && memcmp(back + 1, big, 65535) == 0);
	close_pipe();

	open_pipe(O_NONBLOCK);
	for (n = 0; put(end[1], "z", 1) == 1; n++)
		;
	check(n == 65536);
	close_pipe();
}

Test(pipe, has_the_capacity_of_linux)
{
	as_guest(capacity_body);
}

static void packet_body(void)
{
	open_pipe(O_NONBLOCK | O_DIRECT);
	check(put(end[1], big, 5000) == 5000 && put(end[1], "abc", 3) == 3);
	check(take(end[0], back, 65536) == 4096 && take_user_bytes(end[0], back, 65536) == 904);
	/* The rest of a packet that was read in part is gone. */
	check(take(end[0], back, 1) == 1 && back[0] == 'a');
	check(take(end[0], back, 1) == -EAGAIN && ioctl_int(end[0], FIONREAD) == 0);
	for (int i = 0; i < 16; i++)
		check(put(end[1], "p", 1) == 1);
	check(put(end[1], "p", 1) == -EAGAIN);
	close_pipe();
}

Test(pipe, keeps_packets_apart)
{
	as_guest(packet_body);
}

static void broken_body(void)
{
	char c;

	open_pipe(0);
	file_put(end[0]);
	check(put(end[1], "", 0) == 0 && raised == 0);
	check(put(end[1], "a", 1) == -EPIPE && raised == SIGPIPE);
	check(put(end[1], big, 100000) == -EPIPE);
	check(file_ready(end[1]) == (EPOLLOUT | EPOLLWRNORM | EPOLLERR));
	file_put(end[1]);

	open_pipe(0);
	check(put(end[1], "a", 1) == 1);
	file_put(end[1]);
	check(file_ready(end[0]) == (EPOLLIN | EPOLLRDNORM | EPOLLHUP));
	check(take(end[0], &c, 1) == 1 && take(end[0], &c, 1) == 0);
	file_put(end[0]);
}

Test(pipe, breaks_with_its_last_reader_and_ends_with_its_last_writer)
{
	as_guest(broken_body);
}

static void resize_body(void)
{
	open_pipe(O_NONBLOCK);
	check(pipe_get_size(end[0]) == 65536);
	check(put(end[1], big, 20000) == 20000);
	check(pipe_set_size(end[1], 4096) == -EBUSY);
	check(pipe_set_size(end[1], 20480) == 32768 && pipe_get_size(end[0]) == 32768);
	check(put(end[1], big + 20000, 100000) == 12288);
	check(pipe_set_size(end[1], 1 << 20) == 1 << 20);
	check(take(end[0], back, sizeof(back)) == 32288 && memcmp(back, big, 32288) == 0);
	check(pipe_set_size(end[1], 0) == 4096 && pipe_set_size(end[1], 1ULL << 32) == -EINVAL);
	check(pipe_set_size(end[1], 1U << 31) == -ENOMEM);
	close_pipe();

	/* Without privilege: no further than pipe-max-size. */
	struct cred *root = guest.cred;
	guest.cred = cred_create(1000, 1000, NULL, 0);
	open_pipe(0);
	check(pipe_set_size(end[1], (1 << 20) + 1) == -EPERM);
	check(pipe_set_size(end[1], 1 << 20) == 1 << 20);
	close_pipe();
	cred_put(guest.cred);
	guest.cred = root;
}

Test(pipe, can_be_resized_within_limits)
{
	as_guest(resize_body);
}

static void soft_limit_body(void)
{
	static struct file *many[1100][2];
	struct cred *root = guest.cred;
	int small = 0;

	guest.cred = cred_create(1000, 1000, NULL, 0);
	for (int i = 0; i < 1100; i++) {
		check(pipe_create(0, many[i]) == 0);
		small += pipe_get_size(many[i][0]) == 8192;
	}
	/* 1024 pipes of 16 pages; the others have two. */
	check(small == 1100 - 1024);
	check(pipe_set_size(many[0][0], 1 << 20) == -EPERM);
	for (int i = 0; i < 1100; i++) {
		file_put(many[i][0]);
		file_put(many[i][1]);
	}
	cred_put(guest.cred);
	guest.cred = root;
}

Test(pipe, gives_a_user_only_so_many_pages)
{
	as_guest(soft_limit_body);
}

/* ---- faults ------------------------------------------------------------------ */

static void fault_body(void)
{
	struct iovec iov[2] = {{big, 100}, {(void *)BAD_ADDRESS, 100}};
	struct uio u;

	open_pipe(O_NONBLOCK);
	check(put_user_bytes(end[1], (void *)BAD_ADDRESS, 10) == -EFAULT);
	check(put_user_bytes(end[1], (void *)BAD_ADDRESS, 10000) == -EFAULT);
	check(ioctl_int(end[0], FIONREAD) == 0);
	check(uio_init_iovec(&u, uptr_make((u64)iov), 2) == 0);
	check(file_write(end[1], &u) == 100);
	uio_destroy(&u);
	/* What a bad destination did not take is still there. */
	check(take_user_bytes(end[0], (void *)BAD_ADDRESS, 10) == -EFAULT);
	iov[0].iov_base = back;
	iov[0].iov_len = 60;
	check(uio_init_iovec(&u, uptr_make((u64)iov), 2) == 0);
	/* A page's bytes come out together or not at all. */
	check(file_read(end[0], &u) == -EFAULT);
	uio_destroy(&u);
	check(take(end[0], back, 100) == 100 && memcmp(back, big, 100) == 0);
	close_pipe();
}

Test(pipe, loses_nothing_to_a_fault)
{
	as_guest(fault_body);
}

/* ---- waiting ----------------------------------------------------------------- */

static ssize_t got;
static struct fiber *reader;

static void read_all(void *arg)
{
	ssize_t n;

	(void)arg;
	reader = fiber_self();
	got = 0;
	while ((n = take(end[0], back + got, 3000)) > 0)
		got += n;
	if (n < 0)
		got = n;
}

static void blocking_body(void)
{
	open_pipe(0);
	spawn(read_all, NULL);
	let_others_run();
	check(got == 0);
	check(put(end[1], big, 300000) == 300000);
	check(put(end[1], big + 300000, 1) == 1);
	file_put(end[1]);
	let_others_run();
	check(got == 300001 && memcmp(big, back, got) == 0);
	file_put(end[0]);
}

Test(pipe, writers_and_readers_wait_for_each_other)
{
	as_guest(blocking_body);
}

static void interrupt_body(void)
{
	open_pipe(0);
	spawn(read_all, NULL);
	let_others_run();
	fiber_interrupt(reader);
	let_others_run();
	check(got == -ERESTARTSYS);
	close_pipe();
}

Test(pipe, waiting_ends_with_a_signal)
{
	as_guest(interrupt_body);
}

/* ---- many workers ------------------------------------------------------------ */

#define WRITERS 4
#define STEP    64

static _Atomic int running;
static _Atomic u64 sum_in, sum_out;

static void stress_write(void *arg)
{
	u64 seed = (u64)arg + 1;

	for (int i = 0; i < ROUNDS(20000); i++) {
		char buf[STEP];
		size_t n = i % 97 == 0 ? STEP : 1 + (seed = seed * 25214903917 + 11) / 65536 % STEP;
		u64 sum = 0;
		for (size_t k = 0; k < n; k++)
			sum += (u8)(buf[k] = (char)(i + k));
		check((i % 2 ? put(end[1], buf, n) : put_user_bytes(end[1], buf, n)) == (ssize_t)n);
		sum_in += sum;
	}
	if (atomic_fetch_sub(&running, 1) == 3)
		file_put(end[1]);
}

static void stress_read(void *arg)
{
	char buf[5000];
	ssize_t n;
	int i = 0;

	(void)arg;
	while ((n = i++ % 2 ? take(end[0], buf, 1 + i % sizeof(buf))
	                    : take_user_bytes(end[0], buf, 1 + i % sizeof(buf))) > 0) {
		u64 sum = 0;
		for (ssize_t k = 0; k < n; k++)
			sum += (u8)buf[k];
		sum_out += sum;
	}
	check(n == 0);
	running--;
}

/* A stream is read in fewer pieces than it is written in; what answers each other is not put off.
 */

#define PIECES 200

static struct fiber *writer, *other;
static _Atomic bool wanted, over;
static int reads, in_turn;

/* Between two writes the worker has something else to do, as between two calls of a guest. */
static void else_to_do(void *arg)
{
	(void)arg;
	while (!over) {
		if (wanted) {
			wanted = false;
			fiber_unpark(writer);
		}
		fiber_park();
	}
	running--;
}

static void do_else(void)
{
	wanted = true;
	fiber_unpark(other);
	while (wanted)
		fiber_park();
}

static void write_pieces(void *arg)
{
	(void)arg;
	writer = fiber_self();
	for (int i = 0; i < PIECES; i++) {
		check(put(end[1], big, 1000) == 1000);
		do_else();
	}
	over = true;
	fiber_unpark(other);
	file_put(end[1]);
	running--;
}

static void read_pieces(void *arg)
{
	ssize_t n;

	(void)arg;
	while ((n = take(end[0], back, sizeof(back))) > 0) {
		reads++;
		in_turn += n == 1000;
	}
	check(n == 0);
	running--;
}

Test(pipe, a_stream_is_read_in_larger_pieces)
{
	sched_init(1, NULL);
	cr_assert_eq(sched_start(), 0);
	cr_assert_eq(pipe_create(0, end), 0);
	running = 3;
	spawn(read_pieces, NULL);
	cr_assert_eq(fiber_create(else_to_do, NULL, "test", &guest, &other), 0);
	spawn(write_pieces, NULL);
	await_zero(&running);
	sched_stop();
	file_put(end[0]);
	/* The first few are read as they come. */
	cr_assert(in_turn >= 5 && reads < PIECES / 2, "%d reads, %d of one piece", reads, in_turn);
}

Test(pipe, many_writers_and_readers_on_workers)
{
	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	cr_assert_eq(pipe_create(0, end), 0);
	running = WRITERS + 2;
	for (u64 i = 0; i < WRITERS; i++)
		spawn(stress_write, (void *)i);
	for (u64 i = 0; i < 2; i++)
		spawn(stress_read, NULL);
	await_zero(&running);
	sched_stop();
	file_put(end[0]);
	cr_assert_eq(sum_in, sum_out);
}
