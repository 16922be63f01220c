/* A file that is sent to its own end grows until the call is over: SIGKILL ends it before that. */
#include "compat.h"
#include <sys/sendfile.h>

enum { MUCH = 0x7ffff000, SOME = 1 << 20 };

static off_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_size;
}

int main(void)
{
	static char data[4096];
	int fd, status;
	pid_t pid;

	tmp_enter();
	fd = OKAY(open("grows", O_RDWR | O_CREAT | O_TRUNC, 0600));
	RES(write(fd, data, sizeof(data)));
	pid = fork_child();
	if (pid == 0) {
		int in = open("grows", O_RDONLY);

		sendfile(fd, in, NULL, MUCH);
		_exit(0);
	}
	while (size_of(fd) < SOME)
		usleep(1000);
	RES(kill(pid, SIGKILL));
	YES(waitpid(pid, &status, 0) == pid);
	YES(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	YES(size_of(fd) < MUCH);
	return 0;
}
