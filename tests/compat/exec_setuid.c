/*
 * Set-user-id and set-group-id programs: effective ids after exec, AT_SECURE, no_new_privs and
 * scripts ignore the bits. execve(2). Only root can prepare it; an ordinary user sees the plain
 * case.
 */
#include "compat.h"
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>

static void copy_self(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY),
	    out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	struct stat st;
	off_t off = 0;

	fstat(in, &st);
	while (off < st.st_size)
		if (sendfile(out, in, &off, (size_t)(st.st_size - off)) <= 0)
			die("sendfile");
	close(in);
	close(out);
}

static void run(const char *what, bool nnp)
{
	IN_CHILD(what, if (nnp) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); become_nobody();
	         execl("./prog", "prog", "ids", NULL); RES(-1));
}

int main(int argc, char **argv)
{
	struct statvfs fs;
	uid_t r, e, s;
	gid_t gr, ge, gs;

	(void)argv;
	if (argc > 1) {
		getresuid(&r, &e, &s);
		getresgid(&gr, &ge, &gs);
		if (r == getuid() && geteuid() != 0 && r != 65534 && e == r)
			printf("unchanged: %d\n", s == r && gr == ge && ge == gs);
		else
			printf("uid %d %d %d gid %d %d %d\n", (int)r, (int)e, (int)s, (int)gr,
			       (int)ge, (int)gs);
		NUM(getauxval(AT_SECURE));
		NUM(prctl(PR_GET_DUMPABLE) == 1);
		return 0;
	}
	tmp_enter();
	chmod(".", 0755);
	if (statvfs(".", &fs) == 0 && (fs.f_flag & (ST_NOSUID | ST_NOEXEC)))
		skip("set-id programs cannot run here");
	copy_self("prog");
	run("plain", false);
	RES(chmod("prog", 06755));
	if (geteuid() != 0) {
		run("owned by oneself", false);
		return 0;
	}
	run("root's", false);
	RES(chown("prog", 4242, 4343));
	RES(chmod("prog", 04755));
	run("set-user-id", false);
	run("with no_new_privs", true);
	RES(chmod("prog", 02755));
	run("set-group-id", false);
	RES(chmod("prog", 02745)); /* without group execution it means something else */
	run("no group execution", false);
	IN_CHILD("by root", execl("./prog", "prog", "ids", NULL));
	return 0;
}
