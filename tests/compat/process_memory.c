/*
 * process_vm_readv(2), process_vm_writev(2) and /proc/PID/mem: own and child's memory, partial
 * transfers, errors.
 */
#include "compat.h"
#include <sys/uio.h>

static char target[64] = "initial contents";

int main(void)
{
	char buf[64] = "", buf2[8] = "", path[64];
	struct iovec l[2] = {{buf, 7}, {buf2, 4}}, r = {target, 11},
	             bad[2] = {{target, 4}, {bad_ptr(), 4}};
	char *ro, c;
	pid_t pid;
	int fd, p[2];

	RES(process_vm_readv(getpid(), l, 2, &r, 1, 0));
	printf("%s|%s\n", buf, buf2);
	RES(pipe(p));
	pid = fork_child();
	if (pid == 0) {
		char *w = target;

		if (read(p[0], &c, 1) != 1)
			_exit(1);
		printf("child sees \"%s\"\n", w);
		_exit(!strncmp(w, "WRITTEN", 7) ? 7 : 8);
	}
	strcpy(target, "the parent's own");
	l[0].iov_len = 16;
	r.iov_len = 16;
	memset(buf, 0, sizeof(buf));
	RES(process_vm_readv(pid, l, 1, &r, 1, 0));
	STR(buf);
	l[0] = (struct iovec){"WRITTEN", 7};
	r.iov_len = 7;
	RES(process_vm_writev(pid, l, 1, &r, 1, 0));
	STR(target);
	l[0] = (struct iovec){buf, 8};
	RES(process_vm_readv(pid, l, 1, bad, 2, 0)); /* stops at the bad one */
	RES(process_vm_readv(pid, l, 1, bad + 1, 1, 0));
	RES(process_vm_readv(pid, l, 1, &r, 1, 1));
	RES(process_vm_readv(1 << 22, l, 1, &r, 1, 0));
	RES(process_vm_readv(pid, bad_ptr(), 1, &r, 1, 0));
	RES(process_vm_readv(pid, l, 5000, &r, 1, 0));
	ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r = (struct iovec){ro, 4};
	l[0] = (struct iovec){"data", 4};
	RES(process_vm_writev(getpid(), l, 1, &r, 1, 0));

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = (int)OKAY(open(path, O_RDWR));
	memset(buf, 0, sizeof(buf));
	RES(pread(fd, buf, 7, (off_t)(uintptr_t)target));
	STR(buf);
	RES(pread(fd, buf, 7, 16));
	RES(pwrite(fd, "!", 1, (off_t)(uintptr_t)(target + 7)));
	if (write(p[1], "g", 1) != 1)
		die("write");
	reap("child", pid);
	RES(pread(fd, buf, 7, (off_t)(uintptr_t)target));
	fd = open("/proc/self/mem", O_RDWR);
	RES(pwrite(fd, "through", 7, (off_t)(uintptr_t)ro) == 7 || errno == EIO);
	RES(lseek(fd, (off_t)(uintptr_t)target, SEEK_SET) == (off_t)(uintptr_t)target);
	RES(read(fd, buf, 4));
	if (geteuid() == 0) {
		pid_t root = getpid();
		IN_CHILD("as nobody", become_nobody(); r = ((struct iovec){target, 4});
		         l[0] = ((struct iovec){buf, 4});
		         RES(process_vm_readv(root, l, 1, &r, 1, 0)));
	}
	return 0;
}
