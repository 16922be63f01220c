/* hostfd: the launcher's descriptors as files of the guest. */
#include "tests/unit/fs/view.h"
#include <pty.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "base/fiber.h"
#include "base/reactor.h"
#include "base/sched.h"
#include "base/timer.h"
#include "fs/hostfd/hostfd.h"

/* How long an idle scheduler waits for the reactor's thread. */
#define PATIENCE 2000000000ULL

static _Atomic u32 doorbell;
static int raised;

static void note_signal(struct caller *c, int sig)
{
	(void)c;
	raised = sig;
}

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	sched_init(1, &doorbell);
	cr_assert_eq(reactor_start(), 0);
	caller()->raise = note_signal;
}

static void teardown(void)
{
	census_each(census_check, NULL);
}

TestSuite(hostfd, .init = setup, .fini = teardown, .timeout = 60);

static struct file *make(int fd, u32 flags)
{
	struct file *f = NULL;

	cr_assert_eq(hostfd_file_create(fd, flags, &f), 0);
	return f;
}

static ssize_t read_now(struct file *f, void *buf, size_t n)
{
	struct uio u;
	ssize_t got;

	uio_init_kernel(&u, buf, n);
	got = file_read(f, &u);
	uio_destroy(&u);
	return got;
}

static ssize_t write_now(struct file *f, const void *buf, size_t n)
{
	struct uio u;
	ssize_t put;

	uio_init_kernel(&u, (void *)buf, n);
	put = file_write(f, &u);
	uio_destroy(&u);
	return put;
}

