/*
 * As file_asked_again, of a directory whose entries come and go, and of what the sandbox has from
 * the host until it is changed: then it is a copy of its own.
 */
#include "compat.h"
#include "compat_files.h"
#include "compat_file_steps.h"

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

/* --- of what the sandbox has from the host: copied up by the first that changes it --------- */

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

static const struct step directory_steps[] = {
    STEP(mkdir, 0),      STEP(rmdir, 0),          STEP(create, 0),        STEP(symlink, 0),
    STEP(move_away, 0),  STEP(move_back, 0),      STEP(remove, 0),        STEP(fchmod_dir, 0),
    STEP(rename_dir, 0), STEP(replace, 0),        STEP(times_of_dir, 0),  STEP(list, QUIET),
    STEP(run, QUIET),    STEP(self_times, QUIET), STEP(self_read, QUIET), STEP(self_chmod, QUIET),
};

static void removed(void)
{
	char bad[500];

	unlink(at("f"));
	learn();
	RES(rmdir(base));
	check(bad);
	printf("removed:%s\n", bad);
}

static void change_directory(void)
{
	take_steps(directory_steps, sizeof(directory_steps) / sizeof(directory_steps[0]));
	removed();
}

int main(int argc, char **argv)
{
	/* Run by itself, for step_run. */
	if (argc > 1)
		return 0;
	in_places(argv[0], change_directory);
	return 0;
}
