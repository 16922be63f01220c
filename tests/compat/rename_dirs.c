/*
 * Renaming directories: '..' follows, open descriptors and working directories stay valid, link
 * counts, open files that are replaced live on, names of 255 bytes. rename(2).
 */
#include "compat.h"

int main(void)
{
	char name[256], buf[16] = "", cwd[400];
	struct stat a, b;
	int d, f;

	tmp_enter();
	mkdir("a", 0755);
	mkdir("a/sub", 0755);
	mkdir("b", 0755);
	put_file("a/sub/file", "inside");
	put_file("b/here", "b is here");
	d = open("a/sub", O_RDONLY | O_DIRECTORY);
	RES(chdir("a/sub"));
	RES(rename("../../a/sub", "../../b/moved"));
	RES(stat("..", &a));
	RES(stat("../here", &b));
	STR(get_file("../here"));
	STR(get_file("file"));
	YES(getcwd(cwd, sizeof(cwd)) && !strcmp(strrchr(cwd, '/'), "/moved"));
	f = openat(d, "../here", O_RDONLY);
	RES(read(f, buf, 4));
	RES(chdir("../.."));
	RES(stat("a", &a));
	RES(stat("b", &b));
	printf("links %ld %ld\n", (long)a.st_nlink, (long)b.st_nlink);
	RES(rename("b", "b/moved/x"));
	RES(rename("b/moved", "b"));
	RES(rename("b/moved", "a/"));
	RES(access("a/file", F_OK));
	RES(access("a/moved/file", F_OK));
	mkdir("full", 0755);
	put_file("full/x", "");
	RES(rename("a", "full"));
	RES(unlink("full/x"));
	RES(rename("a", "full")); /* an empty directory is replaced */
	STR(get_file("full/file"));

	/* A replaced file lives while it is open. */
	put_file("old", "old contents");
	put_file("new", "new contents");
	f = open("old", O_RDONLY);
	RES(rename("new", "old"));
	memset(buf, 0, sizeof(buf));
	RES(read(f, buf, 3));
	STR(buf);
	STR(get_file("old"));
	RES(fstat(f, &a));
	NUM(a.st_nlink);

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	RES(rename("old", name));
	RES(rename(name, "old"));
	RES(rename("old", "full"));
	RES(rename("old/", "x"));
	RES(rename("full/", "full2"));
	RES(rename("full2", "full3/"));
	RES(rename("full3/.", "x"));
	RES(rename("full3/..", "x"));
	RES(symlink("full3", "link"));
	RES(rename("link", "link2")); /* the link, not its target */
	RES(lstat("link2", &a));
	YES(S_ISLNK(a.st_mode));
	RES(rename("link2/", "x"));
	RES(rename("old", "link2"));
	STR(get_file("link2"));
	return 0;
}
