/* setgroups(2), getgroups(2): as many as there may be, given in any order. */
#include "compat.h"
#include <grp.h>

#define MOST 65536

static gid_t given[MOST], got[MOST];

static bool are_sorted(int n)
{
	for (int i = 0; i < n; i++)
		if (got[i] != (gid_t)i)
			return false;
	return true;
}

static void run(int n)
{
	/* Each number below n once: the factor is odd and no multiple of 5. */
	for (int i = 0; i < n; i++)
		given[i] = (gid_t)((long)i * 7919 % n);
	RES(setgroups((size_t)n, given));
	RES(getgroups(MOST, got));
	YES(are_sorted(n));
}

int main(void)
{
	run(1);
	run(16);
	run(300);
	run(5000);
	run(MOST);
	RES(setgroups(MOST + 1, given));
	return 0;
}
