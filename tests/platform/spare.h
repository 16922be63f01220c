/* See spare.c. All of it on systrap, with no guest running. */
#pragma once
#include "base/types.h"

/* What is wrong with the stub that is made ahead; NULL: nothing. */
const char *spare_fault(void);
/* A pidfd of the one that there is now; negative: there is none. */
int spare_watch(void);
/* Has that ended, or does it within reason? */
bool spare_is_gone(int pidfd);
