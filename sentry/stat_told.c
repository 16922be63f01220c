/*
 * Telling the platform of open files. What is told holds until somebody changes it
 * (fs/vfs/told_word.h, fs/vfs/fdtable.h), so it is told of regular files and directories in file
 * systems that hear of each change (SB_TELLS). With the answer to fstat(2), unless that has
 * changed before it is asked for again, time after time; and with the one to open(2), if that is
 * what the task asks after then.
 */
#include "sentry/stat_told.h"
#include "base/caller.h"
#include "base/cred.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include "fs/vfs/told_word.h"
#include "sentry/task.h"
#include <string.h>

/* How many times it is told in vain before that ends; how often it is tried again. */
#define PATIENCE  4
#define TRY_EVERY 8

void stat_fill(struct stat *st, const struct inode *i, const struct attr *a)
{
	const struct user_ns *u = caller_cred()->user_ns;

	memset(st, 0, sizeof(*st));
	st->st_dev = i->sb->dev;
	st->st_ino = i->ino;
	st->st_nlink = a->nlink;
	st->st_mode = a->mode;
	st->st_uid = user_ns_uid_show(u, a->uid);
	st->st_gid = user_ns_gid_show(u, a->gid);
	st->st_rdev = a->rdev;
	st->st_size = (off_t)a->size;
	st->st_blksize = a->blksize;
	st->st_blocks = (blkcnt_t)a->blocks;
	st->st_atim = a->atime;
	st->st_mtim = a->mtime;
	st->st_ctim = a->ctime;
}

/*
 * False: that is not for others to give again. What owners are called may change while the maps of
 * the caller's user namespace are not written; until then its stub answers nothing.
 */
static bool tell_attr(struct task *t, struct inode *i, struct stat *st, struct told *out)
{
	struct attr a;

	if (!platform_thread_answers(t->thread) || !inode_attr_tell(i, &a, out))
		return false;
	stat_fill(st, i, &a);
	return true;
}

bool stat_tell(struct task *t, int fd, struct file *f, struct stat *st)
{
	struct platform_file p;
	struct fdtable_told slot;

	if (fd >= FDTABLE_TOLD || !tell_attr(t, f->inode, st, &p.of_attr))
		return false;
	p.st = *st;
	p.flags = file_tell_flags(f, &p.of_flags);
	/* No longer, or not yet: then it stays untold. */
	if (!fdtable_tell(t->caller.files, fd, f, &slot))
		return true;
	p.of_fd = slot.at;
	p.cloexec = slot.cloexec;
	platform_thread_tell_file(t->thread, (unsigned)fd, &p);
	return true;
}

bool stat_tell_named(struct task *t, struct inode *i, struct stat *st)
{
	struct told told;

	if (!t->caller.walk_lasts || !tell_attr(t, i, st, &told))
		return false;
	platform_thread_stat_lasts(t->thread, t->caller.walk_epoch, &told);
	return true;
}

/* The stub has made use of what it was told: that is worth going on with. */
static void learn(struct task *t)
{
	if (!platform_thread_told_used(t->thread))
		return;
	t->vain_asks = 0;
	if (t->told_opens)
		t->told_opens = PATIENCE;
}

bool stat_open_tells(struct task *t)
{
	if (!t->told_opens)
		return false;
	t->told_opens--;
	learn(t);
	return t->told_opens;
}

void stat_opened(struct task *t, int fd)
{
	t->opened_fd = fd;
}

bool stat_ask_tells(struct task *t, int fd)
{
	learn(t);
	if (fd == t->opened_fd)
		t->told_opens = PATIENCE;
	t->opened_fd = -1;
	t->vain_asks++;
	return t->vain_asks <= PATIENCE || t->vain_asks % TRY_EVERY == 0;
}
