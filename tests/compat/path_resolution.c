/*
 * path_resolution(7): trailing slashes, dots, repeated slashes, PATH_MAX, deep trees, searching
 * through files, empty components, '..' of the root.
 */
#include "compat.h"

static void look(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		printf("%.40s: %s\n", path, err_name(errno));
	else
		printf("%.40s: %s\n", path,
		       S_ISDIR(st.st_mode)   ? "directory"
		       : S_ISREG(st.st_mode) ? "file"
		                             : "other");
}

int main(void)
{
	char big[5000], cwd[8192];
	struct stat a, b;
	int depth = 0;

	tmp_enter();
	mkdir("d", 0755);
	put_file("d/f", "x");
	RES(symlink("d", "ld"));
	RES(symlink("d/f", "lf"));
	RES(symlink("d/", "lds"));
	RES(symlink("nowhere", "dangling"));
	for (const char **p =
	         (const char *[]){"d",         "d/",     "d//",      "d/.",           "d/./",
	                          "d/..",      "./d",    ".//d///f", "d/f/",          "d/f/.",
	                          "d/f/..",    "ld",     "ld/",      "ld/f",          "ld/../d/f",
	                          "lf",        "lf/",    "lf/x",     "lds/f",         "dangling",
	                          "dangling/", "d/none", "none/..",  "none/../d",     "",
	                          ".",         "..",     "...",      "d/../d/../d/f", NULL};
	     *p; p++)
		look(*p);
	RES(stat("/", &a));
	RES(stat("/../..//.", &b));
	YES(a.st_ino == b.st_ino && a.st_dev == b.st_dev);

	/* 4095 bytes are a path, 4096 are too many, whatever they mean. */
	memset(big, '/', sizeof(big));
	memcpy(big + 4090, "d/f", 4);
	big[0] = '.';
	look(big);
	memset(big, '/', sizeof(big));
	big[0] = '.';
	memcpy(big + 4092, "d/f", 4);
	look(big);
	memset(big, '/', sizeof(big));
	big[0] = '.';
	memcpy(big + 4093, "d/f", 4);
	look(big);
	memset(big, 'x', 300);
	strcpy(big + 256, "/y");
	look(big);
	strcpy(big + 255, "/y");
	look(big);

	/* A tree deeper than PATH_MAX is made and walked step by step. */
	memset(big, 'q', 200);
	big[200] = 0;
	for (; depth < 40; depth++)
		if (mkdir(big, 0755) || chdir(big))
			die("depth %d", depth);
	RES(syscall(SYS_getcwd, cwd, sizeof(cwd)) > 0);
	RES(syscall(SYS_getcwd, cwd, 4096));
	put_file("bottom", "deep down");
	STR(get_file("./bottom"));
	RES(unlink("bottom"));
	for (; depth > 0; depth--)
		if (chdir("..") || rmdir(big))
			die("up at %d", depth);
	look("d/f");
	return 0;
}
