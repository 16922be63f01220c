/*
 * getdents64(2) on a directory of 1,500 entries in small buffers; seeking back to a stored d_off;
 * rewinding; errors.
 */
#include "compat.h"

#define N 1500

int main(void)
{
	static bool seen[N];
	char buf[512], name[32];
	int d, dots = 0, files = 0, dup = 0, other = 0, types = 0;
	off_t mark = -1;
	char after_mark[64] = "";
	bool next = false, is_dir = false, is_link = false;
	long n;

	tmp_enter();
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "entry-%d", i);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			die("open");
		close(fd);
	}
	mkdir("dir", 0755);
	RES(symlink("x", "link"));

	d = (int)OKAY(open(".", O_RDONLY | O_DIRECTORY));
	while ((n = getdents64(d, buf, sizeof(buf))) > 0) {
		for (long o = 0; o < n;) {
			struct dirent64 *e = (struct dirent64 *)(buf + o);
			int i;

			o += e->d_reclen;
			if (e->d_reclen % 8)
				other++;
			if (next) {
				strcpy(after_mark, e->d_name);
				next = false;
			}
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) {
				dots++;
			} else if (sscanf(e->d_name, "entry-%d", &i) == 1) {
				files++;
				dup += seen[i];
				seen[i] = true;
				types += e->d_type == DT_REG;
				if (files == N / 2) {
					mark = e->d_off;
					next = true;
				}
			} else if (!strcmp(e->d_name, "dir")) {
				is_dir = e->d_type == DT_DIR;
			} else if (!strcmp(e->d_name, "link")) {
				is_link = e->d_type == DT_LNK;
			} else {
				other++;
			}
		}
	}
	printf("end %ld dots %d files %d types %d duplicates %d other %d\n", n, dots, files, types,
	       dup, other);
	YES(is_dir);
	YES(is_link);
	OKAY(lseek(d, mark, SEEK_SET));
	n = getdents64(d, buf, sizeof(buf));
	YES(n > 0 && !strcmp(((struct dirent64 *)buf)->d_name, after_mark));
	RES(lseek(d, 0, SEEK_SET));
	n = getdents64(d, buf, sizeof(buf));
	YES(n > 0);
	RES(getdents64(d, buf, 1));
	RES(getdents64(d, bad_ptr(), 512));
	int f = open("entry-0", O_RDONLY);
	RES(getdents64(f, buf, sizeof(buf)));
	RES(getdents64(-1, buf, sizeof(buf)));

	/* Deleting while reading: opendir, remove everything, nothing is left. */
	DIR *dir = opendir(".");
	struct dirent *e;
	int removed = 0;
	while ((e = readdir(dir)))
		if (!strncmp(e->d_name, "entry-", 6))
			removed += unlink(e->d_name) == 0;
	closedir(dir);
	NUM(removed);
	return 0;
}
