/*
 * Open files (open file descriptions). Everything that a descriptor can name
 * is one: regular files, directories, pipes, sockets, epolls, terminals.
 *
 * file_ops never block: an op that would have to wait returns -EAGAIN and
 * makes sure that `waitq` is woken when trying again is worthwhile. file_wait
 * and the loops in file.c own blocking, O_NONBLOCK, signals and time-outs.
 * An absent op means the errno in its comment.
 */
#pragma once
#include <fcntl.h>
#include "base/cred.h"
#include "base/mutex.h"
#include "base/ref.h"
#include "base/uspace.h"
#include "base/waitq.h"
#include "fs/vfs/mount.h"

struct file;
struct inode;
struct attr;
struct told;
struct epoll_links;

/* Receives directory entries; false: full, stop (the entry was not taken). */
struct dir_sink {
	bool (*emit)(struct dir_sink *s, const char *name, size_t len, u64 ino, u8 type,
	             u64 next_pos);
};

/* What backs a mapping of a file. */
struct map_backing {
	int fd;     /* host fd to map in the stub; borrowed, valid while the file is held */
	u64 off;    /* added to the file offset */
	bool fixed; /* nobody in the sandbox can change the file's bytes, by whatever name */
};

struct file_ops {
	const char *name; /* for /proc/PID/fd links of anonymous files: "anon_inode:[eventpoll]";
	                     else NULL */
	/*
	 * Move bytes at pos (streams ignore pos). Return the bytes moved, 0 at end of file,
	 * -EAGAIN or -errno. Position and O_APPEND are handled above (for O_APPEND, write is
	 * called with pos == FILE_POS_APPEND and sets *pos to the end of what it wrote).
	 */
	ssize_t (*read)(struct file *f, struct uio *dst, u64 *pos);  /* -EINVAL */
	ssize_t (*write)(struct file *f, struct uio *src, u64 *pos); /* -EINVAL */
	int (*readdir)(struct file *f, struct dir_sink *sink); /* -ENOTDIR; position in f->pos */
	/* EPOLL* bits true now. Absent: always readable and writable. */
	u32 (*ready)(struct file *f);
	/* Where changes of ready() are announced. Absent: never changes. */
	struct waitq *(*waitq)(struct file *f);
	/*
	 * How long a blocking read (write: false) or write may wait, in ns, as SO_RCVTIMEO has it;
	 * -EAGAIN is the result when it is over. Absent: NO_DEADLINE, for ever.
	 */
	u64 (*io_timeout)(struct file *f, bool write);
	/* New position or -errno. Absent: -ESPIPE. See file_seek_generic. */
	s64 (*seek)(struct file *f, s64 off, int whence);
	/* Result or -errno. arg is what the guest passed. Absent: -ENOTTY. */
	s64 (*ioctl)(struct file *f, u32 cmd, u64 arg);
	int (*fsync)(struct file *f, bool datasync);                  /* -EINVAL */
	int (*fallocate)(struct file *f, int mode, u64 off, u64 len); /* -EOPNOTSUPP */
	/*
	 * prot: PROT_*, with PROT_WRITE for a shared mapping that mprotect(2) may make writable;
	 * shared: MAP_SHARED. No lock is held. Absent: -ENODEV.
	 */
	int (*map)(struct file *f, int prot, bool shared, struct map_backing *out);
	/* A descriptor of it was closed (not necessarily the last): flush; owner: the fdtable, for
	 * POSIX locks. */
	int (*flush)(struct file *f, void *owner);
	/* F_SETFL, F_SETPIPE_SZ... changed status flags. Absent: accepted. */
	int (*set_flags)(struct file *f, u32 flags);
	/*
	 * A mapping that map() allowed, with the same prot and shared, is gone with all its
	 * pieces and copies: one call for each successful map(). May be called under RANK_MM, so
	 * it takes no mutex. Absent: not counted.
	 */
	void (*unmapped)(struct file *f, int prot, bool shared);
	u8 answers; /* enum fd_answer: reads and writes that no one but their caller sees */
	bool async; /* O_ASYNC means something: readiness is announced by a signal, too */
	/* Lines for /proc/PID/fdinfo. Absent: none beyond pos/flags/mnt_id. */
	void (*fdinfo)(struct file *f, char *buf, size_t n);
	/* The last reference is gone. Not called for a file whose open failed. */
	void (*release)(struct file *f);
};

#define FILE_POS_APPEND (~0ULL)

/* Who is signalled when the file becomes ready, and what watches it: the sentry's affair. */
struct file_owner {
	void (*file_gone)(struct file_owner *o); /* before ops->release */
};

struct file {
	struct ref ref;
	const struct file_ops *ops;
	struct inode *inode; /* held */
	struct path path;    /* held; mnt may be NULL for anonymous files */
	_Atomic u32 flags;   /* O_ACCMODE and status flags as F_GETFL shows them */
	_Atomic u32
	    told; /* the mark of who has been told of flags (fs/vfs/told_word.h); it stays */
	struct mutex pos_mutex;
	u64 pos;                            /* guarded by pos_mutex */
	struct cred *cred;                  /* of the opener; held */
	_Atomic(struct file_owner *) owner; /* freed with the file; NULL: never had one */
	void *priv;                         /* the file type's own */
	bool counted;                       /* among those that file_limit_set bounds */
	bool writing; /* counted in the writers of its inode, mount and super block */
	/* Epoll items that watch this file; file_put's end calls epoll_file_gone if set. */
	_Atomic(struct epoll_links *) epoll;
};

