/*
 * Files that name namespaces: see nsfs.h, and in Linux fs/nsfs.c. There is no
 * directory: an inode is made whenever someone follows a link to a namespace, and
 * the number of the namespace is its own, so that stat(2) tells if two are one.
 */
#include "sentry/nsfs.h"
#include "base/bug.h"
#include "base/cred.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include "sentry/pid_ns.h"
#include "sentry/task.h"
#include <errno.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <stdlib.h>
#include <sys/statfs.h>

struct ns_inode {
	struct inode inode;
	struct ns *ns; /* held */
};

static struct super *nsfs;
static const struct file_ops nsfs_file_ops;

static void ns_inode_free(struct inode *i)
{
	struct ns_inode *ni = container_of(i, struct ns_inode, inode);

	ns_put(ni->ns);
	free(ni);
}

static int nsfs_statfs(struct super *sb, struct statfs *out)
{
	out->f_type = sb->magic;
	out->f_bsize = (__fsword_t)PAGE_SIZE;
	out->f_namelen = NAME_LEN_MAX;
	return 0;
}

static int ns_inode_open(struct inode *i, struct file *f)
{
	if (file_writable(f))
		return -EPERM;
	f->ops = &nsfs_file_ops;
	f->priv = container_of(i, struct ns_inode, inode)->ns;
	return 0;
}

static const struct super_ops nsfs_super_ops = {.inode_free = ns_inode_free, .statfs = nsfs_statfs};
static const struct inode_ops ns_inode_ops = {.open = ns_inode_open};

void nsfs_init(void)
{
	nsfs = calloc(1, sizeof(*nsfs));
	BUG_ON(!nsfs || super_init(nsfs, &nsfs_super_ops, "nsfs", "nsfs", NSFS_MAGIC, 0) != 0);
}

int nsfs_path(struct ns *n, struct path *out)
{
	struct ns_inode *ni = calloc(1, sizeof(*ni));

	if (!ni)
		return -ENOMEM;
	inode_init(&ni->inode, nsfs, &ns_inode_ops, n->ino, S_IFREG | 0444);
	inode_set_nlink(&ni->inode, 1);
	ni->ns = ns_get(n);
	out->mnt = NULL;
	out->dentry = dentry_create_unhashed(NULL, "", 0, &ni->inode);
	inode_put(&ni->inode);
	return out->dentry ? 0 : -ENOMEM;
}

struct ns *nsfs_of_file(const struct file *f)
{
	return f->ops == &nsfs_file_ops ? f->priv : NULL;
}

struct ns *nsfs_of_path(struct path p)
{
	struct inode *i = dentry_inode(p.dentry);

	return i && i->ops == &ns_inode_ops ? container_of(i, struct ns_inode, inode)->ns : NULL;
}

/* ---- ioctl_ns(2) ------------------------------------------------------------- */

/* A descriptor of n. */
static s64 open_ns(struct ns *n)
{
	struct path p;
	struct file *f;
	int err = nsfs_path(n, &p);

	if (err)
		return err;
	err = file_create(p, dentry_inode(p.dentry), O_RDONLY, &f);
	path_put(p);
	if (err)
		return err;
	f->ops = &nsfs_file_ops;
	f->priv = container_of(f->inode, struct ns_inode, inode)->ns;
	return fd_install(f, true);
}

/* Only what lies within the caller's own user namespace may be looked at. */
static s64 open_owner(struct ns *n)
{
	const struct user_ns *mine = caller_cred()->user_ns;

	if (!n->owner || !user_ns_contains(mine, n->owner))
		return -EPERM;
	return open_ns(&n->owner->ns);
}

/* Nothing outside the caller's own pid namespace may be looked at. */
static s64 open_parent_pid_ns(struct pid_ns *p)
{
	const struct pid_ns *mine = task_self()->group->pid_ns;

	if (!p->parent || !pid_ns_contains(mine, p->parent))
		return -EPERM;
	return open_ns(&p->parent->ns);
}

static s64 owner_uid(struct ns *n, u64 arg)
{
	u32 uid;

	if (n->kind != NS_USER)
		return -EINVAL;
	uid = user_ns_uid_out(caller_cred()->user_ns, container_of(n, struct user_ns, ns)->uid);
	if (uid == NO_ID)
		uid = OVERFLOW_ID;
	return put_user(uptr_make(arg), &uid);
}

static s64 nsfs_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct ns *n = f->priv;

	switch (cmd) {
	case NS_GET_USERNS:
		return open_owner(n);
	case NS_GET_PARENT:
		if (n->kind == NS_PID)
			return open_parent_pid_ns(pid_ns_of(n));
		if (n->kind != NS_USER)
			return -EINVAL;
		return open_owner(n);
	case NS_GET_NSTYPE:
		return ns_kind_flag(n->kind);
	case NS_GET_OWNER_UID:
		return owner_uid(n, arg);
	}
	return -ENOTTY;
}

static const struct file_ops nsfs_file_ops = {.ioctl = nsfs_ioctl};
