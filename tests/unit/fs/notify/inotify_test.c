/* inotify: what a Linux host reports for the same operations, queue limits, ends of watches. */
#include "tests/unit/tree.h"
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include "fs/notify/inotify.h"

TestSuite(inotify, .init = tree_init, .fini = tree_fini, .timeout = 60);

static struct file *in;
static char said[4096];

static int watch(const char *name, u32 mask)
{
	struct path p;

	check(walk((struct path){0}, name, 0, &p) == 0);
	int wd = inotify_watch_add(in, p.dentry->inode, mask);
	path_put(p);
	return wd;
}

/* All events as text: "wd:mask[:name]" with a blank behind each; cookies as '+' where set. */
static const char *events(void)
{
	static char buf[65536];
	size_t at = 0;

	said[0] = '\0';
	ssize_t n = take(in, buf, sizeof(buf));
	check(n > 0 || n == -EAGAIN);
	for (ssize_t i = 0; i < n;) {
		struct inotify_event *e = (struct inotify_event *)(buf + i);
		at += snprintf(said + at, sizeof(said) - at, "%d:%x%s%s%s ", e->wd, e->mask,
		               e->cookie ? "+" : "", e->len ? ":" : "", e->len ? e->name : "");
		i += sizeof(*e) + e->len;
	}
	return said;
}

#define expect(text) check(strcmp(events(), text) == 0)

static void open_all(void)
{
	check(inotify_create(IN_NONBLOCK, &in) == 0);
}

/* The same calls on a Linux host gave the same list. */
static void directory_body(void)
{
	struct path here = {0}, p;
	struct file *f;

	open_all();
	check(vfs_mkdir(here, "/d", 0700) == 0 && watch("/d", IN_ALL_EVENTS) == 1);
	check(vfs_mkdir(here, "/d/s", 0700) == 0);
	check(walk(here, "/d/s", 0, &p) == 0 && vfs_chmod(p, 0755) == 0);
	path_put(p);
	expect("1:40000100:s 1:40000004:s ");
	check(watch("/d/s", IN_ALL_EVENTS) == 2);
	check(vfs_rename(here, "/d/s", here, "/d/t", 0) == 0);
	expect("1:40000040+:s 1:40000080+:t 2:800 ");
	check(vfs_rmdir(here, "/d/t") == 0);
	expect("2:400 2:8000 1:40000200:t ");
	f = must_open("/d/f", O_CREAT | O_RDWR);
	check(put(f, "x", 1) == 1 && put(f, "x", 1) == 1);
	expect("1:100:f 1:20:f 1:2:f ");
	check(vfs_unlink(here, "/d/f") == 0 && put(f, "x", 1) == 1);
	expect("1:200:f 1:2:f ");
	file_put(f);
	expect("1:8:f ");
	check(vfs_rmdir(here, "/d") == 0);
	expect("1:400 1:8000 ");
	check(inotify_watch_remove(in, 1) == -EINVAL);
	file_put(in);
}

Test(inotify, reports_what_happens_in_a_directory)
{
	as_guest(directory_body);
}

static void masks_body(void)
{
	struct path here = {0};
	struct file *f = must_open("/f", O_CREAT | O_RDWR);

	open_all();
	check(watch("/f", 0) == -EINVAL && watch("/f", IN_MODIFY | 0x10000) == -EINVAL);
	check(watch("/f", IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE) == -EINVAL);
	check(watch("/f", IN_MODIFY | IN_ONLYDIR) == -ENOTDIR);
	check(inotify_watch_add(f, f->inode, IN_MODIFY) == -EINVAL);
	check(watch("/f", IN_MODIFY) == 1 && watch("/f", IN_ACCESS | IN_MASK_ADD) == 1);
	check(watch("/f", IN_ACCESS | IN_MASK_CREATE) == -EEXIST);
	check(put(f, "x", 1) == 1);
	expect("1:2 ");
	check(watch("/f", IN_ATTRIB) == 1 && put(f, "x", 1) == 1);
	expect("");
	check(inotify_watch_remove(in, 1) == 0);
	expect("1:8000 ");
	/* Once, and the descriptor is not used again soon. */
	check(watch("/f", IN_MODIFY | IN_ONESHOT) == 2);
	check(put(f, "x", 1) == 1 && put(f, "x", 1) == 1);
	expect("2:2 2:8000 ");
	/* Unlinked names say nothing to a watch that does not want to hear. */
	check(watch("/", IN_MODIFY | IN_DELETE | IN_EXCL_UNLINK) == 3);
	check(put(f, "x", 1) == 1);
	expect("3:2:f ");
	check(vfs_unlink(here, "/f") == 0 && put(f, "x", 1) == 1);
	expect("3:200:f ");
	file_put(f);
	/* Reading what is watched takes the right to read. */
	struct cred *root = guest.cred;
	check(vfs_mkdir(here, "/secret", 0700) == 0);
	guest.cred = cred_create(1000, 1000, NULL, 0);
	check(watch("/secret", IN_MODIFY) == -EACCES);
	cred_put(guest.cred);
	guest.cred = root;
	file_put(in);
}

