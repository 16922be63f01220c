/* AF_UNIX sockets bound to paths. */
#include "tests/unit/tree.h"
#include "tests/unit/net/sockets.h"

static void init(void)
{
	tree_init();
	unix_init();
}

TestSuite(unix_path, .init = init, .fini = tree_fini, .timeout = 60);

static void path_body(void)
{
	struct sock_addr name = named("/s"), peer;
	struct file *l, *c, *a;
	char buf[8];

	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &l) == 0);
	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &c) == 0);
	check(socket_connect(c, &name) == -ENOENT);
	check(socket_bind(l, &name) == 0 && socket_bind(c, &name) == -EADDRINUSE);
	check(socket_bind(l, &name) == -EADDRINUSE);
	check(socket_connect(c, &name) == -ECONNREFUSED && socket_listen(l, 5) == 0);
	check(socket_connect(c, &name) == 0 && socket_accept(l, 0, &a, &peer) == 0 &&
	      peer.len == 2);
	check(socket_getname(c, &peer, true) == 0 && peer.len == name.len);
	check(strcmp(peer.un.sun_path, "/s") == 0);
	check(put(c, "x", 1) == 1 && take(a, buf, 8) == 1);
	file_put(c);
	file_put(a);

	/* Write permission on the socket is what connecting takes. */
	struct cred *root = guest.cred;
	guest.cred = cred_create(1000, 1000, NULL, 0);
	check(socket_create(AF_UNIX, SOCK_STREAM, 0, &c) == 0);
	check(socket_connect(c, &name) == -EACCES);
	cred_put(guest.cred);
	guest.cred = root;
	file_put(c);
	/* The wrong type, and no socket at all. */
	check(socket_create(AF_UNIX, SOCK_DGRAM, 0, &c) == 0);
	check(socket_connect(c, &name) == -EPROTOTYPE);
	file_put(must_open("/plain", O_CREAT | O_RDWR));
	struct sock_addr plain = named("/plain");
	check(socket_connect(c, &plain) == -ECONNREFUSED);
	/* The name outlives the socket, and refuses. */
	file_put(l);
	check(send_to(c, "x", 1, 0, &name) == -ECONNREFUSED);
	check(socket_bind(c, &name) == -EADDRINUSE);
	check(vfs_unlink((struct path){0}, "/s") == 0 && socket_bind(c, &name) == 0);
	/* A name that fills its room to the last byte. */
	struct sock_addr full = {.un.sun_family = AF_UNIX, .len = sizeof(struct sockaddr_un)};
	memset(full.un.sun_path, 'n', sizeof(full.un.sun_path));
	check(socket_create(AF_UNIX, SOCK_DGRAM, 0, &l) == 0 && socket_bind(l, &full) == 0);
	check(socket_getname(l, &peer, false) == 0 && peer.len == full.len + 1);
	check(send_to(c, "abc", 3, 0, &full) == 3 && recv_from(l, buf, 8, 0, &peer) == 3);
	check(strcmp(peer.un.sun_path, "/s") == 0);
	file_put(l);
	file_put(c);
}

Test(unix_path, binds_and_connects)
{
	as_guest(path_body);
}
