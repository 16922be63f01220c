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
	u32 argc, envc;
};
void exec_args_init(struct exec_args *a);
void exec_args_destroy(struct exec_args *a);
must_check int exec_args_add(struct exec_args *a, const char *s, bool is_env);
/* Copies two guest pointer arrays: -EFAULT, -E2BIG by RLIMIT_STACK/4 and 128 KiB a string. */
must_check int exec_args_copy(struct exec_args *a, struct uptr argv, struct uptr envp);

/*
 * Runs file (opened for execution, borrowed) as filename. On success the task is the new program
 * and 0 is returned; on failure before the point of no return -errno and nothing has changed;
 * after it the task is killed by SIGSEGV/SIGKILL.
 */
must_check int exec_run(struct task *t, struct file *file, const char *filename,
                        struct exec_args *args);
