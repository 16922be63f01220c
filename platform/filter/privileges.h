/* What a process of moat gives up of its caller's rights before it meets guest code. */
#pragma once
#include "base/types.h"

/*
 * The calling thread keeps only the capabilities that reading, and if so wanted changing, granted
 * files takes; those too if it is to keep none. Its bounding and ambient sets become empty, it
 * cannot gain any again, and it leaves no core. 0 or -errno. Before other threads are started.
 */
must_check int privileges_drop(bool writable);
/* No capability at all: for stubs. By host calls alone, as there is no libc to rely on. */
void privileges_drop_all(void);
/* This process can be traced, and its memory and files be seen, by root alone (PR_SET_DUMPABLE). */
must_check int privileges_hide(void);
