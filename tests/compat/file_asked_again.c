/*
 * What an open file says of itself, asked so often that a platform may have found a short way to
 * answer: fstat and its kin, its flags, whether it is a terminal. It must be what is so now,
 * whoever has changed the file or the descriptor, by whatever way: this thread, another one, or
 * another process. Compared with what can be asked in other ways: statx, /proc/self/fdinfo.
 */
#define COMPAT_ALARM 40
#include "compat.h"
#include <linux/aio_abi.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <termios.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

#define OFTEN 4

/* Descriptors: a file that can be written, its directory, this program, the file as a name only. */
enum { FILE_FD = 20, DIR_FD, SELF_FD, PATH_FD, FDS_END };
static const char *const shown[] = {"file", "dir", "self", "path"};

static char base[200];
static const char *own;

static const char *at(const char *name)
{
	static _Thread_local char buf[4][300];
	static _Thread_local unsigned next;
	char *p = buf[next++ % 4];

	snprintf(p, sizeof(buf[0]), "%s/%s", base, name);
	return p;
}

/* --- what it says, asked in two ways ------------------------------------------------------ */

static long raw_fstat(int fd, struct stat *st)
{
	return syscall(SYS_fstat, fd, st);
}

static long raw_fstatat(int fd, struct stat *st)
{
	return syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
}

/* By the name that the descriptor has been opened by: what that leads to now may be another. */
static const char *name_of(int fd)
{
	return fd == DIR_FD ? base : fd == SELF_FD ? own : at("f");
}

static long raw_stat(int fd, struct stat *st)
{
	return fd == DIR_FD ? syscall(SYS_stat, base, st)
	                    : syscall(SYS_newfstatat, AT_FDCWD, name_of(fd), st, 0);
}

/* O_CLOEXEC among them, if the descriptor has that. */
static unsigned fdinfo_flags(int fd)
{
	char name[64], line[100];
	unsigned flags = ~0u;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/thread-self/fdinfo/%d", fd);
	f = fopen(name, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "flags: %o", &flags);
	if (f)
		fclose(f);
	return flags;
}

static bool same_time(const struct timespec *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && (uint32_t)a->tv_nsec == b->tv_nsec;
}

static void differs(char *out, const char *what, bool does)
{
	if (does)
		snprintf(out + strlen(out), 500 - strlen(out), " %s", what);
}

static void compare_stat(char *out, const char *how, const struct stat *st, const struct statx *sx)
{
	char bad[500] = "";

	differs(bad, "dev", st->st_dev != makedev(sx->stx_dev_major, sx->stx_dev_minor));
	differs(bad, "ino", st->st_ino != sx->stx_ino);
	differs(bad, "mode", st->st_mode != sx->stx_mode);
	differs(bad, "nlink", st->st_nlink != sx->stx_nlink);
	differs(bad, "uid", st->st_uid != sx->stx_uid);
	differs(bad, "gid", st->st_gid != sx->stx_gid);
	differs(bad, "size", (uint64_t)st->st_size != sx->stx_size);
	differs(bad, "blocks", (uint64_t)st->st_blocks != sx->stx_blocks);
	differs(bad, "blksize", (uint64_t)st->st_blksize != sx->stx_blksize);
	differs(bad, "atime", !same_time(&st->st_atim, &sx->stx_atime));
	differs(bad, "mtime", !same_time(&st->st_mtim, &sx->stx_mtime));
	differs(bad, "ctime", !same_time(&st->st_ctim, &sx->stx_ctime));
	if (bad[0])
		differs(out, how, true);
	strncat(out, bad, 499 - strlen(out));
}

/* Appends what is not as it should be. */
static void check_one(char *out, int fd)
{
	struct stat st[3];
	struct statx sx;
	char bad[500] = "";
	long r1, r2, r3, rx;
	int fl, cloexec;
	unsigned info;

	memset(st, 0xa5, sizeof(st));
	r1 = raw_fstat(fd, &st[0]);
	r2 = raw_fstatat(fd, &st[1]);
	/* Last, as it may bring up to date what the others are to know. */
	rx = syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx);
	if (r1 != rx || r2 != rx)
		differs(bad, "result", true);
	if (!rx && !r1)
		compare_stat(bad, "fstat", &st[0], &sx);
	if (!rx && !r2)
		compare_stat(bad, "fstatat", &st[1], &sx);
	r3 = raw_stat(fd, &st[2]);
	rx = syscall(SYS_statx, AT_FDCWD, name_of(fd), 0, STATX_BASIC_STATS, &sx);
	if (r3 != rx)
		differs(bad, "result by name", true);
	if (!rx && !r3)
		compare_stat(bad, "stat", &st[2], &sx);
	fl = fcntl(fd, F_GETFL);
	cloexec = fcntl(fd, F_GETFD);
	info = fdinfo_flags(fd);
	if ((info == ~0u) != (fl == -1) || (fl == -1) != (cloexec == -1))
		differs(bad, "open", true);
	else if (fl != -1)
		differs(bad, "flags", ((unsigned)fl | (cloexec ? O_CLOEXEC : 0)) != info);
	if (bad[0]) {
		differs(out, shown[fd - FILE_FD], true);
		strncat(out, ":", 499 - strlen(out));
		strncat(out, bad, 499 - strlen(out));
	}
}

