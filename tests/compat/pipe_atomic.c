/*
 * Writes of up to PIPE_BUF bytes are atomic, from many writers, blocking or not. pipe(7).
 */
#include "compat.h"
#include <limits.h>

#define WRITERS 4
#define RECORDS 200

int main(void)
{
	static char rec[PIPE_BUF];
	int p[2], count[WRITERS] = {0}, torn = 0;
	pid_t pids[WRITERS];

	NUM(PIPE_BUF);
	RES(pipe(p));
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork_child();
		if (pids[w] == 0) {
			memset(rec, 'a' + w, sizeof(rec));
			for (int i = 0; i < RECORDS; i++)
				if (write(p[1], rec, sizeof(rec)) != sizeof(rec))
					_exit(1);
			_exit(0);
		}
	}
	close(p[1]);
	for (;;) {
		size_t got = 0;
		ssize_t n = 1;

		while (got < sizeof(rec) && (n = read(p[0], rec + got, sizeof(rec) - got)) > 0)
			got += (size_t)n;
		if (got < sizeof(rec))
			break;
		for (size_t i = 1; i < sizeof(rec); i++)
			torn += rec[i] != rec[0];
		count[(rec[0] - 'a') & (WRITERS - 1)]++;
	}
	for (int w = 0; w < WRITERS; w++) {
		reap("writer", pids[w]);
		NUM(count[w]);
	}
	NUM(torn);

	/* Without blocking, a record of PIPE_BUF bytes is written whole or not at all. */
	RES(pipe2(p, O_NONBLOCK));
	RES(fcntl(p[1], F_SETPIPE_SZ, 8192));
	RES(write(p[1], rec, 4000));
	RES(write(p[1], rec, 4000));
	RES(write(p[1], rec, 300));
	RES(write(p[1], rec, 4096));
	return 0;
}