static bool is_nonblocking(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

Test(hostfd, pipe_without_waiting)
{
	char buf[16];
	int p[2];
	struct file *r, *w;

	cr_assert_eq(pipe(p), 0);
	r = make(p[0], O_RDONLY | O_NONBLOCK);
	w = make(p[1], O_WRONLY | O_NONBLOCK);
	cr_assert_eq(read_now(r, buf, sizeof(buf)), -EAGAIN);
	cr_assert_eq(file_ready(r) & EPOLLIN, 0);
	cr_assert(file_ready(w) & EPOLLOUT);
	cr_assert_eq(write_now(w, "hello", 5), 5);
	cr_assert(file_ready(r) & EPOLLIN);
	cr_assert_eq(read_now(r, buf, 3), 3);
	cr_assert_eq(read_now(r, buf, sizeof(buf)), 2);
	cr_assert_eq(memcmp(buf, "lo", 2), 0);
	cr_assert_eq(write_now(r, "x", 1), -EBADF);
	cr_assert(!is_nonblocking(p[0]) && !is_nonblocking(p[1]), "shared with other processes");
	cr_assert(S_ISFIFO(inode_mode(r->inode)));
	cr_assert_eq(file_seek(r, 0, SEEK_SET), -ESPIPE);
	file_put(w);
	cr_assert(file_ready(r) & EPOLLHUP);
	cr_assert_eq(read_now(r, buf, sizeof(buf)), 0);
	file_put(r);
}

Test(hostfd, full_and_broken_pipes)
{
	char *big = calloc(1, 1 << 20), buf[65536];
	ssize_t n, again;
	struct file *w;
	int p[2];

	cr_assert_eq(pipe(p), 0);
	w = make(p[1], O_WRONLY | O_NONBLOCK);
	n = write_now(w, big, 1 << 20);
	cr_assert_geq(n, 4096);
	cr_assert_lt(n, 1 << 20);
	cr_assert_eq(write_now(w, big, 100), -EAGAIN);
	cr_assert_eq(file_ready(w) & EPOLLOUT, 0);
	again = 0;
	while (again < n)
		again += read(p[0], buf, sizeof(buf));
	cr_assert_eq(again, n);
	cr_assert_eq(write_now(w, big, 100), 100);
	close(p[0]);
	cr_assert_eq(raised, 0);
	cr_assert_eq(write_now(w, big, 100), -EPIPE);
	cr_assert_eq(raised, SIGPIPE);
	cr_assert(file_ready(w) & EPOLLERR);
	file_put(w);
	free(big);
}

/* --- waiting -------------------------------------------------------------------------- */

struct job {
	struct file *f;
	char *buf;
	size_t n;
	ssize_t done;
	bool over;
	struct caller caller;
};

static void read_job(void *arg)
{
	struct job *j = arg;

	j->done = read_now(j->f, j->buf, j->n);
	j->over = true;
}

static void write_job(void *arg)
{
	struct job *j = arg;

	j->done = write_now(j->f, j->buf, j->n);
	j->over = true;
}

static void start(struct job *j, fiber_fn *fn)
{
	struct fiber *f;

	j->caller = *caller();
	cr_assert_eq(fiber_create(fn, j, "test", &j->caller, &f), 0);
}

Test(hostfd, a_reader_waits_for_data)
{
	char buf[16];
	struct job j = {.buf = buf, .n = sizeof(buf)};
	int p[2];

	cr_assert_eq(pipe(p), 0);
	j.f = make(p[0], O_RDONLY);
	start(&j, read_job);
	sched_run_until_idle(0);
	cr_assert(!j.over);
	cr_assert_eq(write(p[1], "late", 4), 4);
	for (int i = 0; i < 100 && !j.over; i++)
		sched_run_until_idle(PATIENCE / 100);
	cr_assert(j.over);
	cr_assert_eq(j.done, 4);
	/* And for the end. */
	j.over = false;
	start(&j, read_job);
	sched_run_until_idle(0);
	cr_assert(!j.over);
	close(p[1]);
	for (int i = 0; i < 100 && !j.over; i++)
		sched_run_until_idle(PATIENCE / 100);
	cr_assert(j.over);
	cr_assert_eq(j.done, 0);
	file_put(j.f);
}

static void drain_while(struct job *j, int fd, size_t want)
{
	size_t got = 0;
	char buf[10000];

	for (int i = 0; i < 10000 && (!j->over || got < want); i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		while (poll(&p, 1, 0) == 1 && got < want) {
			ssize_t n = read(fd, buf, sizeof(buf));

			cr_assert_gt(n, 0);
			for (ssize_t k = 0; k < n; k++)
				cr_assert_eq((u8)buf[k], (u8)((got + (size_t)k) * 7));
			got += (size_t)n;
		}
		sched_run_until_idle(PATIENCE / 1000);
	}
	cr_assert_eq(got, want);
}

static void write_much(int out, int in)
{
	enum { MUCH = 500000 };
	struct job j = {.buf = malloc(MUCH), .n = MUCH};

	for (size_t i = 0; i < MUCH; i++)
		j.buf[i] = (char)(i * 7);
	j.f = make(out, O_WRONLY);
	start(&j, write_job);
	sched_run_until_idle(0);
	cr_assert(!j.over);
	drain_while(&j, in, MUCH);
	cr_assert_eq(j.done, MUCH);
	file_put(j.f);
	free(j.buf);
}

Test(hostfd, a_writer_waits_for_room)
{
	int p[2];

	cr_assert_eq(pipe(p), 0);
	write_much(p[1], p[0]);
	close(p[0]);
}

Test(hostfd, a_socket)
{
	int s[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	write_much(s[0], s[1]);
	close(s[1]);
}

/* Named FIFOs do not know RWF_NOWAIT: small pieces, each after a poll. */
Test(hostfd, a_fifo)
{
	char dir[64];
	int r, w;

	host_dir_make(dir);
	cr_assert_eq(mkfifo(host_path(dir, "p"), 0600), 0);
	r = open(host_path(dir, "p"), O_RDONLY | O_NONBLOCK);
	w = open(host_path(dir, "p"), O_WRONLY);
	fcntl(r, F_SETFL, 0);
	write_much(w, r);
	close(r);
	host_dir_remove(dir);
}

/* --- terminals -------------------------------------------------------------------------- */

Test(hostfd, a_terminal_answers_questions)
{
	struct winsize ws = {.ws_row = 33, .ws_col = 44}, got = {0};
	int master, slave, n = -1;
	char buf[64];
	struct file *f;

	cr_assert_eq(openpty(&master, &slave, NULL, NULL, &ws), 0);
	f = make(slave, O_RDWR | O_NONBLOCK);
	/* No guest memory here: an answer has nowhere to go, but the question is asked. */
	cr_assert_neq(f->ops->ioctl(f, TIOCGWINSZ, 0), -ENOTTY);
	cr_assert_neq(f->ops->ioctl(f, 0x5401 /* TCGETS */, 0), -ENOTTY);
	cr_assert_eq(f->ops->ioctl(f, TIOCSTI, 0), -ENOTTY);
	cr_assert_eq(f->ops->ioctl(f, TIOCSWINSZ, 0), -ENOTTY);
	cr_assert_eq(f->ops->ioctl(f, 0x5402 /* TCSETS */, 0), -ENOTTY);
	cr_assert_eq(f->ops->ioctl(f, TIOCSCTTY, 0), -ENOTTY);
	cr_assert_eq(ioctl(slave, TIOCGWINSZ, &got), 0);
	cr_assert_eq(got.ws_row, 33);
	cr_assert(S_ISCHR(inode_mode(f->inode)));
	cr_assert_eq(read_now(f, buf, sizeof(buf)), -EAGAIN);
	cr_assert_eq(write(master, "line\n", 5), 5);
	for (int i = 0; i < 1000 && n < 5; i++) {
		ioctl(slave, FIONREAD, &n);
		usleep(1000);
	}
	cr_assert_eq(read_now(f, buf, sizeof(buf)), 5);
	cr_assert_eq(write_now(f, "out", 3), 3);
	cr_assert(!is_nonblocking(slave));
	file_put(f);
	close(master);
}

static void nothing(int sig)
{
	(void)sig;
}

/* poll(2) is interrupted though it would not wait; a read that believed it would. */
Test(hostfd, a_signal_is_no_input)
{
	struct itimerval often = {{0, 50}, {0, 50}}, never = {0};
	u64 end = time_monotonic() + 500000000ULL;
	u32 seen = 0;
	int master, slave;
	struct file *f;

	cr_assert_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	f = make(slave, O_RDONLY);
	signal(SIGALRM, nothing);
	setitimer(ITIMER_REAL, &often, NULL);
	while (time_monotonic() < end)
		seen |= f->ops->ready(f);
	setitimer(ITIMER_REAL, &never, NULL);
	cr_assert(!(seen & EPOLLIN));
	file_put(f);
	close(master);
}

Test(hostfd, a_terminal_wakes_its_reader)
{
	char buf[16];
	struct job j = {.buf = buf, .n = sizeof(buf)};
	int master, slave;

	cr_assert_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	j.f = make(slave, O_RDWR);
	start(&j, read_job);
	sched_run_until_idle(0);
	cr_assert(!j.over);
	cr_assert_eq(write(master, "typed\n", 6), 6);
	for (int i = 0; i < 100 && !j.over; i++)
		sched_run_until_idle(PATIENCE / 100);
	cr_assert(j.over);
	cr_assert_eq(j.done, 6);
	file_put(j.f);
	close(master);
}

/* --- files with a position ------------------------------------------------------------------ */

Test(hostfd, a_regular_file_shares_the_hosts_position)
{
	struct attr a;
	struct file *f;
	char dir[64], buf[64];
	int fd, theirs;
	struct uio u;

	host_dir_make(dir);
	host_write_file(dir, "log", "before\n");
	fd = open(host_path(dir, "log"), O_RDWR);
	cr_assert_eq(lseek(fd, 0, SEEK_END), 7);
	theirs = dup(fd);
	f = make(fd, O_RDWR);
	cr_assert_eq(write_now(f, "guest\n", 6), 6);
	cr_assert_eq(f->pos, 13);
	/* Another process of the same shell goes on behind it, and the guest behind that. */
	cr_assert_eq(write(theirs, "host\n", 5), 5);
	cr_assert_eq(write_now(f, "again\n", 6), 6);
	cr_assert_eq(lseek(theirs, 0, SEEK_CUR), 24);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 24);
	cr_assert_str_eq(buf, "before\nguest\nhost\nagain\n");
	cr_assert_eq(lseek(theirs, 0, SEEK_CUR), 24, "pread moves nothing");
	cr_assert_eq(file_seek(f, 7, SEEK_SET), 7);
	cr_assert_eq(lseek(theirs, 0, SEEK_CUR), 7);
	cr_assert_eq(read_now(f, buf, 5), 5);
	cr_assert_eq(memcmp(buf, "guest", 5), 0);
	cr_assert_eq(lseek(theirs, 0, SEEK_CUR), 12);
	uio_init_kernel(&u, "BEFORE", 6);
	cr_assert_eq(file_pwrite(f, &u, 0, 0), 6);
	uio_destroy(&u);
	cr_assert_eq(lseek(theirs, 0, SEEK_CUR), 12);
	uio_init_kernel(&u, "end", 3);
	cr_assert_eq(file_pwrite(f, &u, 0, RWF_APPEND), 3);
	uio_destroy(&u);
	cr_assert_eq(lseek(theirs, 0, SEEK_CUR), 12);
	cr_assert_eq(inode_getattr(f->inode, &a), 0);
	cr_assert(S_ISREG(a.mode));
	cr_assert_eq(a.size, 27);
	cr_assert_eq(file_ready(f) & (EPOLLIN | EPOLLOUT), EPOLLIN | EPOLLOUT);
	file_put(f);
	close(theirs);
	host_dir_remove(dir);
}

/* `echo x >/dev/stdout`: as natively, another position in the same file. */
Test(hostfd, a_regular_file_opened_again)
{
	struct file *f, *again;
	struct path path;
	char dir[64], buf[64];
	int fd;

	host_dir_make(dir);
	fd = open(host_path(dir, "log"), O_RDWR | O_CREAT, 0600);
	f = make(fd, O_RDWR);
	cr_assert_eq(write_now(f, "first\n", 6), 6);
	cr_assert_eq(file_get_path(f, &path), 0);
	cr_assert_eq(vfs_open_path(path, O_RDWR | O_TRUNC, &again), 0);
	cr_assert_eq(write_now(again, "2nd\n", 4), 4);
	cr_assert_eq(again->pos, 4);
	cr_assert_eq(file_seek(again, -1, SEEK_END), 3);
	file_put(again);
	cr_assert_eq(vfs_open_path(path, O_WRONLY | O_APPEND, &again), 0);
	cr_assert_eq(write_now(again, "3rd\n", 4), 4);
	cr_assert_eq(again->pos, 8);
	file_put(again);
	path_put(path);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 8);
	cr_assert_str_eq(buf, "2nd\n3rd\n");
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 6);
	file_put(f);
	host_dir_remove(dir);
}

