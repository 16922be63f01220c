/*
 * bench-launch FD CGROUP.PROCS|- PROGRAM ARGUMENTS: becomes PROGRAM, in that cgroup. Writes to FD
 * (and closes it) when that was, in ns of the monotonic clock, so that neither its own start nor
 * the joining counts.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec ts;
	int fd;

	if (argc < 4) {
		fprintf(stderr, "usage: bench-launch FD CGROUP.PROCS|- PROGRAM ARGUMENTS\n");
		return 2;
	}
	if (strcmp(argv[2], "-") != 0) {
		fd = open(argv[2], O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1) {
			perror(argv[2]);
			return 2;
		}
		close(fd);
	}
	fd = atoi(argv[1]);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	dprintf(fd, "%lld\n", ts.tv_sec * 1000000000LL + ts.tv_nsec);
	close(fd);
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 127;
}
