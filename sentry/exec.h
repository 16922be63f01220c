/*
 * execve(2): loading a program into a task.
 */
#pragma once
#include "base/types.h"
#include "fs/vfs/mount.h"

struct task;
struct file;

/* Argument strings, copied from the guest once: argv then envp, each NUL-terminated, in one buffer.
 */
struct exec_args {
	char *strings;
	size_t size, capacity; /* bytes */
	size_t envp;           /* offset of the first environment string */
	u32 argc, envc;
	bool name_hidden; /* the program's name means nothing to an interpreter (O_CLOEXEC /dev/fd)
	                   */
};
void exec_args_init(struct exec_args *a);
void exec_args_destroy(struct exec_args *a);
/* All of argv is added before envp. -E2BIG beyond 128 KiB, -ENOMEM. */
must_check int exec_args_add(struct exec_args *a, const char *s, bool is_env);
/* Copies two guest pointer arrays: -EFAULT, -E2BIG by RLIMIT_STACK/4 and 128 KiB a string. */
must_check int exec_args_copy(struct exec_args *a, struct uptr argv, struct uptr envp);

/*
 * Opens a program as execveat(2) with these flags (AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW) does. base
 * as in walk(). -EACCES if it may not be executed. *out +1.
 */
must_check int exec_open(struct path base, const char *name, int at_flags, struct file **out);

/*
 * Runs file (from exec_open, borrowed) as filename. On success the task is the new program
 * and 0 is returned; on failure before the point of no return -errno and nothing has changed;
 * after it the task is ending by SIGSEGV.
 */
must_check int exec_run(struct task *t, struct file *file, const char *filename,
                        struct exec_args *args);
