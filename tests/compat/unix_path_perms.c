/*
 * Permissions of socket files: connecting needs write permission, binding needs the directory's;
 * long names; links.
 */
#include "compat.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static int try_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0), r;

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	r = connect(s, (struct sockaddr *)&a, sizeof(a));
	int e = errno;
	close(s);
	errno = e;
	return r;
}

static int try_bind(const char *path, size_t len)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(a.sun_path, path, len > sizeof(a.sun_path) ? sizeof(a.sun_path) : len);
	return bind(s, (struct sockaddr *)&a,
	            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0
	           ? listen(s, 5)
	           : -1;
}

int main(void)
{
	char name[120];
	struct stat st;

	tmp_enter();
	chmod(".", 0755);
	umask(0077);
	RES(try_bind("private", 8));
	RES(stat("private", &st));
	printf("mode %o\n", st.st_mode);
	umask(0);
	RES(try_bind("public", 7));
	umask(022);
	RES(try_connect("private"));
	RES(try_connect("public"));
	if (geteuid() == 0)
		IN_CHILD("as nobody", become_nobody(); RES(try_connect("private"));
		         RES(try_connect("public")); RES(try_bind("mine", 5));
		         RES(unlink("public")));
	RES(chmod("public", 0));
	IN_CHILD("without permission", become_nobody(); RES(try_connect("public")));
	RES(chmod("public", 0777));
	RES(symlink("public", "link"));
	RES(try_connect("link"));
	RES(try_bind("link", 5));
	RES(rename("public", "renamed"));
	RES(try_connect("renamed"));
	RES(try_connect("public"));
	RES(link("renamed", "hard"));
	RES(try_connect("hard"));
	RES(unlink("renamed"));
	RES(try_connect("hard"));
	memset(name, 'n', sizeof(name));
	RES(try_bind(name, 108)); /* no terminator needed */
	name[108] = 0;
	RES(stat(name, &st));
	name[107] = 0;
	RES(try_bind(name, 108));
	RES(try_bind("\0", 0) == 0);
	RES(try_bind("none/x", 7));
	RES(try_bind("hard/x", 7));
	mkdir("d", 0755);
	RES(try_bind("d", 2));
	RES(try_connect("d"));
	RES(try_bind("d/s", 4));
	RES(try_connect("d/../d/./s"));
	RES(open("d/s", O_RDWR));
	return 0;
}
