/*
 * Questions about names, asked so often that a platform may have found a short way to answer them,
 * while mounts and roots change where the names lead: the answer must be what it is now.
 */
#include "compat.h"
#include "compat_names.h"
#include <pthread.h>
#include <sys/mount.h>

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

static void names_lead_elsewhere(void)
{
	root_of_all();
	if (fork_child() == 0) {
		mounts_change();
		_exit(0);
	}
	wait(NULL);
}

int main(void)
{
	in_folders(names_lead_elsewhere);
	return 0;
}
