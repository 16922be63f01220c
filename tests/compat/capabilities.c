/*
 * capget(2), capset(2), the bounding set, ambient capabilities, PR_SET_KEEPCAPS, securebits,
 * effects of setuid and exec.
 */
#include "compat.h"
#include <linux/capability.h>

static struct __user_cap_header_struct hdr = {_LINUX_CAPABILITY_VERSION_3, 0};

static void get(struct __user_cap_data_struct d[2])
{
	memset(d, 0, sizeof(*d) * 2);
	if (syscall(SYS_capget, &hdr, d))
		die("capget");
}

static void show(const char *what)
{
	struct __user_cap_data_struct d[2];

	get(d);
	printf("%s: chown %d%d%d any effective %d any permitted %d\n", what, d[0].effective & 1,
	       d[0].permitted & 1, d[0].inheritable & 1, (d[0].effective | d[1].effective) != 0,
	       (d[0].permitted | d[1].permitted) != 0);
}

static void drop_effective(void)
{
	struct __user_cap_data_struct d[2];

	get(d);
	d[0].effective = d[1].effective = 0;
	RES(syscall(SYS_capset, &hdr, d));
	show("dropped effective");
	RES(chown(".", 1, -1));
	get(d);
	d[0].effective = 1;
	RES(syscall(SYS_capset, &hdr, d));
	show("raised again");
	d[0].effective = d[0].permitted = d[1].permitted = 0;
	RES(syscall(SYS_capset, &hdr, d));
	d[0].effective = d[0].permitted = 1;
	RES(syscall(SYS_capset, &hdr, d));
	show("gone for good");
}

int main(void)
{
	struct __user_cap_data_struct d[2];
	struct __user_cap_header_struct bad = {0x12345, 0};

	tmp_enter();
	chmod(".", 0777);
	show("start");
	RES(syscall(SYS_capget, &bad, d));
	HEX(bad.version); /* the kernel tells the one it likes */
	RES(syscall(SYS_capget, &bad, NULL));
	bad.pid = -1;
	RES(syscall(SYS_capget, &bad, d));
	bad = (struct __user_cap_header_struct){_LINUX_CAPABILITY_VERSION_3, 1 << 22};
	RES(syscall(SYS_capget, &bad, d));
	IN_CHILD("of another", bad.pid = getppid(); RES(syscall(SYS_capset, &bad, d)));
	RES(syscall(SYS_capget, bad_ptr(), d));
	RES(prctl(PR_CAPBSET_READ, CAP_CHOWN) >= 0 ? 0 : -1);
	RES(prctl(PR_CAPBSET_READ, 63));
	RES(prctl(PR_GET_KEEPCAPS));
	RES(prctl(PR_SET_KEEPCAPS, 2));
	RES(prctl(PR_GET_SECUREBITS));
	RES(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
	RES(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 63, 0, 0));
	RES(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	if (geteuid() == 0) {
		IN_CHILD("capset", drop_effective());
		IN_CHILD("setuid loses all", RES(setuid(5)); show("after"));
		IN_CHILD("keepcaps", prctl(PR_SET_KEEPCAPS, 1); RES(setuid(5)); show("after");
		         get(d); d[0].effective = 1; RES(syscall(SYS_capset, &hdr, d));
		         RES(chown(".", 5, 5)));
		IN_CHILD("seteuid and back", RES(seteuid(5)); show("away"); RES(seteuid(0));
		         show("back"));
		IN_CHILD("bounding set", RES(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
		         RES(prctl(PR_CAPBSET_READ, CAP_CHOWN)); show("still held");
		         RES(prctl(PR_CAPBSET_DROP, 63)));
		IN_CHILD("ambient", get(d); d[0].inheritable |= 1;
		         RES(syscall(SYS_capset, &hdr, d));
		         RES(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
		         RES(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
		         RES(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_CHOWN, 0, 0));
		         RES(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0)));
	} else {
		d[0] = d[1] = (struct __user_cap_data_struct){0, 0, 0};
		RES(syscall(SYS_capset, &hdr, d));
		d[0].permitted = 1;
		RES(syscall(SYS_capset, &hdr, d));
		RES(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
		RES(prctl(PR_SET_SECUREBITS, 1));
	}
	return 0;
}
