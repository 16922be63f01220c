/*
 * Names that are asked about so often that a platform may have found a short way to answer: the
 * questions, and a folder to ask about.
 */
#ifndef COMPAT_NAMES_H
#define COMPAT_NAMES_H

#include <ftw.h>

#define OFTEN 5

static char base[32];

COMPAT_INLINE const char *at(const char *name)
{
	return path_in(base, name);
}

COMPAT_INLINE long ask(int how, const char *path)
{
	struct stat st;
	char link[8];

	switch (how) {
	case 0:
		return syscall(SYS_stat, path, &st);
	case 1:
		return syscall(SYS_lstat, path, &st);
	case 2:
		return syscall(SYS_access, path, F_OK);
	case 3:
		return syscall(SYS_access, path, R_OK | W_OK);
	case 4:
		return syscall(SYS_readlink, path, link, sizeof(link));
	case 5:
		return syscall(SYS_faccessat, AT_FDCWD, path, X_OK);
	case 6:
		return syscall(SYS_faccessat2, -1, path, W_OK, AT_EACCESS);
	case 7:
		return syscall(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	default:
		return syscall(SYS_readlinkat, -1, path, link, sizeof(link));
	}
}
#define WAYS 9

static const char *const names[] = {"f", "f/x", "d", "d/f", "d/d", "d/d/f", "e/d/f", "l", "s"};
#define NAMES (sizeof(names) / sizeof(names[0]))

/* All questions, each a few times: one line of what was said, '!' where that was not always the
 * same. */
COMPAT_INLINE void answers(char out[1000])
{
	size_t n = 0;

	for (unsigned i = 0; i < NAMES; i++) {
		n += (size_t)snprintf(out + n, 1000 - n, "%s%s:", i ? " " : "", names[i]);
		for (int how = 0; how < WAYS; how++) {
			long r = 0;
			int e = 0;
			char c;

			for (int k = 0; k < OFTEN; k++) {
				errno = 0;
				long now = ask(how, at(names[i]));

				if (k && (now != r || errno != e))
					r = -2;
				if (!k)
					r = now, e = errno;
			}
			c = r == -2        ? '!'
			    : r >= 0       ? (char)('0' + r)
			    : e == ENOENT  ? 'n'
			    : e == ENOTDIR ? 't'
			    : e == EINVAL  ? 'i'
			    : e == EACCES  ? 'a'
			    : e == EROFS   ? 'r'
			    : e == ELOOP   ? 'l'
			                   : '?';
			out[n++] = c;
		}
		out[n] = 0;
	}
}

/* What is seen now, in a line. */
COMPAT_INLINE void say(const char *when)
{
	char mine[1000];

	answers(mine);
	printf("%s: %s\n", when, mine);
}

COMPAT_INLINE int make(const char *name)
{
	int fd = open(at(name), O_CREAT | O_EXCL | O_WRONLY, 0600);

	return fd < 0 ? -1 : close(fd);
}

/* Runs fn in a folder of its own, in memory and on a disk if these are apart. */
COMPAT_INLINE void in_folders(void (*fn)(void))
{
	static const char *const templates[] = {"/tmp/namesXXXXXX", "/var/tmp/namesXXXXXX"};

	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
		snprintf(base, sizeof(base), "%s", templates[i]);
		if (!mkdtemp(base))
			die("mkdtemp");
		fn();
		nftw(base, compat_remove, 10, FTW_DEPTH | FTW_PHYS);
	}
}

#endif