Test(hostfd, dev_null)
{
	struct file *f = make(open("/dev/null", O_RDWR), O_RDWR);
	char buf[8];

	cr_assert_eq(read_now(f, buf, sizeof(buf)), 0);
	cr_assert_eq(write_now(f, "x", 1), 1);
	cr_assert(file_ready(f) & EPOLLIN);
	file_put(f);
}

/* `cat /dev/stdin`, `echo >/dev/stdout`: by way of /proc/self/fd. */
Test(hostfd, can_be_opened_again)
{
	struct file *r, *again, *none = NULL;
	char buf[8];
	struct path path;
	int p[2];

	cr_assert_eq(pipe(p), 0);
	r = make(p[0], O_RDONLY);
	cr_assert_eq(file_get_path(r, &path), 0);
	cr_assert_eq(vfs_open_path(path, O_RDONLY, &again), 0);
	cr_assert_eq(vfs_open_path(path, O_WRONLY, &none), -EACCES);
	path_put(path);
	file_put(r);
	cr_assert_eq(write(p[1], "x", 1), 1);
	cr_assert_eq(read_now(again, buf, sizeof(buf)), 1);
	file_put(again);
	cr_assert_eq(fcntl(p[0], F_GETFD), -1, "closed with the last of them");
	close(p[1]);
}

Test(hostfd, failure_leaves_the_descriptor_alone)
{
	struct file *f;

	cr_assert_eq(hostfd_file_create(-1, O_RDONLY, &f), -EBADF);
}
