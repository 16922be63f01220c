/*
 * What an open file says of itself, asked so often that a platform may have found a short way to
 * answer: the questions, what they are compared with, and descriptors to ask about.
 */
#ifndef COMPAT_FILES_H
#define COMPAT_FILES_H

#include <sys/ioctl.h>
#include <sys/sysmacros.h>
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

COMPAT_INLINE const char *at(const char *name)
{
	return path_in(base, name);
}

/* --- what it says, asked in two ways ------------------------------------------------------ */

COMPAT_INLINE long raw_fstat(int fd, struct stat *st)
{
	return syscall(SYS_fstat, fd, st);
}

COMPAT_INLINE long raw_fstatat(int fd, struct stat *st)
{
	return syscall(SYS_newfstatat, fd, "", st, AT_EMPTY_PATH);
}

/* By the name that the descriptor has been opened by: what that leads to now may be another. */
COMPAT_INLINE const char *name_of(int fd)
{
	return fd == DIR_FD ? base : fd == SELF_FD ? own : at("f");
}

COMPAT_INLINE long raw_stat(int fd, struct stat *st)
{
	return fd == DIR_FD ? syscall(SYS_stat, base, st)
	                    : syscall(SYS_newfstatat, AT_FDCWD, name_of(fd), st, 0);
}

/* O_CLOEXEC among them, if the descriptor has that. */
COMPAT_INLINE unsigned fdinfo_flags(int fd)
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

COMPAT_INLINE bool same_time(const struct timespec *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && (uint32_t)a->tv_nsec == b->tv_nsec;
}

COMPAT_INLINE void differs(char *out, const char *what, bool does)
{
	if (does)
		snprintf(out + strlen(out), 500 - strlen(out), " %s", what);
}

COMPAT_INLINE void compare_stat(char *out, const char *how, const struct stat *st,
                                const struct statx *sx)
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
COMPAT_INLINE void check_one(char *out, int fd)
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

COMPAT_INLINE void check(char *out)
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
COMPAT_INLINE void learn(void)
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

/* --- the files ------------------------------------------------------------------------------ */

COMPAT_INLINE int by_name(const char *name, int flags)
{
	return open(at(name), flags, 0600);
}

COMPAT_INLINE void must_be(int fd, int want)
{
	if (fd < 0 || dup2(fd, want) != want)
		die("descriptor %d", want);
	close(fd);
}

COMPAT_INLINE void begin(const char *where)
{
	snprintf(base, sizeof(base), "%s/compat_files.%d", where, getpid());
	if (mkdir(base, 0755))
		die("mkdir");
	must_be(by_name("f", O_RDWR | O_CREAT | O_EXCL), FILE_FD);
	must_be(open(base, O_RDONLY | O_DIRECTORY), DIR_FD);
	must_be(open(own, O_RDONLY), SELF_FD);
	must_be(by_name("f", O_PATH), PATH_FD);
}

/*
 * Runs fn with what there is of the sandbox alone, and with what shows the host's in copies of its
 * own: there this program has been copied up since it was opened.
 */
COMPAT_INLINE void in_places(const char *program, void (*fn)(void))
{
	static const char *const places[] = {"/tmp", "/var/tmp"};
	struct stat st;

	own = realpath(program, NULL);
	for (int i = 0; i < 2; i++) {
		begin(places[i]);
		if (i == 1 && !stat(own, &st))
			chmod(own, st.st_mode & 07777);
		fn();
		unlink(at("f"));
		/* fn may have removed it, but nothing else is left in it. */
		if (rmdir(base) && errno != ENOENT)
			die("rmdir");
	}
}

#endif
