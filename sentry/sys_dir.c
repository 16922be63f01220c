/* getdents(2) and getdents64(2): directory entries in the ABI's packed form. */
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "sentry/syscall.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The most that one call returns; a larger buffer is filled by several. */
#define DIRENT_CHUNK 65536

struct dirent_out {
	struct dir_sink sink;
	u8 *buf;
	size_t used, size;
	size_t last; /* offset of the last entry: it gets the next one's position */
	bool legacy; /* getdents: the type stands behind the name */
	bool too_small;
};

struct dirent_head64 {
	u64 ino;
	s64 off;
	u16 reclen;
	u8 type;
	char name[];
} __attribute__((packed));
struct dirent_head_old {
	u64 ino;
	u64 off;
	u16 reclen;
	char name[];
} __attribute__((packed));

static bool emit(struct dir_sink *s, const char *name, size_t len, u64 ino, u8 type, u64 next_pos)
{
	struct dirent_out *o = container_of(s, struct dirent_out, sink);
	size_t head = o->legacy ? sizeof(struct dirent_head_old) + 1 : sizeof(struct dirent_head64);
	size_t n = (head + len + 1 + 7) & ~7UL;
	u8 *p = o->buf + o->used;

	if (n > o->size - o->used) {
		o->too_small = true;
		return false;
	}
	memset(p, 0, n);
	if (o->legacy) {
		struct dirent_head_old *d = (void *)p;
		*d = (struct dirent_head_old){.ino = ino, .off = next_pos, .reclen = (u16)n};
		memcpy(d->name, name, len);
		p[n - 1] = type;
	} else {
		struct dirent_head64 *d = (void *)p;
		*d = (struct dirent_head64){
		    .ino = ino, .off = (s64)next_pos, .reclen = (u16)n, .type = type};
		memcpy(d->name, name, len);
	}
	o->used += n;
	return true;
}

static s64 read_directory(struct file *f, struct uptr dst, u32 count, bool legacy)
{
	struct dirent_out o = {.sink.emit = emit, .legacy = legacy};
	s64 err;

	o.size = min_of(count, DIRENT_CHUNK);
	o.buf = malloc(o.size ? o.size : 1);
	if (!o.buf)
		return -ENOMEM;
	err = file_readdir(f, &o.sink);
	if (err >= 0) {
		if (o.used)
			err = copy_out(dst, o.buf, o.used) ?: (s64)o.used;
		else
			err = o.too_small ? -EINVAL : 0;
	}
	free(o.buf);
	return err;
}

static s64 getdents_fd(const struct syscall_args *a, bool legacy)
{
	struct file *f;
	s64 n = fd_get(arg_int(a, 0), &f);

	if (n)
		return n;
	n = read_directory(f, arg_ptr(a, 1), arg_u32(a, 2), legacy);
	file_put(f);
	return n;
}

s64 sys_getdents64(struct task *t unused_arg, const struct syscall_args *a)
{
	return getdents_fd(a, false);
}

s64 sys_getdents(struct task *t unused_arg, const struct syscall_args *a)
{
	return getdents_fd(a, true);
}
