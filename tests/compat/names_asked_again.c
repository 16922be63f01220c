/*
 * Questions about names, asked so often that a platform may have found a short way to answer them:
 * the answer must be what it is now, whoever has changed a name, a mode, an owner or who the asker
 * is: this thread, another one, or another process.
 */
#include "compat.h"
#include "compat_names.h"
#include <grp.h>
#include <linux/fs.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/un.h>

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

static void names_and_rights(void)
{
	struct asker *shared =
	    mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t th;
	pid_t pid;

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
	odd_ones();
	munmap(shared, 8192);
}

int main(void)
{
	in_folders(names_and_rights);
	return 0;
}
