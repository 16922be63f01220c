/*
 * What an open file says of itself, asked so often that a platform may have found a short way to
 * answer: fstat and its kin, its flags, whether it is a terminal. It must be what is so now,
 * whoever has changed the file, by whatever way: this thread, another one, or another process.
 * Compared with what can be asked in other ways: statx, /proc/self/fdinfo. Here the file's
 * contents, attributes and names are changed; file_directory, file_descriptor and file_askers
 * change the rest.
 */
#define COMPAT_ALARM 40
#include "compat.h"
#include "compat_files.h"
#include "compat_file_steps.h"
#include <linux/aio_abi.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static long with_name(int flags, ssize_t (*fn)(int))
{
	int fd = by_name("f", flags);
	long r = fn(fd);

	close(fd);
	return r;
}

static ssize_t write_ten(int fd)
{
	return write(fd, "0123456789", 10);
}

static ssize_t nothing(int fd)
{
	return fd < 0 ? -1 : 0;
}

static long step_write(void)
{
	lseek(FILE_FD, 0, SEEK_END);
	return write_ten(FILE_FD);
}

static long step_pwrite(void)
{
	return pwrite(FILE_FD, "x", 1, 3);
}

static long step_writev(void)
{
	struct iovec v[2] = {{"ab", 2}, {"cd", 2}};

	return pwritev(FILE_FD, v, 2, 70000);
}

static long step_append(void)
{
	return with_name(O_WRONLY | O_APPEND, write_ten);
}

static long step_shorter(void)
{
	return ftruncate(FILE_FD, 5);
}

static long step_longer(void)
{
	return truncate(at("f"), 100000);
}

static long step_same_length(void)
{
	return ftruncate(FILE_FD, 100000);
}

static long step_open_trunc(void)
{
	return with_name(O_WRONLY | O_TRUNC, nothing);
}

static long step_creat(void)
{
	step_write();
	return with_name(O_WRONLY | O_CREAT | O_TRUNC, nothing);
}

static long step_allocate(void)
{
	return fallocate(FILE_FD, 0, 0, 40000);
}

static long step_allocate_behind(void)
{
	return fallocate(FILE_FD, FALLOC_FL_KEEP_SIZE, 40000, 40000);
}

static long step_punch(void)
{
	return fallocate(FILE_FD, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192);
}

static long step_chmod(void)
{
	struct stat st;

	return stat(at("f"), &st) ?: chmod(at("f"), (st.st_mode & 07777) ^ 0111);
}

static long step_fchmod(void)
{
	return fchmod(FILE_FD, 04711);
}

static long step_write_privileged(void)
{
	return pwrite(FILE_FD, "y", 1, 0);
}

static long step_chown(void)
{
	return chown(at("f"), getuid(), getgid());
}

static long step_fchown(void)
{
	return fchown(FILE_FD, getuid() ?: 12, -1);
}

static long step_futimens(void)
{
	return futimens(FILE_FD, long_ago);
}

static long step_utimensat(void)
{
	return utimensat(AT_FDCWD, at("f"), NULL, 0);
}

static long step_read(void)
{
	char c;

	return pread(FILE_FD, &c, 1, 0);
}

static long step_read_by_name(void)
{
	char c;
	int fd = by_name("f", O_RDONLY);
	long r = read(fd, &c, 1);

	close(fd);
	return r;
}

static long step_link(void)
{
	return link(at("f"), at("g"));
}

static long step_rename(void)
{
	return rename(at("g"), at("h"));
}

static long step_exchange(void)
{
	long r = close(by_name("x", O_CREAT | O_EXCL | O_WRONLY));

	for (int i = 0; i < 2 && !r; i++)
		r = syscall(SYS_renameat2, AT_FDCWD, at("f"), AT_FDCWD, at("x"), RENAME_EXCHANGE);
	return r ?: unlink(at("x"));
}

static long step_unlink(void)
{
	return unlink(at("h"));
}

static long step_xattr(void)
{
	return setxattr(at("f"), "user.x", "1", 1, 0);
}

static long step_no_xattr(void)
{
	return removexattr(at("f"), "user.x");
}

static long step_sendfile(void)
{
	off_t from = 0;

	lseek(FILE_FD, 0, SEEK_END);
	return sendfile(FILE_FD, SELF_FD, &from, 5000);
}

static long step_splice(void)
{
	off_t to = 90000;
	int p[2];
	long r;

	if (pipe(p) || write(p[1], "12345", 5) != 5)
		return -1;
	r = splice(p[0], NULL, FILE_FD, &to, 5, 0);
	close(p[0]);
	close(p[1]);
	return r;
}

static long step_copy_range(void)
{
	loff_t from = 0, to = 120000;

	return copy_file_range(FILE_FD, &from, FILE_FD, &to, 3000, 0);
}

static long step_mapping(void)
{
	char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, FILE_FD, 0);
	long r;

	if (p == MAP_FAILED)
		return -1;
	memset(p, 1, 65536);
	r = msync(p, 65536, MS_SYNC);
	munmap(p, 65536);
	return r ?: fsync(FILE_FD);
}

static long step_aio(void)
{
	struct iocb cb = {.aio_fildes = FILE_FD,
	                  .aio_lio_opcode = IOCB_CMD_PWRITE,
	                  .aio_buf = (uint64_t)(uintptr_t) "aio",
	                  .aio_nbytes = 3,
	                  .aio_offset = 200000};
	struct iocb *list[] = {&cb};
	struct io_event ev;
	aio_context_t ctx = 0;
	long r = syscall(SYS_io_setup, 4, &ctx);

	if (r == 0)
		r = syscall(SYS_io_submit, ctx, 1, list);
	if (r == 1)
		r = syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL);
	syscall(SYS_io_destroy, ctx);
	return r;
}

static const struct step file_steps[] = {
    STEP(write, 0),
    STEP(pwrite, 0),
    STEP(writev, 0),
    STEP(append, 0),
    STEP(shorter, 0),
    STEP(longer, 0),
    STEP(same_length, QUIET),
    STEP(open_trunc, 0),
    STEP(creat, 0),
    STEP(allocate, 0),
    STEP(allocate_behind, 0),
    STEP(punch, 0),
    STEP(chmod, 0),
    STEP(fchmod, 0),
    STEP(write_privileged, 0),
    STEP(chown, 0),
    STEP(fchown, 0),
    STEP(chown, 0),
    STEP(futimens, 0),
    STEP(read, 0),
    STEP(utimensat, 0),
    STEP(read_by_name, QUIET),
    STEP(link, 0),
    STEP(rename, 0),
    STEP(exchange, 0),
    STEP(unlink, 0),
    STEP(xattr, QUIET),
    STEP(no_xattr, QUIET),
    STEP(sendfile, 0),
    STEP(splice, 0),
    STEP(copy_range, 0),
    STEP(mapping, QUIET),
    STEP(aio, 0),
};

static void change_file(void)
{
	take_steps(file_steps, sizeof(file_steps) / sizeof(file_steps[0]));
}

int main(int argc, char **argv)
{
	(void)argc;
	in_places(argv[0], change_file);
	return 0;
}
