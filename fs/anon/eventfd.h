/*
 * eventfd(2): a counter that is a file.
 */
#pragma once
#include "base/types.h"

struct file;

bool file_is_eventfd(const struct file *f);
/* flags: EFD_SEMAPHORE, EFD_NONBLOCK, EFD_CLOEXEC (the descriptor's affair); others -EINVAL. */
must_check int eventfd_create(u32 initval, u32 flags, struct file **out);
