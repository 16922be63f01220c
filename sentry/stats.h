/* Counters of a sandbox for `moat run --stats`. */
#pragma once

/* Writes them to a host descriptor, a line each. */
void stats_print(int fd);
