/*
 * prctl(2): names, dumpable, no_new_privs, timer slack, tid address, THP, MCE, unknown options and
 * checked arguments.
 */
#include "compat.h"

int main(void)
{
	char name[17] = "";
	int v = -1;

	RES(prctl(PR_SET_NAME, "sixteen-and-more-characters"));
	RES(prctl(PR_GET_NAME, name));
	STR(name);
	STR(get_file("/proc/self/comm"));
	RES(prctl(PR_SET_NAME, bad_ptr()));
	RES(prctl(PR_GET_NAME, bad_ptr()));
	int fd = open("/proc/self/comm", O_WRONLY);
	RES(write(fd, "written", 7));
	RES(prctl(PR_GET_NAME, name));
	STR(name);
	IN_CHILD("inherited by fork", prctl(PR_GET_NAME, name); STR(name));

	RES(prctl(PR_GET_DUMPABLE));
	RES(prctl(PR_SET_DUMPABLE, 0));
	RES(prctl(PR_GET_DUMPABLE));
	RES(prctl(PR_SET_DUMPABLE, 2));
	RES(prctl(PR_SET_DUMPABLE, 1));
	RES(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	RES(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
	RES(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	RES(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	IN_CHILD("no_new_privs", RES(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	         RES(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	         IN_CHILD("inherited", RES(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
	         RES(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)));
	RES(prctl(PR_GET_TIMERSLACK));
	RES(prctl(PR_SET_TIMERSLACK, 12345));
	RES(prctl(PR_GET_TIMERSLACK));
	IN_CHILD("timer slack", RES(prctl(PR_GET_TIMERSLACK)); RES(prctl(PR_SET_TIMERSLACK, 0));
	         RES(prctl(PR_GET_TIMERSLACK)));
	RES(prctl(PR_SET_TIMERSLACK, 0));
	RES(prctl(PR_GET_TIMERSLACK));
	RES(prctl(PR_GET_TSC, &v));
	NUM(v);
	RES(prctl(PR_GET_TIMING));
	RES(prctl(PR_SET_TIMING, 1));
	RES(prctl(PR_GET_SECCOMP));
	RES(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	RES(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
	RES(prctl(PR_GET_ENDIAN, &v));
	RES(prctl(PR_GET_FPEMU, &v));
	RES(prctl(PR_GET_UNALIGN, &v));
	RES(prctl(12345, 0, 0, 0, 0));
	RES(prctl(PR_GET_PDEATHSIG, bad_ptr()));
	RES(prctl(PR_GET_CHILD_SUBREAPER, bad_ptr()));
	RES(prctl(PR_SET_PDEATHSIG, -1));
	return 0;
}
