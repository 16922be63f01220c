/*
 * Tries to read, write and make files of the host that it has not been granted.
 * What it reads it looks through for the words by which the secret file begins;
 * what it writes the script looks for outside.
 *
 * usage: host_files_guest still|race|moved|file WORK, where WORK is where the grants lie on the
 * host
 */
#include "attack.h"
#include <linux/openat2.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

/* "SECRET-OF-THE-HOST", not to be found in this program itself. */
static const char coded[] = "TFDSFU.PG.UIF.IPTU";
static char work[400];

static bool is_secret(const char *buf, ssize_t n)
{
	for (ssize_t i = 0; i + (ssize_t)sizeof(coded) - 1 <= n; i++) {
		size_t k = 0;
		while (k < sizeof(coded) - 1 && buf[i + (ssize_t)k] + 1 == coded[k])
			k++;
		if (k == sizeof(coded) - 1)
			return true;
	}
	return false;
}

/* Reads what fd has without waiting, and closes it. */
static void look_in(int fd, const char *how, const char *path)
{
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return;
	n = pread(fd, buf, sizeof(buf), 0);
	if (n < 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		n = read(fd, buf, sizeof(buf));
	}
	if (is_secret(buf, n))
		fail("the secret was read by %s of '%s'", how, path);
	if (ftruncate(fd, 0) == 0 || errno == EINVAL)
		n = write(fd, "PWNED", 5);
	close(fd);
}

static void try_openat(int dir, const char *path)
{
	static const int flags[] = {O_RDONLY | O_NONBLOCK, O_RDWR | O_NONBLOCK,
	                            O_WRONLY | O_CREAT | O_NONBLOCK, O_WRONLY | O_CREAT | O_EXCL};
	static const uint64_t resolve[] = {0,
	                                   RESOLVE_IN_ROOT,
	                                   RESOLVE_BENEATH,
	                                   RESOLVE_NO_MAGICLINKS,
	                                   RESOLVE_NO_XDEV,
	                                   RESOLVE_NO_SYMLINKS,
	                                   RESOLVE_CACHED,
	                                   RESOLVE_BENEATH | RESOLVE_IN_ROOT,
	                                   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
	                                       RESOLVE_NO_XDEV};
	char link[4096];
	struct stat st;

	for (size_t i = 0; i < COUNT(flags); i++)
		look_in(openat(dir, path, flags[i], 0666), "open", path);
	for (size_t i = 0; i < COUNT(resolve); i++) {
		struct open_how how = {.flags = O_RDWR | O_NONBLOCK, .resolve = resolve[i]};
		look_in((int)syscall(SYS_openat2, dir, path, &how, sizeof(how)), "openat2", path);
	}
	/* By what has been found, not opened. */
	int found = openat(dir, path, O_PATH);
	if (found >= 0) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
		look_in(open(link, O_RDWR | O_NONBLOCK), "open by /proc/self/fd", path);
		look_in(open(link, O_RDONLY | O_NONBLOCK), "open by /proc/self/fd", path);
		if (fstat(found, &st) == 0 && S_ISDIR(st.st_mode))
			look_in(openat(found, "secret", O_RDONLY), "openat below", path);
		linkat(found, "", AT_FDCWD, "/grant/linked", AT_EMPTY_PATH);
		look_in(open("/grant/linked", O_RDWR | O_NONBLOCK), "linkat", path);
		unlink("/grant/linked");
		close(found);
	}
	linkat(dir, path, AT_FDCWD, "/grant/linked", AT_SYMLINK_FOLLOW);
	look_in(open("/grant/linked", O_RDWR | O_NONBLOCK), "link", path);
	unlink("/grant/linked");
	if (renameat(dir, path, AT_FDCWD, "/grant/renamed") == 0) {
		look_in(open("/grant/renamed", O_RDWR | O_NONBLOCK), "rename", path);
		renameat(AT_FDCWD, "/grant/renamed", dir, path);
	}
}

