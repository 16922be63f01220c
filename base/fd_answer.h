/*
 * What may be said of a descriptor's read(2) and write(2) without looking at the file: those of
 * some devices have no effect but on their caller. Files say so (fs/vfs/file.h), and the platform
 * may answer such calls itself (platform/platform.h).
 */
#pragma once

enum fd_answer {
	FD_READS_NOTHING = 1, /* a read is at the end */
	FD_READS_ZEROS = 2,
	FD_TAKES_ALL = 4, /* a write succeeds, and its bytes are not looked at */
};
