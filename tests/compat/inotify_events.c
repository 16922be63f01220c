/*
 * inotify(7): events of files and directories, cookies of renames, masks, ONESHOT, IN_IGNORED,
 * coalescing, errors.
 */
#include "compat.h"
#include <sys/inotify.h>
#include <sys/ioctl.h>

static int in, wd_dir, wd_file;

static void drain(const char *what)
{
	static const char *const names[] = {"ACCESS",        "MODIFY", "ATTRIB",      "CLOSE_WRITE",
	                                    "CLOSE_NOWRITE", "OPEN",   "MOVED_FROM",  "MOVED_TO",
	                                    "CREATE",        "DELETE", "DELETE_SELF", "MOVE_SELF"};
	char buf[4096] __attribute__((aligned(8)));
	uint32_t cookie = 0;
	ssize_t n;

	printf("%s:", what);
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)p;

			printf(" [%s", e->wd == wd_dir    ? "dir"
			               : e->wd == wd_file ? "file"
			                                  : "other");
			for (int i = 0; i < 12; i++)
				if (e->mask & (1u << i))
					printf(" %s", names[i]);
			if (e->mask & IN_ISDIR)
				printf(" ISDIR");
			if (e->mask & IN_IGNORED)
				printf(" IGNORED");
			if (e->mask & IN_UNMOUNT)
				printf(" UNMOUNT");
			if (e->len)
				printf(" \"%s\" len %u", e->name, e->len);
			if (e->cookie)
				printf(" cookie %s", cookie == e->cookie ? "same" : "new");
			cookie = e->cookie;
			printf("]");
			p += sizeof(*e) + e->len;
		}
	}
	printf("\n");
}

int main(void)
{
	int fd, n;
	char small[8], buf[16];

	tmp_enter();
	mkdir("d", 0755);
	put_file("d/f", "x");
	mkdir("away", 0755);
	in = (int)OKAY(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	RES(inotify_init1(0x80));
	RES(read(in, buf, sizeof(buf)));
	wd_dir = (int)RES(inotify_add_watch(in, "d", IN_ALL_EVENTS));
	wd_file = (int)RES(
	    inotify_add_watch(in, "d/f", IN_ATTRIB | IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF));
	RES(inotify_add_watch(in, "d", IN_ALL_EVENTS));

	fd = open("d/new", O_WRONLY | O_CREAT, 0600);
	drain("create");
	RES(write(fd, "a", 1));
	RES(write(fd, "b", 1)); /* identical neighbours are one */
	drain("two writes");
	close(fd);
	drain("close");
	fd = open("d/f", O_RDONLY);
	RES(read(fd, buf, 1));
	close(fd);
	drain("read");
	RES(rename("d/new", "d/renamed"));
	drain("rename within");
	RES(rename("d/renamed", "away/renamed"));
	drain("rename out");
	RES(rename("away/renamed", "d/back"));
	drain("rename in");
	RES(chmod("d/f", 0600));
	drain("chmod");
	RES(mkdir("d/sub", 0700));
	RES(rmdir("d/sub"));
	drain("mkdir, rmdir");
	RES(link("d/f", "d/hard"));
	drain("link");
	RES(truncate("d/f", 0));
	drain("truncate");
	RES(symlink("f", "d/sym"));
	drain("symlink");
	RES(unlink("d/sym"));
	RES(unlink("d/hard"));
	RES(unlink("d/back"));
	drain("unlinks");
	RES(rename("d/f", "d/g"));
	drain("move self");
	RES(unlink("d/g"));
	drain("delete self");
	RES(inotify_rm_watch(in, wd_file));
	RES(open("d", O_RDONLY) >= 0);
	RES(ioctl(in, FIONREAD, &n));
	NUM(n);
	RES(read(in, small, sizeof(small)));
	drain("open the directory");
	RES(inotify_rm_watch(in, wd_dir));
	drain("removed");
	wd_dir = (int)RES(inotify_add_watch(in, "d", IN_CREATE | IN_ONESHOT));
	put_file("d/1", "");
	put_file("d/2", "");
	drain("one shot");
	wd_dir = inotify_add_watch(in, "d", IN_CREATE);
	YES(inotify_add_watch(in, "d", IN_DELETE | IN_MASK_ADD) == wd_dir);
	put_file("d/3", "");
	unlink("d/3");
	drain("mask added");
	RES(inotify_add_watch(in, "d", IN_DELETE | IN_MASK_CREATE));
	RES(inotify_add_watch(in, "none", IN_CREATE));
	RES(inotify_add_watch(in, "d/1", IN_CREATE | IN_ONLYDIR));
	RES(inotify_add_watch(in, "d", 0));
	RES(inotify_add_watch(0, "d", IN_CREATE));
	RES(inotify_add_watch(in, bad_ptr(), IN_CREATE));
	RES(inotify_rm_watch(in, 12345));
	return 0;
}
