/*
 * uname(2), sysinfo(2), gethostname, getrandom(2), personality(2), sysfs-free facts of sysconf.
 */
#include "compat.h"
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void)
{
	struct utsname u;
	struct sysinfo si;
	char host[65] = "", a[64], b[64];
	int zero = 0, major = 0, minor = 0;

	RES(uname(&u));
	STR(u.sysname);
	STR(u.machine);
	YES(sscanf(u.release, "%d.%d", &major, &minor) == 2 && major >= 4);
	YES(u.version[0] == '#');
	YES(strlen(u.nodename) > 0);
	RES(gethostname(host, sizeof(host)));
	YES(!strcmp(host, u.nodename));
	RES(uname(bad_ptr()));
	RES(sysinfo(&si));
	YES(si.uptime > 0 && si.totalram > 0 && si.freeram <= si.totalram && si.procs > 0 &&
	    si.mem_unit > 0);
	RES(sysinfo(bad_ptr()));
	NUM(sysconf(_SC_PAGESIZE));
	NUM(sysconf(_SC_CLK_TCK));
	YES(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	YES(sysconf(_SC_PHYS_PAGES) > 0 && sysconf(_SC_AVPHYS_PAGES) > 0);
	YES(get_nprocs() == sysconf(_SC_NPROCESSORS_ONLN));
	NUM(sysconf(_SC_ARG_MAX) >= 131072);

	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	RES(getrandom(a, 64, 0));
	RES(getrandom(b, 64, GRND_NONBLOCK));
	YES(memcmp(a, b, 64) != 0);
	for (int i = 0; i < 64; i++)
		zero += a[i] == 0;
	YES(zero < 10);
	RES(getrandom(a, 64, GRND_RANDOM));
	RES(getrandom(a, 0, 0));
	RES(getrandom(a, 64, 0x80));
	RES(getrandom(a, 64, GRND_RANDOM | GRND_INSECURE));
	RES(getrandom(bad_ptr(), 64, 0));
	static char big[1 << 20];
	RES(getrandom(big, sizeof(big), 0));
	int fd = open("/dev/urandom", O_RDONLY);
	RES(read(fd, a, 64));
	fd = open("/dev/zero", O_RDWR);
	RES(read(fd, a, 64));
	RES(write(fd, a, 64));
	NUM(a[0] + a[63]);
	fd = open("/dev/full", O_RDWR);
	RES(read(fd, a, 64));
	RES(write(fd, a, 1));
	fd = open("/dev/null", O_RDWR);
	RES(read(fd, a, 64));
	RES(write(fd, a, 64));

	HEX(personality(0xffffffff) & 0xff);
	IN_CHILD("personality", HEX(personality(ADDR_NO_RANDOMIZE)); HEX(personality(0xffffffff));
	         RES(personality(PER_LINUX32) >= 0 ? 0 : -1); RES(uname(&u)); STR(u.machine));
	RES(sethostname(bad_ptr(), 3) == -1 ? -1 : 0);
	RES(gethostname(host, 0) == -1 ? -1 : 0);
	return 0;
}