static void try_everywhere(const char *path)
{
	static const char *const dirs[] = {"/",    "/grant", "/grant/sub", "/ro", "/proc/self/fd",
	                                   "/dev", "/tmp"};

	for (size_t i = 0; i < COUNT(dirs); i++) {
		int dir = open(dirs[i], O_PATH | O_DIRECTORY);
		char through[4600];
		if (dir < 0)
			continue;
		try_openat(dir, path);
		snprintf(through, sizeof(through), "/proc/self/fd/%d/%s", dir, path);
		try_openat(AT_FDCWD, through);
		if (chdir(dirs[i]) == 0 && path[0] != '/')
			try_openat(AT_FDCWD, path);
		close(dir);
	}
}

/* Every file that /proc shows of every process, by its links. */
static void try_proc(void)
{
	char path[128];

	for (int pid = 0; pid < 12; pid++) {
		for (int fd = 0; fd < 20; fd++) {
			snprintf(path, sizeof(path), "/proc/%d/fd/%d/../outside/secret", pid, fd);
			look_in(open(path, O_RDONLY | O_NONBLOCK), "a link", path);
		}
		for (const char *const *p =
		         (const char *const[]){"root", "cwd", "exe", "task/1/root", NULL};
		     *p; p++) {
			char whole[800];
			snprintf(whole, sizeof(whole), "/proc/%d/%s%s/outside/secret", pid, *p,
			         work);
			try_openat(AT_FDCWD, whole);
			snprintf(whole, sizeof(whole), "/proc/%d/%s/../../outside/secret", pid, *p);
			try_openat(AT_FDCWD, whole);
		}
	}
}

/* The classic way out of a chroot: a descriptor from outside it, then up. */
static void try_chroot(void *arg)
{
	int fd = open("/grant", O_RDONLY | O_DIRECTORY);
	char path[600];

	(void)arg;
	if (chroot("/grant/sub") != 0)
		return;
	NEED(fchdir(fd) == 0);
	for (int i = 0; i < 300; i++)
		NEED(chdir("..") == 0);
	look_in(open("outside/secret", O_RDWR), "chroot", "outside/secret");
	snprintf(path, sizeof(path), "%s/outside/secret", work + 1);
	look_in(open(path, O_RDWR), "chroot", path);
	if (chroot(".") == 0) {
		look_in(open(path, O_RDWR), "chroot twice", path);
		try_openat(AT_FDCWD, "/grant/abs");
	}
}

static void try_mounts(void *arg)
{
	char path[600];

	(void)arg;
	snprintf(path, sizeof(path), "%s/outside", work);
	mkdir("/tmp/m", 0777);
	if (mount(path, "/tmp/m", NULL, MS_BIND, NULL) == 0)
		fail("a directory of the host was bound");
	for (const char *const *t = (const char *const[]){"ext4", "xfs", "9p", "nfs", "fuse",
	                                                  "overlay", "hostfs", NULL};
	     *t; t++) {
		snprintf(path, sizeof(path), "lowerdir=%s/outside:/,trans=fd", work);
		if (mount("/dev/root", "/tmp/m", *t, 0, path) == 0)
			look_in(open("/tmp/m/secret", O_RDONLY), "mount", *t);
		umount2("/tmp/m", MNT_DETACH);
	}
	/* Files: one of the host's, one that a link leads to, one over another. */
	close(open("/tmp/f", O_WRONLY | O_CREAT, 0666));
	snprintf(path, sizeof(path), "%s/outside/secret", work);
	if (mount(path, "/tmp/f", NULL, MS_BIND, NULL) == 0)
		fail("a file of the host was bound");
	for (const char *const *l =
	         (const char *const[]){"abs", "rel", "chain", "up/outside/secret", NULL};
	     *l; l++) {
		snprintf(path, sizeof(path), "/grant/%s", *l);
		if (mount(path, "/tmp/f", NULL, MS_BIND, NULL) == 0)
			try_openat(AT_FDCWD, "/tmp/f");
	}
	if (mount("/ro/file", "/tmp/f", NULL, MS_BIND, NULL) == 0) {
		look_in(open("/tmp/f", O_RDWR), "bind", "/tmp/f");
		try_openat(AT_FDCWD, "/tmp/f/../../outside/secret");
		if (mount("/tmp/f", "/grant/file", NULL, MS_BIND, NULL) == 0)
			look_in(open("/grant/file", O_RDWR), "bind", "/grant/file");
	}
	if (mount("/grant/dirlink", "/tmp/m", NULL, MS_BIND, NULL) == 0)
		try_openat(AT_FDCWD, "/tmp/m/secret");
	if (mount("/grant/sub", "/tmp/m", NULL, MS_BIND | MS_REC, NULL) == 0) {
		NEED(chdir("/tmp/m") == 0);
		try_openat(AT_FDCWD, "../outside/secret");
		try_openat(AT_FDCWD, "../../outside/secret");
		umount2("/tmp/m", MNT_DETACH);
		try_openat(AT_FDCWD, "../outside/secret");
		try_openat(AT_FDCWD, "../../outside/secret");
	}
	if (chdir("/grant/sub") == 0 && umount2("/grant", MNT_DETACH) == 0) {
		try_openat(AT_FDCWD, "../outside/secret");
		try_openat(AT_FDCWD, "../../outside/secret");
	}
	syscall(SYS_pivot_root, "/", "/tmp/m");
	mount("none", "/", NULL, MS_REMOUNT | MS_BIND, NULL);
	mount(NULL, "/ro", NULL, MS_REMOUNT | MS_BIND, NULL);
	mount(NULL, "/ro", NULL, MS_REMOUNT, NULL);
	look_in(open("/ro/file", O_RDWR), "remount", "/ro");
}

