/*
 * Listing directories. A position is the host's own cookie (getdents64's
 * d_off), which stays true while entries come and go. No two listings share a
 * descriptor, and so a host position: the first one has the directory's, which it opened, the
 * others have their own. Should it be closed meanwhile, the next one is sought to where this one
 * was.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/blocking.h"
#include "base/host.h"
#include "fs/hostfs/hostfs_internal.h"

#define LIST_BUFFER 32768
/* The highest position there is: what a host has said to come last (ext4, f2fs, btrfs). */
#define POS_END INT64_MAX

struct dirent_host {
	u64 ino;
	s64 next;
	u16 reclen;
	u8 type;
	char name[];
};

/* Guarded by the file's pos_mutex, but for the slot. */
struct dir_stream {
	struct fd_slot own;
	bool shared;    /* lists by the directory's descriptor, */
	u16 opened;     /* as long as it is still this one */
	char *buf;      /* LIST_BUFFER bytes, from the first listing on */
	size_t at, len; /* what is left of buf */
	u64 pos;        /* the position of the entry at `at` */
	u64 host_pos;   /* where the descriptor stands, as far as is known */
	bool ended;     /* the host has just said that nothing follows pos */
};

/* The directory's own descriptor, if this stream may list by it. */
static int shared_fd(struct hostfs_inode *h, struct dir_stream *s)
{
	int fd = fd_slot_try(&h->rd);

	if (fd < 0)
		return fd;
	if (h->rd.opened == s->opened)
		return fd;
	fd_slot_put(&h->rd);
	return -EBADF;
}

static int own_open(struct hostfs_inode *h, struct dir_stream *s)
{
	int dfd = hostfs_dir_fd(h, false), fd;

	if (dfd < 0)
		return dfd;
	fd = hostfs_openat(dfd, ".", O_RDONLY | O_DIRECTORY, 0);
	hostfs_dir_put(h);
	return fd < 0 ? fd : fd_slot_install(&s->own, fd);
}

/* The descriptor to list by, with a use of *slot. */
static int stream_fd(struct hostfs_inode *h, struct dir_stream *s, struct fd_slot **slot)
{
	int fd = s->shared ? shared_fd(h, s) : -EBADF;

	*slot = &h->rd;
	if (fd >= 0)
		return fd;
	s->shared = false;
	fd = fd_slot_try(*slot = &s->own);
	if (fd >= 0)
		return fd;
	s->host_pos = 0;
	fd = hostfs_list_fd(h);
	if (fd < 0)
		return own_open(h, s);
	*slot = &h->rd;
	s->shared = true;
	s->opened = h->rd.opened;
	return fd;
}

/* Fills the buffer from s->pos on. Bytes, 0 at the end, or -errno. */
static ssize_t stream_fill(struct hostfs_inode *h, struct dir_stream *s)
{
	struct fd_slot *slot;
	ssize_t n;
	int fd;

	if (s->pos == POS_END)
		return 0;
	if (!s->buf) {
		s->buf = malloc(LIST_BUFFER);
		if (!s->buf)
			return -ENOMEM;
	}
	fd = stream_fd(h, s, &slot);
	if (fd < 0)
		return fd;
	s->at = s->len = 0;
	n = 0;
	if (s->host_pos != s->pos) {
		n = host_lseek(fd, (s64)s->pos, SEEK_SET);
		s->host_pos = s->pos;
	}
	if (n >= 0)
		n = host_getdents(fd, s->buf, LIST_BUFFER);
	fd_slot_put(slot);
	/* A removed directory has no entries; Linux says so, a fresh listing is just empty. */
	if (n == -ENOENT)
		n = 0;
	if (n > 0)
		s->len = (size_t)n;
	return n;
}

/* What ".." is numbered: the root's parent is not the guest's affair. */
static u64 parent_ino(struct hostfs_inode *h)
{
	char name[NAME_LEN_MAX + 1];
	struct hostfs_inode *parent;
	u64 ino = h->inode.ino;

	if (hostfs_place_get(h, 0, &parent, name)) {
		ino = parent->inode.ino;
		inode_put(&parent->inode);
	}
	return ino;
}

static u64 entry_ino(struct hostfs_inode *h, const struct dirent_host *d, size_t len)
{
	if (len == 2 && d->name[0] == '.' && d->name[1] == '.')
		return parent_ino(h);
	return hostfs_guest_ino(hostfs_of(&h->inode), h->dev, d->ino);
}

static int hostfs_readdir(struct file *f, struct dir_sink *sink)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	struct dir_stream *s = f->priv;
	u64 from = f->pos;
	ssize_t n;

	/* The guest has sought, or rewound: it wants a fresh look. */
	if (f->pos != s->pos || f->pos == 0) {
		s->at = s->len = 0;
		s->pos = f->pos;
		s->ended = false;
		if (s->buf)
			s->host_pos = ~0ULL;
	}
	/* Who was given the last entries asks once more; after that, the host is asked again. */
	if (s->ended) {
		s->ended = false;
		return 0;
	}
	for (;;) {
		while (s->at < s->len) {
			struct dirent_host *d = (void *)(s->buf + s->at);
			size_t len = strlen(d->name);

			if (!sink->emit(sink, d->name, len, entry_ino(h, d, len), d->type,
			                (u64)d->next))
				return 0;
			s->at += d->reclen;
			f->pos = s->pos = (u64)d->next;
			if (s->at == s->len)
				s->host_pos = s->pos;
		}
		n = stream_fill(h, s);
		if (n <= 0) {
			s->ended = n == 0 && f->pos != from;
			return (int)n;
		}
	}
}

static s64 hostfs_dir_seek(struct file *f, s64 off, int whence)
{
	/* Cookies are not bytes: only absolute positions make sense, and 'where am I'. */
	if (whence == SEEK_CUR && off == 0)
		return (s64)f->pos;
	if (whence != SEEK_SET || off < 0)
		return -EINVAL;
	return off;
}

static s64 fsync_job(void *arg)
{
	return host_fsync(*(int *)arg, false);
}

static int hostfs_dir_fsync(struct file *f, bool datasync unused_arg)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	int dfd = hostfs_dir_fd(h, false), fd, err;

	if (dfd < 0)
		return dfd;
	fd = hostfs_openat(dfd, ".", O_RDONLY | O_DIRECTORY, 0);
	hostfs_dir_put(h);
	if (fd < 0)
		return fd;
	err = (int)blocking_call(fsync_job, &fd);
	host_close(fd);
	return err;
}

static void hostfs_dir_release(struct file *f)
{
	struct dir_stream *s = f->priv;

	fd_slot_destroy(&s->own);
	free(s->buf);
	free(s);
}

static const struct file_ops hostfs_dir_file_ops = {
    .readdir = hostfs_readdir,
    .seek = hostfs_dir_seek,
    .fsync = hostfs_dir_fsync,
    .release = hostfs_dir_release,
};

int hostfs_open_dir(struct inode *i, struct file *f)
{
	struct hostfs_inode *h = to_hostfs(i);
	struct dir_stream *s = calloc(1, sizeof(*s));
	struct fd_slot *slot;
	int fd;

	if (!s)
		return -ENOMEM;
	fd_slot_init(&s->own);
	/* Whether the host lets us list it is asked once. */
	if (!hostfs_has(h, HOSTFS_READABLE)) {
		fd = stream_fd(h, s, &slot);
		if (fd < 0) {
			free(s);
			return fd;
		}
		fd_slot_put(slot);
		hostfs_mark(h, HOSTFS_READABLE);
	}
	f->ops = &hostfs_dir_file_ops;
	f->priv = s;
	return 0;
}
