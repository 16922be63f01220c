/*
 * openat2(2): the RESOLVE_* restrictions, strict flag checks and the extensible struct.
 */
#include "compat.h"
#include <linux/openat2.h>

static long open2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};

	return syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int main(void)
{
	struct {
		struct open_how how;
		uint64_t more;
	} big = {{.flags = O_RDONLY}, 0};
	int d;

	tmp_enter();
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	put_file("d/f", "f");
	put_file("out", "o");
	RES(symlink("f", "d/in"));
	RES(symlink("../out", "d/up"));
	RES(symlink("/etc/passwd", "d/abs"));
	d = (int)OKAY(open("d", O_PATH));

	OKAY(open2(d, "f", O_RDONLY, 0, 0));
	OKAY(open2(d, "up", O_RDONLY, 0, 0));
	OKAY(open2(d, "in", O_RDONLY, 0, RESOLVE_BENEATH));
	RES(open2(d, "up", O_RDONLY, 0, RESOLVE_BENEATH));
	RES(open2(d, "abs", O_RDONLY, 0, RESOLVE_BENEATH));
	RES(open2(d, "../out", O_RDONLY, 0, RESOLVE_BENEATH));
	RES(open2(d, "/etc", O_RDONLY, 0, RESOLVE_BENEATH));
	OKAY(open2(d, "e/../f", O_RDONLY, 0, RESOLVE_BENEATH));
	RES(open2(d, "in", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	OKAY(open2(d, "f", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	RES(open2(d, "up", O_RDONLY, 0, RESOLVE_IN_ROOT));
	OKAY(open2(d, "../f", O_RDONLY, 0, RESOLVE_IN_ROOT));
	OKAY(open2(d, "/f", O_RDONLY, 0, RESOLVE_IN_ROOT));
	RES(open2(d, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT));
	RES(open2(d, "f", O_RDONLY, 0, RESOLVE_IN_ROOT | RESOLVE_BENEATH));
	RES(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	RES(open2(AT_FDCWD, "/proc/self/stat", O_RDONLY, 0, RESOLVE_NO_XDEV));
	OKAY(open2(AT_FDCWD, "d/f", O_RDONLY, 0, RESOLVE_NO_XDEV));

	RES(open2(d, "f", O_RDONLY, 0644, 0));
	RES(open2(d, "n", O_WRONLY | O_CREAT, 0100000644, 0));
	OKAY(open2(d, "n", O_WRONLY | O_CREAT, 0644, 0));
	RES(open2(d, "f", 1ULL << 40, 0, 0));
	RES(open2(d, "f", O_RDONLY, 0, 1ULL << 20));
	RES(syscall(SYS_openat2, d, "f", &big, sizeof(struct open_how) - 8));
	OKAY(syscall(SYS_openat2, d, "f", &big, sizeof(big)));
	big.more = 1;
	RES(syscall(SYS_openat2, d, "f", &big, sizeof(big)));
	RES(syscall(SYS_openat2, d, "f", bad_ptr(), sizeof(struct open_how)));
	return 0;
}
