/*
 * tmpfs(5): a file system in the sentry's memory, and the files of memfd_create(2).
 *
 * A regular file's data are pages that the sentry reads and writes itself, without
 * a host call. The first mmap moves them to a host memfd of the inode's own,
 * which the sentry maps, too; from then on both sides work on the same pages.
 */
#pragma once
#include "base/types.h"
#include "fs/vfs/super.h"

/* Newer than the C library's headers. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC        16U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

struct file;

/* Options: size=, nr_blocks=, nr_inodes=, mode=, uid=, gid=; huge=, inode32/64 are accepted. */
extern const struct fs_type tmpfs_type;

/* Bytes that all tmpfs and memfd files together may use; no limit by default. */
void tmpfs_set_global_limit(u64 bytes);
u64 tmpfs_global_used(void);

/*
 * memfd_create(2). flags: MFD_CLOEXEC (the descriptor's affair), MFD_ALLOW_SEALING,
 * MFD_NOEXEC_SEAL, MFD_EXEC; others, MFD_HUGETLB among them: -EINVAL. name: up to 249 bytes, as
 * the call checks.
 */
must_check int tmpfs_memfd_create(const char *name, u32 flags, struct file **out);
/* The same for SysV shared memory: a file of this size and mode, shown as "/SYSV...". */
must_check int tmpfs_shm_create(const char *name, u64 size, u32 mode, struct file **out);

/* F_ADD_SEALS, F_GET_SEALS. -EINVAL if f is no tmpfs file; -EPERM, -EBUSY. */
must_check int tmpfs_seals_add(struct file *f, u32 seals);
must_check int tmpfs_seals_get(struct file *f);