/* What F_GETFL shows. A 64-bit open(2) always sets O_LARGEFILE (fs/open.c), but for O_PATH. */
static inline u32 file_status_flags(const struct file *f)
{
	return atomic_load(&f->flags) & ~(u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
}
/* The same for who may be told: it holds as long as *told says (fs/vfs/told_word.h). */
u32 file_tell_flags(struct file *f, struct told *told);
/* But for O_ASYNC, which only files have that nobody is told of (sentry/sigio.c). */
void file_set_flags(struct file *f, u32 flags);
static inline bool file_readable(const struct file *f)
{
	u32 fl = atomic_load_explicit(&f->flags, memory_order_relaxed);
	/* Access mode 3 (ioctl only) is neither readable nor writable: open(2). */
	return ((fl + 1) & 1) && !(fl & O_PATH);
}
static inline bool file_seekable(const struct file *f)
{
	return f->ops->seek != NULL;
}
static inline bool file_writable(const struct file *f)
{
	u32 fl = atomic_load_explicit(&f->flags, memory_order_relaxed);
	return ((fl + 1) & 2) && !(fl & O_PATH);
}
static inline bool file_nonblock(const struct file *f)
{
	return atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NONBLOCK;
}

/*
 * Reading /proc/PID/fd/N: the file's path with references. An anonymous file gets a nameless
 * dentry for it, with mnt NULL, so that a pipe can be opened again.
 */
must_check int file_get_path(struct file *f, struct path *out);

/*
 * A file without a name: inode from the anonymous file system (mode: its type
 * and permissions, 0600 for anon_inode). One reference; priv is handed over only
 * on success.
 */
must_check int file_create_anon(const struct file_ops *ops, void *priv, u32 flags, u32 mode,
                                struct file **out);
/*
 * For open(2) and file systems: a file for path, ops not yet set. Takes its own references.
 * -ENFILE: there are as many as there may be (fs/file_table.c alloc_empty_file), whoever asks.
 */
must_check int file_create(struct path path, struct inode *inode, u32 flags, struct file **out);
/* One that stands behind another, as those of an overlay's layers do. */
must_check int file_create_uncounted(struct path path, struct inode *inode, u32 flags,
                                     struct file **out);
/* /proc/sys/fs/file-max; how many there are now. */
void file_limit_set(u64 max);
u64 file_limit(void);
u64 file_count(void);
/* /proc/sys/fs/nr_open: what RLIMIT_NOFILE may be raised to. */
static inline u64 file_nr_open(void)
{
	return min_of(file_limit(), (u64)1048576);
}
struct file *file_get(struct file *f);
void file_put(struct file *f);

/* Blocking forms, with position, limits and notification; the bodies of read(2) and its kin. */
ssize_t file_read(struct file *f, struct uio *dst);
ssize_t file_write(struct file *f, struct uio *src);
ssize_t file_pread(struct file *f, struct uio *dst, u64 pos, int rwf_flags);
ssize_t file_pwrite(struct file *f, struct uio *src, u64 pos, int rwf_flags);
/* As pos: the file's own position, which moves on: preadv2(2) with offset -1. */
#define FILE_POS_CURRENT (~0ULL)
/* Sentry memory at pos; for loaders. */
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, u64 pos);

u32 file_ready(struct file *f);
/*
 * Waits until ready() has one of events (EPOLLERR and EPOLLHUP always count), the deadline (ns,
 * CLOCK_MONOTONIC), or a signal. 0, -ETIMEDOUT, or -ERESTARTSYS.
 */
must_check int file_wait(struct file *f, u32 events, u64 deadline);
s64 file_seek(struct file *f, s64 off, int whence);
/* getdents(2): -ENOTDIR, -ENOENT for a removed directory, or what the op says. */
must_check int file_readdir(struct file *f, struct dir_sink *sink);
/* May the caller make a file this large: RLIMIT_FSIZE, and what off_t holds? -EFBIG, and raises
 * SIGXFSZ for the former. */
must_check int file_size_check(u64 size);
/*
 * fallocate(2) but for the guest's argument types: mode and rights are checked, and RLIMIT_FSIZE if
 * the size changes. What else takes space is checked where it is taken, as file systems differ.
 */
must_check int file_fallocate(struct file *f, int mode, u64 off, u64 len);
/* Updates atime as the mount's flags (relatime) say; reads and readdir call it. */
void file_accessed(struct file *f);
/* seek for files with a size: SEEK_SET/CUR/END against size; DATA/HOLE as if without holes. */
s64 file_seek_generic(struct file *f, s64 off, int whence, u64 size);

/* Kernel-internal results, turned into EINTR or a restart by the signal code
 * (include/linux/errno.h). */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516
