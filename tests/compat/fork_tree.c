/*
 * A tree of 127 processes by nested forks, 200 sequential forks, 50 at a time; memory and
 * descriptors of each right.
 */
#include "compat.h"

static int tree(int depth, int *value)
{
	int sum = 1, status;
	pid_t l, r;

	*value += depth;
	if (depth == 0)
		return 1;
	l = fork();
	if (l == 0)
		_exit(tree(depth - 1, value));
	r = fork();
	if (r == 0)
		_exit(tree(depth - 1, value));
	if (waitpid(l, &status, 0) == l && WIFEXITED(status))
		sum += WEXITSTATUS(status);
	if (waitpid(r, &status, 0) == r && WIFEXITED(status))
		sum += WEXITSTATUS(status);
	return sum;
}

int main(void)
{
	static int value = 100;
	pid_t pids[50];
	int ok = 0, status, p[2];
	unsigned char c;

	NUM(tree(6, &value));
	NUM(value);
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork_child();

		if (pid == 0)
			_exit(i % 251);
		ok += waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		      WEXITSTATUS(status) == i % 251;
	}
	NUM(ok);
	RES(pipe(p));
	for (int i = 0; i < 50; i++) {
		pids[i] = fork_child();
		if (pids[i] == 0) {
			c = (unsigned char)i;
			_exit(write(p[1], &c, 1) != 1);
		}
	}
	int sum = 0, distinct = 1;
	for (int i = 0; i < 50; i++) {
		if (read(p[0], &c, 1) != 1)
			die("read");
		sum += c;
		for (int k = 0; k < i; k++)
			distinct &= pids[i] != pids[k];
	}
	NUM(sum);
	NUM(distinct);
	ok = 0;
	for (int i = 0; i < 50; i++)
		ok += wait(&status) > 0 && status == 0;
	NUM(ok);
	RES(wait(&status));
	return 0;
}