static void check(char *out)
{
	char before[500];

	out[0] = 0;
	for (int fd = FILE_FD; fd < FDS_END; fd++) {
		strcpy(before, out);
		check_one(out, fd);
		/* Natively another run may change this program's file just then. */
		for (int i = 0; fd == SELF_FD && i < 5 && strcmp(out, before) != 0; i++) {
			strcpy(out, before);
			usleep(2000);
			check_one(out, fd);
		}
	}
}

/* Asks until there is nothing to be learnt any more. */
static void learn(void)
{
	struct stat st;

	for (int i = 0; i < OFTEN; i++)
		for (int fd = FILE_FD; fd < FDS_END; fd++) {
			raw_fstat(fd, &st);
			raw_fstatat(fd, &st);
			raw_stat(fd, &st);
			fcntl(fd, F_GETFL);
			fcntl(fd, F_GETFD);
			ioctl(fd, TCGETS, NULL);
		}
}

/* --- changes of the file ------------------------------------------------------------------- */

static int by_name(const char *name, int flags)
{
	return open(at(name), flags, 0600);
}

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

static const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};

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

static long step_run(void)
{
	char c;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl(own, own, "nothing", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return status ?: pread(SELF_FD, &c, 1, 0);
}

/* --- of its directory ------------------------------------------------------------------------ */

static long step_mkdir(void)
{
	return mkdir(at("sub"), 0700);
}

static long step_rmdir(void)
{
	return rmdir(at("sub"));
}

static long step_create(void)
{
	return close(by_name("new", O_CREAT | O_EXCL | O_WRONLY));
}

static long step_symlink(void)
{
	return symlink("nowhere", at("link"));
}

static const char *away(void)
{
	static _Thread_local char name[300];

	snprintf(name, sizeof(name), "%s.away", base);
	return name;
}

static long step_move_away(void)
{
	return rename(at("new"), away());
}

static long step_move_back(void)
{
	return rename(away(), at("new"));
}

static long step_remove(void)
{
	return unlink(at("link")) ?: unlink(at("new"));
}

static long step_fchmod_dir(void)
{
	return fchmod(DIR_FD, 0750);
}

static long step_times_of_dir(void)
{
	return futimens(DIR_FD, long_ago);
}

static long step_list(void)
{
	char buf[4096];
	int fd = open(base, O_RDONLY | O_DIRECTORY);
	long r = syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0 ? 0 : -1;

	close(fd);
	return r;
}

static long step_rename_dir(void)
{
	return rename(base, away()) ?: rename(away(), base);
}

static long step_replace(void)
{
	long r = rename(at("f"), at("old"));

	learn();
	if (!r)
		r = close(by_name("f", O_CREAT | O_EXCL | O_WRONLY));
	learn();
	return r ?: rename(at("old"), at("f"));
}

/* --- of what the sandbox has from the host: copied up by the first of them ---------------------
 */

static long step_self_times(void)
{
	const struct timespec ts[2] = {{.tv_sec = 5000}, {.tv_nsec = UTIME_OMIT}};

	return utimensat(AT_FDCWD, own, ts, 0);
}

static long step_self_read(void)
{
	char c;

	return pread(SELF_FD, &c, 1, 0);
}

static long step_self_chmod(void)
{
	struct stat st;

	return stat(own, &st) ?: chmod(own, st.st_mode & 07777);
}

/* --- of the descriptor ----------------------------------------------------------------------- */

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

/* --- who does it, and who asks ------------------------------------------------------------------
 */

/* What a native run shows is to be seen here, too; QUIET where file systems differ. */
enum { QUIET = 1, OWN = 2 /* of the process's own descriptors: not by another process */ };

static const struct step {
	const char *name;
	long (*fn)(void);
	int how;
} steps[] = {
#define STEP(f, how)                                                                               \
	{                                                                                          \
#f, step_##f, how                                                                  \
	}
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
    STEP(run, QUIET),
    STEP(mkdir, 0),
    STEP(rmdir, 0),
    STEP(create, 0),
    STEP(symlink, 0),
    STEP(move_away, 0),
    STEP(move_back, 0),
    STEP(remove, 0),
    STEP(fchmod_dir, 0),
    STEP(rename_dir, 0),
    STEP(replace, 0),
    STEP(times_of_dir, 0),
    STEP(list, QUIET),
    STEP(self_times, QUIET),
    STEP(self_read, QUIET),
    STEP(self_chmod, QUIET),
    STEP(cloexec, OWN),
    STEP(cloexec_again, OWN),
    STEP(no_cloexec, OWN),
    STEP(fioclex, OWN),
    STEP(fionclex, OWN),
    STEP(range_cloexec, OWN),
    STEP(range_undone, OWN),
    STEP(append_flag, 0),
    STEP(flags_of_dup, 0),
    STEP(fionbio, 0),
    STEP(no_flags, 0),
    STEP(dup2, OWN),
    STEP(dup3, OWN),
    STEP(range_closed, OWN),
    STEP(reopen, OWN),
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

enum { LEARN = -1, CHECK = -2, END = -3 };

struct helper {
	const char *name;
	sem_t asked, done;
	int what;
	long result;
	char said[500];
};

static void *helper_loop(void *arg)
{
	struct helper *h = arg;

	for (;;) {
		sem_wait(&h->asked);
		if (h->what == LEARN)
			learn();
		else if (h->what == CHECK)
			check(h->said);
		else if (h->what == END)
			return NULL;
		else
			h->result = steps[h->what].fn() < 0 ? -errno : 0;
		sem_post(&h->done);
	}
}

static void let(struct helper *h, int what)
{
	h->what = what;
	sem_post(&h->asked);
	if (what != END)
		sem_wait(&h->done);
}

static struct helper *helpers; /* a thread, and a process that has our files by other descriptors */
#define HELPERS 2

static void take_step(unsigned k, int by)
{
	struct stat before[2], after[2];
	char bad[500];
	long r;

	/* All is to be learnt anew, flags included, and a read is to change something. */
	futimens(FILE_FD, long_ago);
	learn();
	for (int i = 0; i < HELPERS; i++)
		let(&helpers[i], LEARN);
	for (int i = 0; i < 2; i++)
		raw_fstat(FILE_FD + i, &before[i]);
	/* So that times differ. */
	usleep(12000);
	if (by < 0) {
		r = steps[k].fn() < 0 ? -errno : 0;
	} else {
		let(&helpers[by], (int)k);
		r = helpers[by].result;
	}
	check(bad);
	for (int i = 0; i < 2; i++)
		raw_fstat(FILE_FD + i, &after[i]);
	printf("%s by %s:", steps[k].name, by < 0 ? "itself" : helpers[by].name);
	if (!(steps[k].how & QUIET))
		printf(" %s%s%s", r ? err_name((int)-r) : "done",
		       memcmp(&before[0], &after[0], sizeof(after[0])) ? ", file" : "",
		       memcmp(&before[1], &after[1], sizeof(after[1])) ? ", dir" : "");
	printf("%s%s\n", bad[0] ? " WRONG" : "", bad);
	for (int i = 0; i < HELPERS; i++) {
		let(&helpers[i], CHECK);
		if (helpers[i].said[0])
			printf("  %s: WRONG%s\n", helpers[i].name, helpers[i].said);
	}
}

static void all_steps(int by)
{
	for (unsigned k = 0; k < STEPS; k++)
		if (by != 1 || !(steps[k].how & OWN))
			take_step(k, by);
}

static void must_be(int fd, int want)
{
	if (fd < 0 || dup2(fd, want) != want)
		die("descriptor %d", want);
	close(fd);
}

static void begin(const char *where)
{
	snprintf(base, sizeof(base), "%s/file_asked_again.%d", where, getpid());
	if (mkdir(base, 0755))
		die("mkdir");
	must_be(by_name("f", O_RDWR | O_CREAT | O_EXCL), FILE_FD);
	must_be(open(base, O_RDONLY | O_DIRECTORY), DIR_FD);
	must_be(open(own, O_RDONLY), SELF_FD);
	must_be(by_name("f", O_PATH), PATH_FD);
}

static void with_helpers(void)
{
	pthread_t thread;
	pid_t pid;

	helpers = mmap(NULL, sizeof(*helpers) * HELPERS, PROT_READ | PROT_WRITE,
	               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < HELPERS; i++) {
		sem_init(&helpers[i].asked, 1, 0);
		sem_init(&helpers[i].done, 1, 0);
	}
	helpers[0].name = "a thread";
	helpers[1].name = "a process";
	learn();
	pid = fork();
	if (pid == 0) {
		helper_loop(&helpers[1]);
		_exit(0);
	}
	pthread_create(&thread, NULL, helper_loop, &helpers[0]);
	for (int by = -1; by < HELPERS; by++)
		all_steps(by);
	for (int i = 0; i < HELPERS; i++)
		let(&helpers[i], END);
	pthread_join(thread, NULL);
	waitpid(pid, NULL, 0);
}

/* --- tables that part, programs that follow -------------------------------------------------- */

static void *parts(void *arg)
{
	char bad[500];

	(void)arg;
	learn();
	RES(unshare(CLONE_FILES));
	RES(dup2(DIR_FD, FILE_FD));
	check(bad);
	printf("its own:%s\n", bad);
	learn();
	return NULL;
}

static void of_tables(void)
{
	pthread_t thread;
	char bad[500];
	int status;

	learn();
	pthread_create(&thread, NULL, parts, NULL);
	pthread_join(thread, NULL);
	check(bad);
	printf("ours:%s\n", bad);
	/* A child knows what its parent was told, and is not to use it for files of its own. */
	learn();
	if (fork() == 0) {
		dup2(SELF_FD, FILE_FD);
		close(DIR_FD);
		check(bad);
		printf("a child's:%s\n", bad);
		exit(0);
	}
	wait(&status);
	check(bad);
	printf("ours:%s\n", bad);
	if (vfork() == 0) {
		dup2(SELF_FD, FILE_FD);
		check(bad);
		printf("a vforked child's:%s\n", bad);
		_exit(0);
	}
	wait(&status);
	check(bad);
	printf("ours:%s\n", bad);
}

__attribute__((format(printf, 2, 3))) static void put_line(const char *path, const char *fmt, ...)
{
	FILE *f = fopen(path, "w");
	va_list ap;

	va_start(ap, fmt);
	if (f) {
		vfprintf(f, fmt, ap);
		fclose(f);
	}
	va_end(ap);
}

static void in_namespaces(void)
{
	char bad[500];

	learn();
	if (fork() == 0) {
		uid_t uid = getuid();
		gid_t gid = getgid();

		learn();
		/* Natively not everyone may; then nothing has changed. */
		unshare(CLONE_NEWUSER);
		check(bad);
		printf("in a user namespace:%s\n", bad);
		learn();
		put_line("/proc/self/setgroups", "deny");
		put_line("/proc/self/uid_map", "5 %d 1", (int)uid);
		put_line("/proc/self/gid_map", "6 %d 1", (int)gid);
		check(bad);
		printf("with names of its own:%s\n", bad);
		/* Now it is settled who it is. */
		prctl(PR_SET_DUMPABLE, 1);
		if (getuid() == 5)
			setresuid(5, 5, 5);
		check(bad);
		printf("as one of these:%s\n", bad);
		learn();
		check(bad);
		printf("as one of these:%s\n", bad);
		exit(0);
	}
	wait(NULL);
}

static void after_exec(void)
{
	char bad[500];

	fcntl(DIR_FD, F_SETFD, FD_CLOEXEC);
	learn();
	if (fork() == 0) {
		learn();
		execl(own, own, "kept", NULL);
		die("exec");
	}
	wait(NULL);
	check(bad);
	printf("ours:%s\n", bad);
}

static void kept(void)
{
	char bad[500];

	check(bad);
	printf("after execve:%s\n", bad);
	learn();
	check(bad);
	printf("after execve:%s\n", bad);
	RES(fcntl(DIR_FD, F_GETFD));
	RES(fcntl(FILE_FD, F_GETFD));
}

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

static void end(void)
{
	char bad[500];

	unlink(at("f"));
	learn();
	RES(rmdir(base));
	check(bad);
	printf("removed:%s\n", bad);
}

int main(int argc, char **argv)
{
	own = realpath(argv[0], NULL);
	if (argc > 1 && !strcmp(argv[1], "kept"))
		return kept(), 0;
	if (argc > 1)
		return 0;
	/* What there is of the sandbox alone, and what shows the host's in copies of its own. */
	for (int i = 0; i < 2; i++) {
		begin(i ? "/var/tmp" : "/tmp");
		with_helpers();
		in_namespaces();
		of_tables();
		after_exec();
		of_calls();
		in_turns();
		end();
	}
	return 0;
}
