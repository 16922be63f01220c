/*
 * The order in which locks are taken, outermost first: both the document and
 * the check. A thread may take a lock only if its rank is higher than the rank
 * of every lock it holds (locks marked 'nests' may be taken twice at one rank,
 * in the order their comment gives). Debug and sanitizer builds abort on an
 * inversion. struct mutex (a fiber may sleep while it holds one) and struct
 * lock (short, never held over a park) share one ranking.
 */
#pragma once

enum lock_rank {
	RANK_NONE = 0,
	/* --- mutexes: a fiber may park while holding these ----------------- */
	RANK_CONTROL,        /* control socket requests */
	RANK_SIGIO_SWITCH,   /* O_ASYNC of files is switched on and off */
	RANK_SIGIO_SEND,     /* signals of O_ASYNC files are being sent */
	RANK_EXEC,           /* one execve or thread-group teardown at a time per group */
	RANK_PIPE_IO,        /* the read side of a pipe while its bytes go to a guest or a file */
	RANK_FILE_POS,       /* f_pos of one open file, over its read, write or readdir */
	RANK_RENAME,         /* one cross-directory rename per super block */
	RANK_INODE_DIR,      /* directory contents; nests: ancestor first, then by address */
	RANK_INODE_FILE,     /* regular file data and size */
	RANK_OVERLAY_COPY,   /* copy-up of one overlay inode */
	RANK_OVERLAY_COMMIT, /* one change of an overlay's upper layer */
	RANK_INODE_LOWER,    /* inodes of the file systems under an overlay; nests like INODE_DIR */
	RANK_PSEUDO,         /* the generated text of one open file of proc or sysfs */
	RANK_SOCKET_IO,      /* one reader / one writer of a stream */
	RANK_IPC,            /* a SysV or mqueue object while a caller works on it */
	RANK_MM,             /* VMA tree of one address space and its host operations */
	RANK_ZYGOTE,         /* the process that forks address spaces, while it does */
	RANK_SCRATCH,        /* platform/ptrace: scratch memory, files on their way */
	RANK_SOCKET_GC,      /* files in flight in AF_UNIX messages */
	RANK_EPOLL_SET,      /* interest set of one epoll, over ready(); nests: outer first */
	RANK_EPOLL_NEST,     /* which epolls watch which */
	RANK_HOST_TREE,      /* hostfs: host names and remembered places change together */
	/* --- locks: short, never held over a park --------------------------- */
	RANK_TASKS,      /* kernel->tasks: parents, children, groups, sessions, pids */
	RANK_SIGHAND,    /* signal state of one thread group */
	RANK_TTY,        /* one terminal */
	RANK_UNIX_NAMES, /* AF_UNIX sockets and abstract names of one network namespace */
	RANK_SOCKET,     /* one socket; nests: by address */
	RANK_PIPE,       /* one pipe; nests: by address */
	RANK_FDTABLE,
	RANK_FSCTX,        /* cwd, root, umask of a task group */
	RANK_MOUNTS,       /* mount tree */
	RANK_DCACHE,       /* dentry hash, parents and names */
	RANK_OVERLAY_ATTR, /* an overlay inode's attributes on their way from a layer's */
	RANK_INODE_ATTR,   /* attributes of one inode */
	RANK_FILE_LOCKS,   /* flock and record locks of one inode */
	RANK_NOTIFY,       /* inotify watches */
	RANK_SUPER,        /* inode tables of one super block */
	RANK_OBJECT,       /* leaf state of small files: eventfd, timerfd, signalfd, ... */
	RANK_WAITQ,        /* one wait queue; nests: from a queue's callback on to the next queue */
	RANK_EPOLL_READY,  /* ready list of one epoll, or of O_ASYNC files; taken from wait queue
	                      callbacks */
	RANK_TIMER,        /* the timer heap */
	RANK_PLATFORM,     /* platform thread and space lists */
	RANK_TEXT,         /* platform/systrap: what is known of files' text */
	RANK_BLOCKING,     /* jobs of the blocking pool */
	RANK_MUTEX_INNER,  /* the waiters of one struct mutex */
	RANK_REACTOR,
	RANK_ALLOC, /* memory accounting, arenas */
	RANK_LOG,
};
