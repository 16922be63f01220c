/* Names of a guest's functions, from the files that it has mapped, read through the VFS. */
#pragma once
#include "base/types.h"

struct file;

#define SYMBOL_NAME_MAX 96

struct symbol_query {
	u64 off; /* in the file: the instruction */
	/* Set by symbols_resolve if a function of the file has that instruction. */
	bool found;
	u64 in_function; /* bytes from its start */
	char name[SYMBOL_NAME_MAX];
};

/*
 * Names what can be named, from .symtab and else .dynsym. *budget: how many symbols may still be
 * read, so that files made for it cannot keep a report busy; it is lowered. May park.
 */
void symbols_resolve(struct file *f, struct symbol_query *q, unsigned n, u32 *budget);
