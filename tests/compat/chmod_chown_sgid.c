/*
 * chmod(2), chown(2), umask(2), set-group-id directories, clearing of set-id bits by writes and
 * chown.
 */
#include "compat.h"

static void mode(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		printf("%s: %s\n", path, err_name(errno));
	else
		printf("%s: mode %o mine %d gid %s\n", path, st.st_mode, st.st_uid == geteuid(),
		       st.st_gid == getegid() ? "mine"
		       : st.st_gid == 12345   ? "12345"
		                              : "other");
}

int main(void)
{
	int fd;

	tmp_enter();
	for (int m = 0; m <= 0777; m += 0111) {
		umask((mode_t)m);
		fd = open("u", O_WRONLY | O_CREAT, 0666);
		close(fd);
		mode("u");
		unlink("u");
	}
	umask(0);
	RES(mkdir("all", 07777));
	mode("all");
	printf("umask was %o\n", umask(022));
	put_file("f", "x");
	RES(chmod("f", 07777));
	mode("f");
	RES(chmod("f", 0177777));
	mode("f");
	fd = open("f", O_WRONLY);
	RES(fchmod(fd, 0000));
	mode("f");
	RES(write(fd, "still", 5));
	RES(symlink("f", "l"));
	RES(chmod("l", 0640));
	mode("f");
	mode("l");
	RES(chmod("none", 0));
	RES(chmod("f/x", 0));
	RES(chmod(bad_ptr(), 0));
	RES(fchmod(999, 0));
	RES(fchmodat(AT_FDCWD, "f", 0604, 0));
	mode("f");
	RES(chown("f", -1, -1));
	RES(chown("none", -1, -1));
	RES(lchown("l", getuid(), getgid()));
	RES(fchown(fd, getuid(), -1));
	RES(fchownat(AT_FDCWD, "l", -1, getgid(), AT_SYMLINK_NOFOLLOW));
	RES(fchownat(fd, "", -1, getgid(), AT_EMPTY_PATH));
	RES(fchownat(AT_FDCWD, "l", -1, -1, 0x8));

	/* Set-id bits: chown drops them from a file, so does a write by one without privilege. */
	RES(chmod("f", 06755));
	RES(chown("f", getuid(), getgid()));
	mode("f");
	if (geteuid() == 0) {
		RES(mkdir("sg", 02775));
		RES(chown("sg", -1, 12345));
		RES(chmod("sg", 02775));
		put_file("sg/f", "");
		mode("sg/f");
		RES(mkdir("sg/d", 0755));
		mode("sg/d");
		RES(chown("f", 4242, 4343));
		mode("f");
		put_file("w", "");
		RES(chmod("w", 06777));
		RES(chmod(".", 0755));
		IN_CHILD("writer", become_nobody(); fd = open("w", O_WRONLY);
		         RES(write(fd, "x", 1)));
		mode("w");
		IN_CHILD("not the owner", become_nobody(); RES(chmod("w", 0));
		         RES(chown("w", 65534, -1)); RES(truncate("w", 0)));
	} else {
		RES(chown("f", 0, -1));
		RES(chown("f", -1, 0));
		RES(chmod("/etc", 0777));
	}
	return 0;
}
