/*
 * Asynchronous input and output of the old kind: io_setup(2), io_submit(2), io_getevents(2),
 * completions in an eventfd, errors.
 */
#include "compat.h"
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

static aio_context_t ctx;

static long submit(struct iocb *cb)
{
	return syscall(SYS_io_submit, ctx, 1, &cb);
}

static long get(long min, long max, struct io_event *e, long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	return syscall(SYS_io_getevents, ctx, min, max, e, ms < 0 ? NULL : &ts);
}

static void one(const char *what, struct iocb *cb)
{
	struct io_event e = {0};
	long n = submit(cb), err = errno;

	printf("%s: %ld %s", what, n, n < 0 ? err_name((int)err) : "");
	if (n == 1 && get(1, 1, &e, 1000) == 1)
		printf(" -> %lld, data %llu, own %d", e.res, e.data, e.obj == (uintptr_t)cb);
	printf("\n");
}

int main(void)
{
	aio_context_t other = 0, bad = 1;
	struct io_event e[8];
	struct iocb cb, many[6], *list[6];
	char buf[64] = "hello, world", back[64] = {0};
	struct iovec v[2] = {{back, 3}, {back + 10, 4}};
	uint64_t count;
	int fd, ro, efd = eventfd(0, EFD_NONBLOCK);

	tmp_enter();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	ro = open("f", O_RDONLY);
	RES(syscall(SYS_io_setup, 0, &ctx));
	RES(syscall(SYS_io_setup, 8, NULL));
	RES(syscall(SYS_io_setup, ~0u, &ctx));
	RES(syscall(SYS_io_setup, 8, &bad));
	RES(syscall(SYS_io_setup, 8, &ctx));
	YES(ctx != 0);
	RES(syscall(SYS_io_setup, 8, &ctx));
	RES(syscall(SYS_io_setup, 4, &other));
	YES(other != ctx);
#define IO(op, f, b, n, o)                                                                         \
	(cb = (struct iocb){.aio_lio_opcode = (op),                                                \
	                    .aio_fildes = (uint32_t)(f),                                           \
	                    .aio_buf = (uintptr_t)(b),                                             \
	                    .aio_nbytes = (n),                                                     \
	                    .aio_offset = (o),                                                     \
	                    .aio_data = 77},                                                       \
	 &cb)
	one("write", IO(IOCB_CMD_PWRITE, fd, buf, 12, 5));
	one("read", IO(IOCB_CMD_PREAD, fd, back, 64, 5));
	STR(back);
	one("readv", IO(IOCB_CMD_PREADV, fd, v, 2, 5));
	one("end", IO(IOCB_CMD_PREAD, fd, back, 64, 500));
	one("fsync", IO(IOCB_CMD_FSYNC, fd, 0, 0, 0));
	one("fdsync", IO(IOCB_CMD_FDSYNC, fd, 0, 0, 0));
	one("fsync with a buffer", IO(IOCB_CMD_FSYNC, fd, buf, 1, 0));
	one("opcode", IO(99, fd, buf, 1, 0));
	one("no descriptor", IO(IOCB_CMD_PREAD, 999, buf, 1, 0));
	one("not for writing", IO(IOCB_CMD_PWRITE, ro, buf, 1, 0));
	one("bad buffer", IO(IOCB_CMD_PREAD, fd, 8, 1, 0));
	one("negative", IO(IOCB_CMD_PREAD, fd, buf, 1, -5));
	one("length", IO(IOCB_CMD_PREAD, fd, buf, ~0ULL, 0));
	(void)IO(IOCB_CMD_PWRITE, fd, buf, 3, 0);
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (uint32_t)efd;
	one("eventfd", &cb);
	RES(read(efd, &count, 8));
	NUM((long)count);
	cb.aio_resfd = (uint32_t)fd;
	one("no eventfd", &cb);
	cb.aio_flags = 0;
	cb.aio_reserved2 = 1;
	one("reserved", &cb);
	for (int i = 0; i < 6; i++) {
		many[i] = *IO(IOCB_CMD_PWRITE, fd, buf + i, 1, i);
		many[i].aio_data = (uint64_t)i;
		list[i] = &many[i];
	}
	many[4].aio_fildes = 999;
	RES(syscall(SYS_io_submit, ctx, 6, list));
	RES(get(0, 3, e, -1));
	for (int i = 0; i < 3; i++)
		printf("%llu: %lld\n", e[i].data, e[i].res);
	RES(get(2, 8, e, 20));
	RES(get(0, 8, e, 0));
	RES(syscall(SYS_io_submit, ctx, -1, list));
	RES(syscall(SYS_io_submit, ctx, 0, list));
	RES(syscall(SYS_io_submit, ctx, 1, NULL));
	RES(syscall(SYS_io_submit, (aio_context_t)4096, 1, list));
	RES(get(2, 1, e, 0));
	RES(get(-1, 1, e, 0));
	RES(syscall(SYS_io_getevents, (aio_context_t)4096, 0, 1, e, NULL));
	RES(syscall(SYS_io_cancel, ctx, &cb, e));
	RES(syscall(SYS_io_cancel, ctx, NULL, e));
	IN_CHILD("fork", RES(get(0, 1, e, 0)));
	RES(syscall(SYS_io_destroy, other));
	RES(syscall(SYS_io_destroy, ctx));
	RES(syscall(SYS_io_destroy, ctx));
	RES(get(0, 1, e, 0));
	return 0;
}
