/*
 * A shared library that the sentry maps by itself. A program that is linked statically has no
 * loader, and the C library's would at once read and write all that a library may ever need; here
 * mapping and linking are apart: the one must come before the lock-down, the other comes when
 * the library is first used, if it ever is.
 *
 * For libraries that need nothing but a few functions: no thread-local data, no other libraries, no
 * constructors that matter. One that needs more is refused.
 */
#pragma once
#include "base/types.h"
#include <elf.h>

struct library {
	u8 *base; /* what the file calls address 0; NULL: not mapped */
	u64 span; /* bytes mapped there */
	const Elf64_Dyn *dynamic;
	unsigned entries;
	const Elf64_Sym *symbols;
	const char *names;
	u64 zero, zero_len;   /* what begins as zeros in a page that has more of the file */
	u64 relro, relro_len; /* what is not written any more once it is linked */
};

/* What the program gives to the library, and what it takes from it. */
struct library_name {
	const char *name;
	void (*function)(void);
};

/* Maps the file. -ENOENT, -ENOEXEC if it is none that can be mapped so, or the host's error. */
must_check int library_map(struct library *l, const char *path);

/* Links it with what it is given. -ENOEXEC: it needs more. Once; nobody else uses it meanwhile. */
must_check int library_link(struct library *l, const struct library_name *given, unsigned n);

/* The address of a function, or NULL. After library_link. */
must_check void *library_find(const struct library *l, const char *name);
