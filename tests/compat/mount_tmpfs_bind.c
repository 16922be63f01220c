/*
 * mount(2) as root in a mount namespace of its own: tmpfs limits, bind mounts, read-only remounts,
 * move, MNT_DETACH, what crosses a mount (EXDEV), busy mounts. An ordinary user sees EPERM.
 */
#include "compat.h"
#include <sys/mount.h>
#include <sys/statfs.h>

static void inside(void)
{
	static char buf[65536];
	struct statfs fs;
	long total = 0;
	int fd;
	ssize_t n;

	mkdir("t", 0755);
	mkdir("b", 0755);
	mkdir("src", 0755);
	put_file("src/f", "source");
	RES(mount("tmp", "t", "tmpfs", MS_NOSUID, "size=256k,mode=0711,nr_inodes=20"));
	struct stat st;
	RES(stat("t", &st));
	printf("mode %o\n", st.st_mode);
	RES(statfs("t", &fs));
	HEX(fs.f_type);
	NUM(fs.f_blocks * (unsigned long)fs.f_bsize);
	fd = open("t/fill", O_WRONLY | O_CREAT, 0600);
	while ((n = write(fd, buf, sizeof(buf))) > 0)
		total += n;
	printf("wrote %ld, then %s\n", total, err_name(errno));
	close(fd);
	RES(unlink("t/fill"));
	int made = 0;
	char name[16];
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "t/i%d", i);
		fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			break;
		close(fd);
		made++;
	}
	printf("made %d files, then %s\n", made, err_name(errno));
	RES(mount("src", "b", NULL, MS_BIND, NULL));
	STR(get_file("b/f"));
	put_file("b/g", "through");
	STR(get_file("src/g"));
	RES(rename("b/f", "src/f2"));
	RES(link("b/f", "src/f2"));
	RES(rename("b/f", "t/f"));
	RES(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	RES(open("b/new", O_WRONLY | O_CREAT, 0600));
	RES(open("b/f", O_WRONLY));
	RES(unlink("b/f"));
	RES(mkdir("b/d", 0700));
	RES(access("b/f", W_OK));
	RES(chmod("b/f", 0600));
	RES(utimensat(AT_FDCWD, "b/f", NULL, 0));
	put_file("src/f", "still writable");
	STR(get_file("b/f"));
	RES(rmdir("b"));
	fd = open("b/f", O_RDONLY);
	RES(umount2("b", 0));
	RES(umount2("b", MNT_DETACH));
	RES(read(fd, buf, 5)); /* open files outlive a detached mount */
	STR(get_file("b/f"));
	RES(umount2("b", 0));
	RES(umount2("src/f", 0));
	RES(mount("src/f", "b", NULL, MS_BIND, NULL)); /* a file over a directory */
	put_file("target", "");
	RES(mount("src/f", "target", NULL, MS_BIND, NULL));
	STR(get_file("target"));
	RES(unlink("target"));
	RES(umount2("target", 0));
	RES(mount("t", "b", NULL, MS_MOVE, NULL));
	RES(access("b/i0", F_OK));
	RES(access("t/i0", F_OK));
	RES(umount2("b", MNT_EXPIRE));
	RES(umount2("b", UMOUNT_NOFOLLOW));
	RES(mount("x", "t", NULL, 0, NULL));
	RES(mount(bad_ptr(), "t", "tmpfs", 0, NULL) == -1 && errno == EFAULT);
}

int main(void)
{
	need_root_mount();
	tmp_enter();
	if (geteuid() != 0) {
		mkdir("t", 0755);
		RES(mount("tmp", "t", "tmpfs", 0, NULL));
		RES(umount2("t", 0));
		return 0;
	}
	IN_CHILD(
	    "mounts",
	    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		    printf("unshare: %s\n", err_name(errno));
		    _exit(1);
	    } inside());
	return 0;
}
