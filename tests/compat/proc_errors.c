/*
 * What /proc refuses: creating, removing, renaming, linking; offsets and short reads of generated
 * files. proc(5).
 */
#include "compat.h"
#include <sys/vfs.h>

int main(void)
{
	char whole[4096], parts[4096], c;
	ssize_t n, m = 0, k;
	struct stat st;
	struct statfs fs;
	int fd;

	RES(open("/proc/newfile", O_WRONLY | O_CREAT, 0600));
	RES(mkdir("/proc/newdir", 0700));
	RES(unlink("/proc/version"));
	RES(rmdir("/proc/self"));
	RES(rmdir("/proc/sys"));
	RES(rename("/proc/version", "/proc/v"));
	RES(rename("/proc/version", "/tmp/compat-v"));
	RES(link("/proc/version", "/proc/v"));
	RES(link("/proc/version", "/tmp/compat-v"));
	RES(symlink("x", "/proc/l"));
	IN_CHILD("as nobody", become_nobody(); RES(open("/proc/version", O_RDWR));
	         RES(truncate("/proc/version", 0)); RES(access("/proc/version", W_OK)));
	RES(chmod("/proc/self/stat", 0600));
	RES(access("/proc/self/none", F_OK));
	RES(access("/proc/self/stat/x", F_OK));
	RES(open("/proc/self/task/1x", O_RDONLY));
	fd = open("/proc/version", O_RDONLY);
	n = read(fd, whole, sizeof(whole));
	YES(n > 10);
	RES(read(fd, whole, 10));
	RES(lseek(fd, 0, SEEK_SET));
	while ((k = read(fd, &c, 1)) == 1)
		parts[m++] = c;
	YES(m == n && !memcmp(whole, parts, (size_t)n));
	YES(pread(fd, parts, 5, 3) == 5 && !memcmp(parts, whole + 3, 5));
	YES(lseek(fd, 100000, SEEK_SET) == 100000);
	RES(read(fd, parts, 10));
	RES(lseek(fd, -1, SEEK_SET));
	RES(read(fd, bad_ptr(), 10));
	RES(lseek(fd, 0, SEEK_SET));
	RES(read(fd, bad_ptr(), 10));
	RES(fstat(fd, &st));
	printf("mode %o size %ld nlink %ld\n", st.st_mode, (long)st.st_size, (long)st.st_nlink);
	RES(statfs("/proc/self/fd", &fs));
	HEX(fs.f_type);
	RES(stat("/proc", &st));
	printf("mode %o\n", st.st_mode);
	RES(stat("/proc/self", &st));
	YES(S_ISDIR(st.st_mode));
	YES(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	RES(ftruncate(fd, 0));
	IN_CHILD("another user's", become_nobody(); char path[64];
	         snprintf(path, sizeof(path), "/proc/%d/environ", getppid());
	         RES(open(path, O_RDONLY) >= 0 || errno == EACCES));
	/* That there is no such name comes before the lack of a right to make it. */
	IN_CHILD("an ordinary user", become_nobody();
	         RES(open("/proc/newfile", O_WRONLY | O_CREAT, 0600));
	         RES(mkdir("/proc/newdir", 0700)); RES(mkdir("/proc/self/fd/new", 0700));
	         RES(mkdir("/proc/sys/new", 0700)); RES(link("/proc/version", "/proc/v"));
	         RES(rename("/proc/version", "/proc/v")); RES(symlink("x", "/proc/l"));
	         RES(mkdir("/sys/new", 0700)); RES(access("/proc/self/fd/1", F_OK));
	         OKAY(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
	         RES(access("/proc/1/fd/1", F_OK)));
	return 0;
}
