/*
 * An open file that is one descriptor of the host: stdin, stdout and stderr as
 * the launcher got them. They may be pipes, terminals, sockets, devices or regular files,
 * and other host processes share them, so nothing about them is ever changed: not
 * O_NONBLOCK, no terminal setting, no owner.
 *
 * Host calls: preadv2, pwritev2, read, write, pread64, pwrite64, lseek, poll, fstat, ftruncate,
 * fsync, ioctl (FIONREAD, TCGETS, TCGETS2, TIOCGWINSZ), close; and the reactor's.
 */
#pragma once
#include "base/types.h"

struct file;

/*
 * fd: taken over on success. flags: its O_ACCMODE, and O_APPEND, O_NONBLOCK as the guest is to
 * see them. The sentry ignores SIGPIPE; the guest that writes to a closed pipe gets its own.
 */
must_check int hostfd_file_create(int fd, u32 flags, struct file **out);
