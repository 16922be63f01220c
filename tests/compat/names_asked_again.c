/*
 * Questions about names, asked so often that a platform may have found a short way to answer them:
 * the answer must be what it is now, whoever has changed a name, a mode, an owner, a mount, a root
 * or who the asker is: this thread, another one, or another process.
 */
#include "compat.h"
#include <grp.h>
#include <linux/fs.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OFTEN 5

static char base[32];

static const char *at(const char *name)
{
	static _Thread_local char buf[4][200];
	static _Thread_local unsigned next;
	char *p = buf[next++ % 4];

	snprintf(p, sizeof(buf[0]), "%s/%s", base, name);
	return p;
}

static long ask(int how, const char *path)
{
	struct stat st;
	char link[8];

	switch (how) {
	case 0:
		return syscall(SYS_stat, path, &st);
	case 1:
		return syscall(SYS_lstat, path, &st);
	case 2:
		return syscall(SYS_access, path, F_OK);
	case 3:
		return syscall(SYS_access, path, R_OK | W_OK);
	case 4:
		return syscall(SYS_readlink, path, link, sizeof(link));
	case 5:
		return syscall(SYS_faccessat, AT_FDCWD, path, X_OK);
	case 6:
		return syscall(SYS_faccessat2, -1, path, W_OK, AT_EACCESS);
	case 7:
		return syscall(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	default:
		return syscall(SYS_readlinkat, -1, path, link, sizeof(link));
	}
}
#define WAYS 9

static const char *const names[] = {"f", "f/x", "d", "d/f", "d/d", "d/d/f", "e/d/f", "l", "s"};
#define NAMES (sizeof(names) / sizeof(names[0]))

/* All questions, each a few times: one line of what was said, '!' where that was not always the
 * same. */
static void answers(char out[1000])
{
	size_t n = 0;

	for (unsigned i = 0; i < NAMES; i++) {
		n += (size_t)snprintf(out + n, 1000 - n, "%s%s:", i ? " " : "", names[i]);
		for (int how = 0; how < WAYS; how++) {
			long r = 0;
			int e = 0;
			char c;

			for (int k = 0; k < OFTEN; k++) {
				errno = 0;
				long now = ask(how, at(names[i]));

				if (k && (now != r || errno != e))
					r = -2;
				if (!k)
					r = now, e = errno;
			}
			c = r == -2        ? '!'
			    : r >= 0       ? (char)('0' + r)
			    : e == ENOENT  ? 'n'
			    : e == ENOTDIR ? 't'
			    : e == EINVAL  ? 'i'
			    : e == EACCES  ? 'a'
			    : e == EROFS   ? 'r'
			    : e == ELOOP   ? 'l'
			                   : '?';
			out[n++] = c;
		}
		out[n] = 0;
	}
}

/* --- who asks ------------------------------------------------------------------------ */

struct asker {
	sem_t asked, answered;
	bool ends;
	char said[1000];
};

static void asker_init(struct asker *a)
{
	sem_init(&a->asked, 1, 0);
	sem_init(&a->answered, 1, 0);
	a->ends = false;
}

static void *asker_loop(void *arg)
{
	struct asker *a = arg;

	for (;;) {
		sem_wait(&a->asked);
		if (a->ends)
			return NULL;
		answers(a->said);
		sem_post(&a->answered);
	}
}

static struct asker *thread_asks, *process_asks;

static void ask_one(const char *who, struct asker *a, const char *mine)
{
	sem_post(&a->asked);
	sem_wait(&a->answered);
	if (strcmp(a->said, mine) != 0)
		printf("  %s: %s\n", who, a->said);
}

/* What all three see now; one line if it is the same. */
static void look(const char *when)
{
	char mine[1000];

	answers(mine);
	printf("%s\n  %s\n", when, mine);
	ask_one("thread", thread_asks, mine);
	ask_one("process", process_asks, mine);
}

static void ends(struct asker *a)
{
	a->ends = true;
	sem_post(&a->asked);
}

#define STEP(expr)                                                                                 \
	do {                                                                                       \
		RES(expr);                                                                         \
		look("");                                                                          \
	} while (0)

/* --- names --------------------------------------------------------------------------- */

static int make(const char *name)
{
	int fd = open(at(name), O_CREAT | O_EXCL | O_WRONLY, 0600);

	return fd < 0 ? -1 : close(fd);
}

static int bind_socket(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	strcpy(a.sun_path, at(name));
	r = bind(fd, (struct sockaddr *)&a, sizeof(a));
	close(fd);
	return r;
}

static int link_nameless(const char *name)
{
	char from[40];
	int fd = open(base, O_TMPFILE | O_WRONLY, 0600), r;

	if (fd < 0)
		return -1;
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	r = linkat(AT_FDCWD, from, AT_FDCWD, at(name), AT_SYMLINK_FOLLOW);
	close(fd);
	return r;
}

static void names_change(void)
{
	look("nothing");
	STEP(make("f"));
	STEP(unlink(at("f")));
	STEP(mkdir(at("f"), 0700));
	STEP(rmdir(at("f")));
	STEP(link_nameless("f"));
	STEP(mkdir(at("d"), 0700));
	STEP(rename(at("f"), at("d/f")));
	STEP(mkdir(at("d/d"), 0700));
	STEP(link(at("d/f"), at("d/d/f")));
	STEP(symlink("d", at("l")));
	STEP(rename(at("d"), at("e")));
	STEP(symlink("e", at("d")));
	STEP(unlink(at("d")));
	STEP(rename(at("e"), at("d")));
	STEP(mknod(at("f"), S_IFIFO | 0600, 0));
	STEP(renameat2(AT_FDCWD, at("f"), AT_FDCWD, at("d/d"), RENAME_EXCHANGE));
	STEP(renameat2(AT_FDCWD, at("f"), AT_FDCWD, at("d/d"), RENAME_EXCHANGE));
	STEP(bind_socket("s"));
	STEP(rename(at("s"), at("f")));
	STEP(unlink(at("l")));
	STEP(unlink(at("f")));
	STEP(make("f"));
	STEP(unlink(at("d/d/f")));
	STEP(rmdir(at("d/d")));
	STEP(unlink(at("d/f")));
	STEP(rmdir(at("d")));
	STEP(unlink(at("f")));
}

/* --- who may ------------------------------------------------------------------------- */

static void tree_make(void)
{
	mkdir(at("d"), 0755);
	mkdir(at("d/d"), 0755);
	make("d/f");
	make("d/d/f");
}

static void tree_remove(void)
{
	unlink(at("d/d/f"));
	rmdir(at("d/d"));
	unlink(at("d/f"));
	rmdir(at("d"));
}

static void rights_change(void)
{
	tree_make();
	chmod(at("d/f"), 0644);
	look("rights");
	STEP(chmod(at("d/f"), 0755));
	STEP(chmod(at("d/f"), 0));
	STEP(chmod(at("d"), 0));
	STEP(chmod(at("d"), 0755));
	if (geteuid() == 0) {
		/* As somebody else, who is shut out and let in again by others. */
		RES(syscall(SYS_setresuid, -1, 65534, -1));
		char mine[1000];
		answers(mine);
		printf("another: %s\n", mine);
		RES(syscall(SYS_setresuid, -1, 0, -1));
		look("myself");
	}
	tree_remove();
}

/* The asker is user 65534; root changes what that one may. */
static void rights_of_another(void)
{
	struct asker *a =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (geteuid() != 0)
		return;
	asker_init(a);
	chmod(base, 0755);
	tree_make();
	pid = fork_child();
	if (pid == 0) {
		if (setgroups(0, NULL))
			die("setgroups");
		become_nobody();
		asker_loop(a);
		_exit(0);
	}
#define OTHER(expr)                                                                                \
	do {                                                                                       \
		RES(expr);                                                                         \
		ask_one("user 65534", a, "");                                                      \
	} while (0)
	OTHER(0);
	OTHER(chmod(at("d"), 0700));
	OTHER(chmod(at("d"), 0711));
	OTHER(chown(at("d/f"), 65534, 65534));
	OTHER(chmod(at("d"), 0700));
	OTHER(chown(at("d"), 65534, 0));
	OTHER(chown(at("d"), 0, 65534));
	OTHER(chmod(at("d"), 0755));
	OTHER(fchmodat(AT_FDCWD, at("d/d/f"), 0777, 0));
	ends(a);
	waitpid(pid, NULL, 0);
	tree_remove();
	munmap(a, 4096);
}

/* --- where names lead ---------------------------------------------------------------- */

static void say(const char *when)
{
	char mine[1000];

	answers(mine);
	printf("%s: %s\n", when, mine);
}

#define MOVE(expr)                                                                                 \
	do {                                                                                       \
		RES(expr);                                                                         \
		say("");                                                                           \
	} while (0)

static void mounts_change(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0)
		return;
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	mkdir(at("d"), 0755);
	mkdir(at("e"), 0755);
	mkdir(at("e/d"), 0755);
	make("e/d/f");
	say("mounts");
	MOVE(mount("t", at("d"), "tmpfs", 0, "mode=755"));
	MOVE(make("d/f"));
	MOVE(mount(NULL, at("d"), NULL, MS_REMOUNT | MS_RDONLY, "mode=755"));
	MOVE(mount(NULL, at("d"), NULL, MS_REMOUNT, "mode=755"));
	MOVE(umount2(at("d"), 0));
	MOVE(mount(at("e"), at("d"), NULL, MS_BIND, NULL));
	MOVE(mount(NULL, at("d"), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	MOVE(mount(NULL, at("d"), NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL));
	RES(umount2(at("d"), MNT_EXPIRE));
	say("used since");
	RES(umount2(at("d"), MNT_EXPIRE));
	RES(umount2(at("d"), MNT_EXPIRE));
	say("expired");
	MOVE(mount("t", at("d"), "tmpfs", 0, NULL));
	mkdir(at("d/d"), 0755);
	MOVE(mount(at("d"), at("e/d"), NULL, MS_MOVE, NULL));
	MOVE(umount2(at("e/d"), MNT_DETACH));
	int ns = open("/proc/self/ns/mnt", O_RDONLY);
	RES(unshare(CLONE_NEWNS));
	MOVE(mount("t", at("d"), "tmpfs", 0, NULL));
	MOVE(make("d/f"));
	MOVE(setns(ns, CLONE_NEWNS));
	close(ns);
	/* The same name from another root. */
	mkdir(at("e/tmp"), 0755);
	mkdir(at("e/var"), 0755);
	mkdir(at("e/var/tmp"), 0755);
	snprintf(base + strlen(base), 4, "/e");
	char outer[32];
	strcpy(outer, base);
	base[strlen(base) - 2] = 0;
	MOVE(chroot(outer));
	MOVE(mkdir(base, 0755));
	MOVE(make("f"));
	fflush(stdout);
}

static void *changes_root(void *arg)
{
	RES(chroot(arg));
	return arg;
}

/* Threads share a root: another changes it. */
static void root_of_all(void)
{
	char outer[40];
	pthread_t th;

	if (geteuid() != 0)
		return;
	make("f");
	snprintf(outer, sizeof(outer), "%s", base);
	if (fork_child() == 0) {
		say("before");
		pthread_create(&th, NULL, changes_root, outer);
		pthread_join(th, NULL);
		say("after");
		strcpy(base, "");
		say("from there");
		_exit(0);
	}
	wait(NULL);
	unlink(at("f"));
}

/* --- names that come and go all the time ---------------------------------------------- */

#define ROUNDS 1500

struct race {
	_Atomic int turn; /* 2k + 1: the name is there, or not, look; 2k + 2: seen */
	sem_t changed, seen;
	_Atomic int wrong;
};

static void *watches(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		bool there = i % 2 == 0;

		for (int n = 0; n < 100 && atomic_load(&r->turn) != 2 * i + 1; n++)
			ask(2, at("f"));
		sem_wait(&r->changed);
		if ((ask(2, at("f")) == 0) != there || (ask(0, at("f")) == 0) != there ||
		    (ask(8, at("f")) == -1 && errno == EINVAL) != there)
			atomic_fetch_add(&r->wrong, 1);
		atomic_store(&r->turn, 2 * i + 2);
		sem_post(&r->seen);
	}
	return NULL;
}

static void come_and_go(struct race *r)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 2 == 0 ? make("f") : unlink(at("f")))
			die("f");
		atomic_store(&r->turn, 2 * i + 1);
		sem_post(&r->changed);
		sem_wait(&r->seen);
	}
	NUM(r->wrong);
	r->turn = r->wrong = 0;
}

