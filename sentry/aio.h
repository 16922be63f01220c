/* Contexts of asynchronous input and output (io_setup(2)): each belongs to an address space. */
#pragma once

struct mm;

/* The last user of m is gone. */
void aio_free_all(struct mm *m);