Test(inotify, honours_masks)
{
	as_guest(masks_body);
}

static void queue_body(void)
{
	struct file *f = must_open("/a-name-of-some-length", O_CREAT | O_RDWR);
	char c, big[64];
	int n = 0;

	open_all();
	check(file_ready(in) == 0 && watch("/", IN_MODIFY | IN_ACCESS) == 1);
	check(put(f, "xx", 2) == 2);
	check(file_ready(in) == (EPOLLIN | EPOLLRDNORM) && ioctl_int(in, FIONREAD) == 16 + 32);
	check(take(in, big, 47) == -EINVAL && take(in, big, 48) == 48);
	/* Too many: the last one says so, once. */
	for (int i = 0; i < 20000; i++) {
		check(i % 2 ? put(f, "x", 1) == 1 : file_read_kernel(f, &c, 1, 0) == 1);
		if (i % 2 == 0)
			notify_event(f->inode, f->path.dentry, IN_ACCESS);
	}
	struct inotify_event *e = (struct inotify_event *)big;
	while (take(in, big, 48) > 0) {
		n++;
		if (e->wd == -1)
			break;
	}
	check(n == 16385 && e->mask == IN_Q_OVERFLOW && take(in, big, sizeof(big)) == -EAGAIN);
	check(put(f, "x", 1) == 1);
	expect("1:2:a-name-of-some-length ");
	file_put(f);
	file_put(in);
}

Test(inotify, bounds_its_queue)
{
	as_guest(queue_body);
}

static void limits_body(void)
{
	static struct file *many[129];
	int n = 0;

	check(inotify_create(1, &in) == -EINVAL);
	while (n < 129 && inotify_create(0, &many[n]) == 0)
		n++;
	check(n == 128 && inotify_create(0, &many[n]) == -EMFILE);
	for (int i = 0; i < n; i++)
		file_put(many[i]);
}

Test(inotify, gives_a_user_only_so_many)
{
	as_guest(limits_body);
}

static ssize_t got;

static void reader(void *arg)
{
	char buf[100];

	(void)arg;
	got = take(in, buf, sizeof(buf));
}

static void waits_body(void)
{
	check(inotify_create(0, &in) == 0 && watch("/", IN_CREATE) == 1);
	spawn(reader, NULL);
	let_others_run();
	check(got == 0 && vfs_mkdir((struct path){0}, "/d", 0755) == 0);
	let_others_run();
	check(got == 32);
	file_put(in);
}

Test(inotify, readers_wait)
{
	as_guest(waits_body);
}

/* ---- many workers ------------------------------------------------------------ */

static _Atomic int running;

static void stress(void *arg)
{
	struct path here = {0};
	char name[32], buf[2000];

	snprintf(name, sizeof(name), "/stress%lu", (u64)arg);
	for (int i = 0; i < ROUNDS(4000); i++) {
		struct file *mine = must_open(name, O_CREAT | O_RDWR);
		int wd = inotify_watch_add(in, mine->inode, IN_ALL_EVENTS);
		check(wd > 0 && put(mine, "x", 1) == 1);
		if (i % 3 == 0)
			(void)!inotify_watch_remove(in, wd);
		check(vfs_unlink(here, name) == 0);
		file_put(mine);
		while (take(in, buf, sizeof(buf)) > 0)
			;
	}
	running--;
}

Test(inotify, watches_come_and_go_on_workers)
{
	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	open_all();
	running = 4;
	for (u64 i = 0; i < 4; i++)
		spawn(stress, (void *)i);
	await_zero(&running);
	sched_stop();
	file_put(in);
}