static void races(void)
{
	struct race *r =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t th;

	sem_init(&r->changed, 1, 0);
	sem_init(&r->seen, 1, 0);
	pthread_create(&th, NULL, watches, r);
	come_and_go(r);
	pthread_join(th, NULL);
	if (fork_child() == 0) {
		watches(r);
		_exit(0);
	}
	come_and_go(r);
	wait(NULL);
	munmap(r, 4096);
}

/* --- odd questions -------------------------------------------------------------------- */

static void odd_ones(void)
{
	char deep[5000];
	struct stat st;

	for (int k = 0; k < OFTEN; k++) {
		RES(readlink(base, deep, 0));
		RES(readlink(base, deep, (size_t)-1));
		RES(readlink(base, deep, 1));
		RES(readlink(at("none"), deep, 0));
		RES(access(at("none"), 64));
		RES(syscall(SYS_faccessat2, AT_FDCWD, at("none"), F_OK, 1));
		RES(syscall(SYS_newfstatat, AT_FDCWD, at("none"), &st, 1));
		RES(syscall(SYS_stat, at("none"), (void *)-4096L));
		RES(syscall(SYS_stat, (void *)-4096L, &st));
		RES(syscall(SYS_stat, "", &st));
	}
	memset(deep, '/', sizeof(deep));
	deep[4090] = 'x';
	deep[4091] = 0;
	for (int k = 0; k < OFTEN; k++)
		RES(access(deep, F_OK));
	deep[4090] = '/';
	for (int k = 0; k < OFTEN; k++)
		RES(access(deep, F_OK));
	/* Relative to where one stands. */
	mkdir(at("d"), 0700);
	for (int k = 0; k < OFTEN; k++)
		RES(access("inner", F_OK));
	RES(chdir(at("d")));
	RES(mkdir("inner", 0700));
	for (int k = 0; k < OFTEN; k++)
		RES(access("inner", F_OK));
	RES(chdir(".."));
	RES(access("inner", F_OK));
	rmdir(at("d/inner"));
	rmdir(at("d"));
	/* What appears in /proc does so by itself. */
	snprintf(deep, sizeof(deep), "/proc/self/fd/%d", 700);
	for (int k = 0; k < OFTEN; k++)
		RES(access("/proc/self/fd/700", F_OK));
	RES(dup2(1, 700));
	RES(access("/proc/self/fd/700", F_OK));
	RES(close(700));
	RES(access("/proc/self/fd/700", F_OK));
}

static void in_folder(const char *template)
{
	struct asker *shared =
	    mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t th;
	pid_t pid;

	snprintf(base, sizeof(base), "%s", template);
	if (!mkdtemp(base))
		die("mkdtemp");
	thread_asks = shared;
	process_asks = (struct asker *)((char *)shared + 4096);
	asker_init(thread_asks);
	asker_init(process_asks);
	pid = fork_child();
	if (pid == 0) {
		asker_loop(process_asks);
		_exit(0);
	}
	pthread_create(&th, NULL, asker_loop, thread_asks);
	names_change();
	rights_change();
	ends(thread_asks);
	ends(process_asks);
	pthread_join(th, NULL);
	waitpid(pid, NULL, 0);
	rights_of_another();
	races();
	odd_ones();
	root_of_all();
	if (fork_child() == 0) {
		mounts_change();
		_exit(0);
	}
	wait(NULL);
	nftw(base, compat_remove, 10, FTW_DEPTH | FTW_PHYS);
	munmap(shared, 8192);
}

int main(void)
{
	in_folder("/tmp/namesXXXXXX");
	in_folder("/var/tmp/namesXXXXXX");
	return 0;
}
