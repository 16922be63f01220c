/*
 * As file_asked_again, of the descriptor: its flags, and numbers that come to be other files. Then
 * the calls themselves, with arguments that are wrong.
 */
#include "compat.h"
#include "compat_files.h"
#include "compat_file_steps.h"
#include <linux/close_range.h>

static long step_cloexec(void)
{
	return fcntl(FILE_FD, F_SETFD, FD_CLOEXEC);
}

static long step_cloexec_again(void)
{
	return fcntl(FILE_FD, F_SETFD, FD_CLOEXEC | 6);
}

static long step_no_cloexec(void)
{
	return fcntl(FILE_FD, F_SETFD, 0);
}

static long step_fioclex(void)
{
	return ioctl(DIR_FD, FIOCLEX);
}

static long step_fionclex(void)
{
	return ioctl(DIR_FD, FIONCLEX);
}

static long step_range_cloexec(void)
{
	return close_range(FILE_FD, SELF_FD, CLOSE_RANGE_CLOEXEC);
}

static long step_range_undone(void)
{
	long r = 0;

	for (int fd = FILE_FD; fd <= SELF_FD; fd++)
		r |= fcntl(fd, F_SETFD, 0);
	return r;
}

static long step_append_flag(void)
{
	return fcntl(FILE_FD, F_SETFL, O_APPEND | O_NONBLOCK);
}

static long step_flags_of_dup(void)
{
	int fd = dup(FILE_FD);
	long r = fcntl(fd, F_SETFL, O_NOATIME);

	close(fd);
	return r;
}

static long step_fionbio(void)
{
	int on = 1;

	return ioctl(FILE_FD, FIONBIO, &on);
}

static long step_no_flags(void)
{
	return fcntl(FILE_FD, F_SETFL, 0);
}

/* These end with the same file behind the descriptor, seen through another number meanwhile. */
static long step_dup2(void)
{
	char bad[500];
	int keep = dup(FILE_FD);
	long r = dup2(DIR_FD, FILE_FD);

	check(bad);
	printf("  meanwhile:%s\n", bad);
	learn();
	r = r < 0 ? r : dup2(keep, FILE_FD);
	close(keep);
	return r;
}

static long step_dup3(void)
{
	int keep = dup(FILE_FD);
	long r = dup3(SELF_FD, FILE_FD, O_CLOEXEC);

	learn();
	r = r < 0 ? r : dup3(keep, FILE_FD, O_CLOEXEC);
	close(keep);
	return r;
}

static long step_reopen(void)
{
	int flags[] = {O_RDONLY, O_RDWR | O_CLOEXEC, O_RDWR};
	int hold[64], n = 0, fd = -1;

	for (unsigned i = 0; i < 3; i++) {
		char bad[500];

		close(FILE_FD);
		check(bad);
		printf("  closed:%s\n", bad);
		while ((fd = open(at("f"), flags[i])) >= 0 && fd < FILE_FD && n < 64)
			hold[n++] = fd;
		check(bad);
		printf("  open again:%s\n", bad);
		learn();
	}
	while (n)
		close(hold[--n]);
	return fd == FILE_FD ? 0 : -1;
}

static long step_range_closed(void)
{
	char bad[500];
	int keep = fcntl(FILE_FD, F_DUPFD, 40);
	long r = close_range(FILE_FD, FILE_FD, 0);

	check(bad);
	printf("  meanwhile:%s\n", bad);
	r = r < 0 ? r : dup2(keep, FILE_FD);
	close(keep);
	return r;
}

static const struct step descriptor_steps[] = {
    STEP(cloexec, OWN),    STEP(cloexec_again, OWN), STEP(no_cloexec, OWN),   STEP(fioclex, OWN),
    STEP(fionclex, OWN),   STEP(range_cloexec, OWN), STEP(range_undone, OWN), STEP(append_flag, 0),
    STEP(flags_of_dup, 0), STEP(fionbio, 0),         STEP(no_flags, 0),       STEP(dup2, OWN),
    STEP(dup3, OWN),       STEP(range_closed, OWN),  STEP(reopen, OWN),
};

/* --- the calls themselves ------------------------------------------------------------------- */

