/* /proc/PID/net: what the network stack has. */
#include "net/net.h"
#include "net/unix/unix.h"
#include "sentry/proc/proc_internal.h"
#include <sys/stat.h>

static void add_unix(const struct unix_info *u, void *arg)
{
	struct text *t = arg;

	text_add(t, "%016llx: %08X %08X %08X %04X %02X %5llu", 0ULL, u->refs, u->protocol, u->flags,
	         u->type, u->state, (unsigned long long)u->ino);
	if (u->path_len) {
		text_add(t, " ");
		text_add_bytes(t, u->path, u->path_len);
	}
	text_add(t, "\n");
}

static int show_unix(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	unix_each(net_current(), add_unix, t);
	return 0;
}

const struct pseudo_node proc_net_children[] = {
    {.name = "unix", .mode = S_IFREG | 0444, .show = show_unix},
    {0},
};
