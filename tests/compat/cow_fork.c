/*
 * Copy on write after fork(2): private memory is apart, shared memory and shared file mappings are
 * one; nested forks.
 */
#include "compat.h"

#define LEN (1 << 20)

static unsigned int sum(const unsigned char *p)
{
	unsigned int s = 0;

	for (int i = 0; i < LEN; i += 512)
		s = s * 31 + p[i];
	return s;
}

int main(void)
{
	unsigned char *priv, *shared, *file;
	unsigned int before;
	int fd, ready[2];
	char name[] = "/tmp/compat-XXXXXX", c;
	pid_t pid;

	fd = mkstemp(name);
	unlink(name);
	RES(ftruncate(fd, LEN));
	priv = MAP(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	shared = MAP(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	file = MAP(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	memset(priv, 1, LEN);
	memset(shared, 2, LEN);
	memset(file, 3, LEN);
	before = sum(priv);

	RES(pipe(ready));
	pid = fork_child();
	if (pid == 0) {
		if (read(ready[0], &c, 1) != 1)
			_exit(1);
		/* The parent has written meanwhile: its private page is not ours. */
		YES(sum(priv) == before);
		NUM(shared[0]);
		memset(priv, 9, LEN);
		memset(shared, 8, LEN);
		memset(file, 7, LEN);
		IN_CHILD("grandchild", NUM(priv[0]); priv[0] = 77; shared[1] = 66);
		NUM(priv[0]);
		_exit(0);
	}
	memset(priv, 5, LEN);
	shared[0] = 55;
	if (write(ready[1], "g", 1) != 1)
		die("write");
	reap("child", pid);
	printf("%d %d %d %d\n", priv[0], shared[0], shared[1], file[0]);
	RES(pread(fd, &c, 1, LEN - 1));
	NUM(c);

	/* Twenty generations, each sees its parent's change. */
	int depth = 0, status = 0;
	while (depth < 20) {
		priv[depth * 4096] = (unsigned char)(100 + depth);
		pid = fork_child();
		if (pid)
			break;
		if (priv[depth * 4096] != 100 + depth)
			_exit(200);
		depth++;
	}
	if (depth == 20)
		_exit(20);
	waitpid(pid, &status, 0);
	if (depth)
		_exit(WEXITSTATUS(status));
	show_status("generations", status);
	return 0;
}