static void of_calls(void)
{
	struct stat st;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page + 4096, 4096);
	learn();
	RES(raw_fstat(FILE_FD, NULL));
	RES(raw_fstat(FILE_FD, (struct stat *)(page + 4096)));
	RES(raw_fstat(FILE_FD, (struct stat *)(page + 4096 - 100)));
	RES(raw_fstat(FILE_FD, (struct stat *)(uintptr_t)0xffff800000000000));
	RES(raw_fstat(FILE_FD, (struct stat *)(page + 4096 - sizeof(st))));
	RES(raw_fstatat(FILE_FD, NULL));
	RES(syscall(SYS_newfstatat, FILE_FD, page + 4096, &st, AT_EMPTY_PATH));
	RES(syscall(SYS_newfstatat, FILE_FD, "f", &st, AT_EMPTY_PATH));
	RES(syscall(SYS_newfstatat, DIR_FD, "f", &st, AT_EMPTY_PATH));
	RES(syscall(SYS_newfstatat, FILE_FD, "", &st, 0));
	RES(syscall(SYS_newfstatat, FILE_FD, "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
	RES(syscall(SYS_newfstatat, FILE_FD, "", &st, AT_EMPTY_PATH | 1UL << 40));
	RES(syscall(SYS_newfstatat, AT_FDCWD, "", &st, AT_EMPTY_PATH));
	RES(syscall(SYS_fstat, FILE_FD | 1UL << 32, &st));
	RES(syscall(SYS_fstat, -1, &st));
	RES(syscall(SYS_fstat, 63, &st));
	RES(syscall(SYS_fstat, 1 << 20 | FILE_FD, &st));
	RES(syscall(SYS_newfstatat, 63, "", &st, AT_EMPTY_PATH));
	for (int fd = FILE_FD; fd < FDS_END; fd++) {
		RES(ioctl(fd, TCGETS, NULL));
		RES(ioctl(fd, TCGETS, page));
		RES(isatty(fd));
		RES(syscall(SYS_ioctl, fd, TCGETS | 1UL << 32, page));
		HEX(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH));
		RES(fcntl(fd, F_SETFD, FD_CLOEXEC));
		RES(fcntl(fd, F_SETFD, FD_CLOEXEC));
		RES(fcntl(fd, F_GETFD));
		RES(fcntl(fd, F_SETFD, 2));
		RES(fcntl(fd, F_SETFD, ~1L));
		RES(fcntl(fd, F_GETFD));
		RES(fcntl(fd, 12345));
		RES(fcntl(fd, F_SETFL, O_PATH));
	}
	RES(fcntl(63, F_GETFD));
	RES(fcntl(63, F_SETFD, 0));
	RES(fcntl(63, F_GETFL));
	RES(ioctl(63, TCGETS, page));
}

/* --- many of them ----------------------------------------------------------------------------- */

/* Open, ask, close: the same numbers again and again for other files. */
static void in_turns(void)
{
	const char *names[] = {at("f"), base, own};
	int wrong = 0, fd[8];

	for (int i = 0; i < 300; i++) {
		struct stat st, by_path;
		unsigned n = 1 + (unsigned)i % 8;

		for (unsigned k = 0; k < n; k++)
			fd[k] = open(names[(unsigned)i * 5 % 7 % 3],
			             k % 2 ? O_RDONLY : O_RDONLY | O_CLOEXEC);
		for (unsigned k = 0; k < n; k++) {
			stat(names[(unsigned)i * 5 % 7 % 3], &by_path);
			wrong += raw_fstat(fd[k], &st) || st.st_ino != by_path.st_ino;
			wrong += raw_fstat(fd[k], &st) || st.st_size != by_path.st_size;
			wrong += fcntl(fd[k], F_GETFD) != (k % 2 ? 0 : FD_CLOEXEC);
		}
		for (unsigned k = 0; k < n; k++)
			close(fd[(k + (unsigned)i) % n]);
	}
	NUM(wrong);
}

static void change_descriptor(void)
{
	take_steps(descriptor_steps, sizeof(descriptor_steps) / sizeof(descriptor_steps[0]));
	of_calls();
	in_turns();
}

int main(int argc, char **argv)
{
	(void)argc;
	in_places(argv[0], change_descriptor);
	return 0;
}
