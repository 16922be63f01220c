/*
 * execve(2) errors: ENOENT, EACCES, ENOEXEC, ENOTDIR, EISDIR/EACCES, E2BIG, ELOOP, EFAULT,
 * ENAMETOOLONG, ETXTBSY.
 */
#include "compat.h"

extern char **environ;

int main(void)
{
	char *argv[] = {"x", NULL}, *bigv[3];
	static char big[140000];
	int fd;

	tmp_enter();
	put_file("noexec", "#!/bin/sh\n");
	put_file("garbage", "this is no program at all");
	put_file("empty", "");
	put_file("elf", "\177ELFbroken");
	put_file("nointerp", "#!/nonexistent/interpreter\n");
	put_file("dirinterp", "#!/tmp\n");
	put_file("noname", "#!\n");
	for (const char **f = (const char *[]){"garbage", "empty", "elf", "nointerp", "dirinterp",
	                                       "noname", NULL};
	     *f; f++)
		chmod(*f, 0755);
	RES(symlink("loop", "loop"));

	RES(execve("none", argv, environ));
	RES(execve("noexec", argv, environ));
	RES(execve("garbage", argv, environ));
	RES(execve("empty", argv, environ));
	RES(execve("elf", argv, environ));
	RES(execve("nointerp", argv, environ));
	RES(execve("dirinterp", argv, environ));
	RES(execve("noname", argv, environ));
	RES(execve(".", argv, environ));
	RES(execve("garbage/x", argv, environ));
	RES(execve("loop", argv, environ));
	RES(execve("", argv, environ));
	RES(execve(bad_ptr(), argv, environ));
	RES(execve("/bin/true", bad_ptr(), environ));
	RES(execve("/bin/true", argv, bad_ptr()));
	RES(execve("/bin/true", (char *[]){"x", bad_ptr(), NULL}, environ));
	RES(execve("/dev/null", argv, environ));

	/* One string may have 128 KiB (MAX_ARG_STRLEN) with its terminator, no more. */
	memset(big, 'x', sizeof(big));
	bigv[0] = "true";
	bigv[1] = big;
	bigv[2] = NULL;
	big[131072] = 0;
	RES(execve("/bin/true", bigv, environ));
	big[131071] = 0;
	IN_CHILD("131071 bytes", execve("/bin/true", bigv, environ); _exit(9));

	/* A program open for writing cannot be run, and a running one cannot be written. */
	fd = open("busy", O_WRONLY | O_CREAT, 0755);
	if (write(fd, "#!/bin/true\n", 12) != 12)
		die("write");
	RES(execve("./busy", argv, environ));
	close(fd);
	IN_CHILD("no longer busy", execve("./busy", argv, environ); _exit(9));
	fd = open("/proc/self/exe", O_WRONLY);
	YES(fd < 0 && (errno == ETXTBSY || errno == EACCES || errno == EROFS));
	RES(execveat(-1, "", argv, environ, AT_EMPTY_PATH));
	RES(execveat(AT_FDCWD, "garbage", argv, environ, 0x8000));
	return 0;
}
