/*
 * The set*id family as root and as an ordinary user, saved ids, setgroups, setfsuid, what exec
 * does. credentials(7).
 */
#include "compat.h"
#include <grp.h>
#include <sys/fsuid.h>

static void ids(const char *what)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	getresuid(&r, &e, &s);
	getresgid(&gr, &ge, &gs);
	printf("%s: uid %d %d %d gid %d %d %d\n", what, (int)r, (int)e, (int)s, (int)gr, (int)ge,
	       (int)gs);
}

static void as_root(void)
{
	gid_t groups[8];

	IN_CHILD("setuid", RES(setuid(1234)); ids("after"); RES(setuid(0)); RES(seteuid(0));
	         RES(setuid(1234)));
	IN_CHILD("seteuid", RES(seteuid(1234)); ids("after"); RES(setuid(5)); RES(seteuid(0));
	         ids("back"));
	IN_CHILD("setresuid", RES(setresuid(1, 2, 3)); ids("after"); RES(setresuid(3, 1, 2));
	         ids("swapped"); RES(setresuid(4, -1, -1)); RES(seteuid(3)); ids("seteuid"));
	IN_CHILD("setreuid", RES(setreuid(1, 2)); ids("after"); RES(setreuid(2, 1));
	         ids("swapped"));
	IN_CHILD("setgid", RES(setgid(77)); ids("after"); RES(setresgid(1, 2, 3));
	         RES(setregid(-1, 3)); ids("set"));
	IN_CHILD("setgroups", RES(setgroups(3, (gid_t[]){10, 30, 20})); RES(getgroups(0, NULL));
	         RES(getgroups(8, groups));
	         printf("%d %d %d\n", (int)groups[0], (int)groups[1], (int)groups[2]);
	         RES(getgroups(2, groups)); RES(getgroups(8, bad_ptr()));
	         RES(setgroups(100000, groups)); RES(setgroups(1, bad_ptr())); RES(setuid(1));
	         RES(setgroups(0, NULL)));
	IN_CHILD("setfsuid", NUM(setfsuid(99)); NUM(setfsuid(-1)); NUM(setfsgid(98));
	         NUM(setfsgid(-1)); RES(setuid(55)); NUM(setfsuid(0)); NUM(setfsuid(0)));
	IN_CHILD("exec keeps ids", setgroups(0, NULL); setresuid(5, 6, 7);
	         execl("/proc/self/exe", "x", "ids", NULL));
	IN_CHILD(
	    "signals between users", pid_t other = fork_child(); if (other == 0) {
		    if (setuid(100))
			    _exit(1);
		    for (;;)
			    pause();
	    } msleep(30);
	    if (setuid(200)) _exit(1); RES(kill(other, SIGTERM)); RES(kill(other, 0));
	    RES(kill(-1, 0)); RES(kill(getpid(), 0)); _exit(3));
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		ids("after exec");
		return 0;
	}
	if (geteuid() == 0) {
		IN_CHILD("as root", as_root());
	} else {
		YES(getuid() == geteuid() && getgid() == getegid());
		RES(setuid(0));
		RES(setuid(getuid()));
		RES(seteuid(0));
		RES(setresuid(-1, 0, -1));
		RES(setresuid(getuid(), getuid(), getuid()));
		RES(setreuid(0, -1));
		RES(setgid(0));
		RES(setregid(-1, 0));
		RES(setresgid(getgid(), -1, getgid()));
		RES(setgroups(0, NULL));
		YES(setfsuid(0) == (int)getuid() && setfsuid(0) == (int)getuid());
		RES(kill(getpid(), 0));
	}
	RES(setuid(-1));
	RES(setresuid(-1, -1, -1));
	RES(getresuid(bad_ptr(), bad_ptr(), bad_ptr()));
	RES(getgroups(-1, NULL));
	return 0;
}