static void try_handles(void)
{
	struct {
		struct file_handle h;
		unsigned char bytes[128];
	} handle;
	int mount_id, dir = open("/grant", O_RDONLY | O_DIRECTORY);

	for (const char *const *p =
	         (const char *const[]){"/grant", "/grant/file", "/", "/ro", NULL};
	     *p; p++) {
		handle.h.handle_bytes = sizeof(handle.bytes);
		if (name_to_handle_at(AT_FDCWD, *p, &handle.h, &mount_id, 0) != 0)
			continue;
		/* A file system's second inode is its root. */
		for (uint32_t ino = 0; ino < 200; ino++) {
			memcpy(handle.h.f_handle, &ino, sizeof(ino));
			int fd = open_by_handle_at(dir, &handle.h, O_RDONLY);
			look_in(fd < 0 ? -1 : openat(fd, "secret", O_RDONLY), "open_by_handle_at",
			        *p);
			if (fd >= 0)
				close(fd);
		}
	}
	close(dir);
}

static void open_and_wait(void *arg)
{
	close(open(arg, O_RDONLY));
}

/* Nobody on the host holds the other end of its FIFOs and sockets for a guest, and devices are not
 * opened. */
static void try_special_files(void)
{
	static const char *const devices[] = {"/grant/null", "/grant/mem", "/grant/disk",
	                                      "/grant/tty", "/ro/null"};
	static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_DIRECT,
	                            O_RDWR | O_TRUNC | O_NOCTTY};
	struct sockaddr_un sun = {.sun_family = AF_UNIX, .sun_path = "/grant/socket"};
	int s;

	for (size_t d = 0; d < COUNT(devices); d++)
		for (size_t m = 0; m < COUNT(modes); m++)
			if (open(devices[d], modes[m]) >= 0)
				fail("the device '%s' was opened", devices[d]);
	contain_well(open_and_wait, "/grant/fifo", 200);
	NEED(open("/grant/fifo", O_WRONLY | O_NONBLOCK) == -1);
	int both = open("/grant/fifo", O_RDWR);
	if (both >= 0) {
		char c = 0;
		NEED(write(both, "x", 1) == 1 && read(both, &c, 1) == 1 && c == 'x');
		close(both);
	}
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	NEED(s >= 0);
	if (connect(s, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		fail("a socket of the host was connected to");
	close(s);
	/* Nodes that the guest makes there must be none of the host's. */
	for (const char *const *p =
	         (const char *const[]){"/grant/own-chr", "/ro/own-chr", "/tmp/own-chr", NULL};
	     *p; p++) {
		static const dev_t numbers[] = {0x101, 0x103, 0x800, 0xfe00, 0x10300};
		for (size_t i = 0; i < COUNT(numbers); i++) {
			char buf[16];
			int fd;
			mknod(*p, (i < 2 ? S_IFCHR : S_IFBLK) | 0666, numbers[i]);
			fd = open(*p, O_RDWR);
			if (fd >= 0 && numbers[i] != 0x103 && read(fd, buf, sizeof(buf)) > 0)
				fail("a device node was made and read: %s", *p);
			if (fd >= 0)
				close(fd);
			unlink(*p);
		}
	}
}

static void still(void)
{
	static const char *const names[] = {"abs",
	                                    "rel",
	                                    "up/outside/secret",
	                                    "dirlink/secret",
	                                    "../outside/secret",
	                                    "../../outside/secret",
	                                    "sub/../../outside/secret",
	                                    "./././../outside/secret",
	                                    "sub/up/secret",
	                                    "dirlink/../outside/secret",
	                                    "chain",
	                                    "loop",
	                                    "magic/outside/secret",
	                                    "..//outside//secret//",
	                                    "abs/",
	                                    "file/../../outside/secret"};
	char path[1000];

	for (size_t i = 0; i < COUNT(names); i++) {
		try_everywhere(names[i]);
		for (const char *const *base =
		         (const char *const[]){"/grant", "/ro", "/grant/sub/..", "/proc/self/cwd",
		                               "/proc/self/root/grant", "/proc/1/root/grant", NULL};
		     *base; base++) {
			snprintf(path, sizeof(path), "%s/%s", *base, names[i]);
			try_openat(AT_FDCWD, path);
		}
	}
	snprintf(path, sizeof(path), "%s/outside/secret", work);
	try_everywhere(path);
	snprintf(path, sizeof(path), "/proc/self/root%s/outside/secret", work);
	try_everywhere(path);
	snprintf(path, sizeof(path), "/../../../..%s/outside/secret", work);
	try_everywhere(path);
	/* A link that the guest makes itself. */
	snprintf(path, sizeof(path), "%s/outside/secret", work);
	NEED(symlink(path, "/grant/own-abs") == 0 &&
	     symlink("../outside/secret", "/grant/own-rel") == 0);
	try_openat(AT_FDCWD, "/grant/own-abs");
	try_openat(AT_FDCWD, "/grant/own-rel");
	unlink("/grant/own-abs");
	unlink("/grant/own-rel");
	try_proc();
	contain_well(try_chroot, NULL, 20000);
	contain_well(try_mounts, NULL, 20000);
	try_handles();
	try_special_files();
	/* The read-only grant, by every call that changes something. */
	int fd = open("/ro/file", O_RDONLY);
	NEED(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	NEED(open(path, O_RDWR) == -1 && open("/ro/file", O_RDWR) == -1 &&
	     open("/ro/new", O_CREAT | O_RDWR, 0666) == -1);
	NEED(fchmod(fd, 0777) == -1 && ftruncate(fd, 0) == -1 && write(fd, "PWNED", 5) == -1);
	NEED(truncate("/ro/file", 0) == -1 && unlink("/ro/file") == -1 &&
	     chmod("/ro/file", 0) == -1);
	NEED(rename("/ro/file", "/ro/other") == -1 && link("/ro/file", "/ro/other") == -1);
	NEED(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	void *m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	NEED(m != MAP_FAILED && mprotect(m, 4096, PROT_READ | PROT_WRITE) == -1);
	NEED(syscall(SYS_fallocate, fd, 0, 0, 10) == -1 &&
	     utimensat(AT_FDCWD, "/ro/file", NULL, 0) == -1);
	close(fd);
}

/* ---- races --------------------------------------------------------------- */

static _Atomic bool over;

/* The host swaps what lies at these names all the time; so does a thread of this process. */
static void *own_swaps(void *arg)
{
	(void)arg;
	mkdir("/grant/own", 0777);
	mkdir("/grant/own/dir", 0777);
	if (symlink("../../outside", "/grant/own/other"))
		unlink("/grant/own/nothing");
	while (!over)
		syscall(SYS_renameat2, AT_FDCWD, "/grant/own/dir", AT_FDCWD, "/grant/own/other", 2);
	return NULL;
}

static void race(unsigned ms)
{
	static const char *const read_these[] = {
	    "/grant/swap/dir/secret", "/grant/swap/file", "/grant/swap/deep/a/b/secret",
	    "/grant/own/dir/secret", "/grant/own/other/secret"};
	static const char *const write_these[] = {"/grant/swap/dir/new", "/grant/swap/deep/a/b/new",
	                                          "/grant/own/dir/new", "/grant/swap/file"};
	unsigned n = 0, opened = 0;
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, own_swaps, NULL) == 0);
	for (uint64_t end = now_ms() + ms; now_ms() < end; n++) {
		const char *r = read_these[n % COUNT(read_these)],
		           *w = write_these[n % COUNT(write_these)];
		char buf[256];
		int fd = open(r, O_RDONLY | O_NONBLOCK);
		if (fd >= 0) {
			ssize_t got = read(fd, buf, sizeof(buf));
			opened++;
			if (is_secret(buf, got))
				fail("the secret was read as '%s'", r);
			close(fd);
		}
		fd = open(w, O_WRONLY | O_CREAT | O_NONBLOCK, 0666);
		if (fd >= 0) {
			opened++;
			if (write(fd, "PWNED", 5) < 0)
				n++;
			close(fd);
		}
		switch (n % 6) {
		case 0:
			unlink(w);
			break;
		case 1:
			rename("/grant/swap/dir/new", "/grant/swap/deep/a/b/new");
			break;
		case 2:
			link("/grant/file", w);
			break;
		case 3:
			chmod(w, 0777);
			truncate(w, 3);
			break;
		case 4:
			symlink("/grant/file", w);
			break;
		case 5:
			mkdir("/grant/swap/dir/newdir", 0777);
			rmdir("/grant/swap/dir/newdir");
			break;
		}
	}
	over = true;
	pthread_join(thread, NULL);
	printf("%u rounds, %u files opened\n", n, opened);
	NEED(opened > 10);
}

/* Stands in a directory that the host moves out of the grant when told that it may. */
static void moved(void)
{
	char c, path[200];
	int dir;

	NEED(chdir("/grant/sub/deep") == 0);
	dir = open(".", O_RDONLY | O_DIRECTORY);
	NEED(dir >= 0 && write(1, "in\n", 3) == 3 && read(0, &c, 1) == 1);
	for (int up = 1; up < 5; up++) {
		path[0] = 0;
		for (int i = 0; i < up; i++)
			strcat(path, "../");
		for (const char *const *p =
		         (const char *const[]){"secret", "outside/secret", "new", NULL};
		     *p; p++) {
			char whole[300];
			snprintf(whole, sizeof(whole), "%s%s", path, *p);
			try_openat(AT_FDCWD, whole);
			try_openat(dir, whole);
			snprintf(whole, sizeof(whole), "/proc/self/cwd/%s%s", path, *p);
			try_openat(AT_FDCWD, whole);
		}
	}
	rename("../secret", "/grant/renamed");
	link("../secret", "/grant/linked");
	NEED(fchdir(dir) == 0);
	if (chdir("..") == 0)
		try_openat(AT_FDCWD, "secret");
}

/* A grant that is one file, which the host exchanges meanwhile for a link. */
static void one_file(void)
{
	char c;

	NEED(access("/file", R_OK | W_OK) == 0);
	try_openat(AT_FDCWD, "/file/../outside/secret");
	NEED(write(1, "in\n", 3) == 3 && read(0, &c, 1) == 1);
	for (int i = 0; i < 100; i++) {
		int fd = open("/file", O_RDONLY);
		char buf[100];
		if (fd >= 0 && is_secret(buf, read(fd, buf, sizeof(buf))))
			fail("the file was followed to the secret");
		close(fd);
		fd = open("/file", O_WRONLY | O_TRUNC);
		if (fd >= 0 && write(fd, "PWNED", 5) < 0)
			i++;
		close(fd);
	}
	rename("/file", "/grant/renamed");
	unlink("/file");
}

int main(int argc, char **argv)
{
	NEED(argc == 3);
	snprintf(work, sizeof(work), "%s", argv[2]);
	if (!strcmp(argv[1], "still"))
		still();
	else if (!strcmp(argv[1], "race"))
		race(3000 * rounds());
	else if (!strcmp(argv[1], "moved"))
		moved();
	else
		one_file();
	well();
	puts("nowhere");
	return 0;
}
