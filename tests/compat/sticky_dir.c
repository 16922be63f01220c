/*
 * Sticky directories: who may delete and rename; protected by ownership of the file or the
 * directory. unlink(2).
 */
#include "compat.h"

static void become(uid_t uid)
{
	if (setgid(uid) || setuid(uid))
		die("setuid");
}

int main(void)
{
	tmp_enter();
	chmod(".", 0755);
	mkdir("t", 0755);
	RES(chmod("t", 01777));
	if (geteuid() == 0) {
		IN_CHILD("alice", become(3001); put_file("t/alice", "a"); RES(mkdir("t/dir", 0777));
		         put_file("t/gone", ""));
		IN_CHILD("bob", become(3002); put_file("t/bob", "b"); RES(unlink("t/alice"));
		         RES(rename("t/alice", "t/x")); RES(rename("t/bob", "t/alice"));
		         RES(rmdir("t/dir")); RES(link("t/alice", "t/hard") == 0 || errno == EPERM);
		         RES(open("t/alice", O_WRONLY)); RES(rename("t/bob", "t/bob2")));
		IN_CHILD("alice again", become(3001); RES(unlink("t/gone")); RES(rmdir("t/dir"));
		         RES(unlink("t/bob2")));
		RES(chmod("t", 0777));
		IN_CHILD("bob without the bit", become(3002); RES(unlink("t/alice")));
		RES(chown("t", 3001, 3001));
		RES(chmod("t", 01777));
		IN_CHILD("alice owns the directory", become(3001); RES(unlink("t/bob2")));
		put_file("t/root", "");
		IN_CHILD("even root's", become(3001); RES(unlink("t/root")));
		RES(chmod("t", 0755));
		IN_CHILD("bob in a closed one", become(3002);
		         RES(open("t/new", O_WRONLY | O_CREAT, 0600)); RES(mkdir("t/newd", 0700));
		         RES(symlink("x", "t/s")); RES(mkfifo("t/p", 0600)));
	} else {
		put_file("t/mine", "");
		RES(unlink("t/mine"));
		RES(unlink("/etc/passwd"));
		RES(rename("/etc/passwd", "/etc/passwd2"));
		RES(mkdir("/etc/newdir", 0700));
		RES(open("/etc/newfile", O_WRONLY | O_CREAT, 0600));
		RES(rmdir("/etc"));
		RES(chmod("t", 0555));
		RES(open("t/new", O_WRONLY | O_CREAT, 0600));
		RES(chmod("t", 0755));
	}
	return 0;
}
