/* Two new files as two descriptors: pipe(2), socketpair(2). */
#pragma once
#include "base/types.h"

struct file;
struct task;

/*
 * Installs both and writes the two ints to out, or neither. Consumes both
 * references. 0, -EMFILE, -EFAULT.
 */
must_check s64 fd_install_pair(struct task *t, struct file *f[2], bool cloexec, struct uptr out);
