/*
 * Permission checks: access(2), faccessat2(2), real against effective ids, search permission, owner
 * before others.
 */
#include "compat.h"

static void checks(void)
{
	RES(access("r", R_OK));
	RES(access("r", W_OK));
	RES(access("r", X_OK));
	RES(access("x", X_OK));
	RES(access("x", R_OK | X_OK));
	RES(access("none", F_OK));
	RES(access("closed/in", F_OK));
	RES(access("searchable/in", R_OK));
	RES(open("r", O_RDWR));
	RES(open("x", O_RDONLY));
	RES(open("closed", O_RDONLY));
	RES(open("searchable", O_RDONLY));
	OKAY(open("searchable/in", O_RDONLY));
	RES(open("readable/in", O_RDONLY));
	OKAY(open("readable", O_RDONLY));
	RES(unlink("readable/in"));
	RES(mkdir("readable/new", 0700));
	RES(chdir("readable"));
	RES(rename("searchable/in", "moved"));
	RES(symlink("x", "searchable/l"));
	RES(truncate("r", 0));
	RES(stat("closed/in", &(struct stat){0}));
	RES(execl("./r", "r", NULL));
}

int main(void)
{
	tmp_enter();
	chmod(".", 0777);
	mkdir("closed", 0755);
	mkdir("searchable", 0755);
	mkdir("readable", 0755);
	put_file("closed/in", "");
	put_file("searchable/in", "");
	put_file("readable/in", "");
	put_file("r", "");
	put_file("x", "");
	chmod("r", 0444);
	chmod("x", 0111);
	chmod("closed", 0600);
	chmod("searchable", 0111);
	chmod("readable", 0444);
	IN_CHILD("unprivileged", become_nobody(); checks());
	printf("--- with our own privileges\n");
	RES(access("x", X_OK));
	RES(access(".", R_OK | W_OK | X_OK));
	RES(syscall(SYS_faccessat2, AT_FDCWD, "r", R_OK, AT_EACCESS));
	RES(syscall(SYS_faccessat2, AT_FDCWD, "r", R_OK, 0x4));
	RES(syscall(SYS_faccessat2, AT_FDCWD, "", R_OK, AT_EMPTY_PATH));
	RES(access("r", 8));
	RES(access(bad_ptr(), F_OK));
	if (geteuid() == 0) {
		/* Root reads and writes anything, but runs only what somebody may run. */
		chmod("x", 0);
		RES(access("x", R_OK | W_OK));
		RES(access("x", X_OK));
		OKAY(open("closed/in", O_RDONLY));
		IN_CHILD("effective only", if (seteuid(65534)) _exit(1);
		         RES(access("closed/in", R_OK));
		         RES(faccessat(AT_FDCWD, "closed/in", R_OK, AT_EACCESS)));
		/* The owner's bits count for the owner even when the group's are wider. */
		chmod("r", 0077);
		IN_CHILD("owner first", if (chown("r", 65534, 65534)) _exit(1); become_nobody();
		         RES(access("r", R_OK)));
	}
	chmod("closed", 0755);
	chmod("searchable", 0755);
	chmod("readable", 0755);
	return 0;
}
