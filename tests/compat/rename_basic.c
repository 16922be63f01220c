/*
 * rename(2) and renameat2(2): replacing, EXCHANGE, NOREPLACE, directories over files and the
 * errors.
 */
#include "compat.h"

int main(void)
{
	struct stat a, b;

	tmp_enter();
	put_file("a", "A");
	put_file("b", "B");
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	mkdir("empty", 0755);

	RES(rename("a", "b"));
	STR(get_file("b"));
	STR(get_file("a"));
	RES(rename("none", "x"));
	RES(rename("b", "d"));
	RES(rename("d", "b"));
	RES(rename("empty", "d"));
	RES(rename("d", "empty"));
	RES(access("empty/e", F_OK));
	RES(rename("empty", "empty/e/x"));
	RES(rename("empty", "empty/."));
	RES(rename(".", "x"));
	RES(rename("empty/..", "x"));
	RES(rename("b", "b"));
	RES(rename("b", "nodir/b"));
	RES(rename("b", "b/x"));
	RES(rename("b", "c/"));
	RES(rename("empty", "renamed/"));
	RES(rename("", "x"));
	RES(rename(bad_ptr(), "x"));

	/* Two names of one inode: nothing happens, both stay. */
	RES(link("b", "b2"));
	RES(rename("b", "b2"));
	RES(stat("b", &a));
	RES(stat("b2", &b));
	YES(a.st_ino == b.st_ino);

	put_file("one", "1");
	put_file("two", "2");
	RES(renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_NOREPLACE));
	RES(renameat2(AT_FDCWD, "one", AT_FDCWD, "three", RENAME_NOREPLACE));
	RES(renameat2(AT_FDCWD, "three", AT_FDCWD, "two", RENAME_EXCHANGE));
	STR(get_file("three"));
	STR(get_file("two"));
	RES(renameat2(AT_FDCWD, "three", AT_FDCWD, "none", RENAME_EXCHANGE));
	RES(renameat2(AT_FDCWD, "renamed", AT_FDCWD, "two", RENAME_EXCHANGE));
	RES(stat("two", &a));
	YES(S_ISDIR(a.st_mode));
	STR(get_file("renamed"));
	RES(renameat2(AT_FDCWD, "two", AT_FDCWD, "two/e", RENAME_EXCHANGE));
	RES(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE | RENAME_NOREPLACE));
	RES(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", 1 << 10));
	return 0;
}
