/*
 * Packet mode of pipes (O_DIRECT): one read returns one packet, the rest of it is lost. pipe(2).
 */
#include "compat.h"

int main(void)
{
	static char big[10000];
	char buf[16];
	int p[2];

	RES(pipe2(p, O_DIRECT | O_NONBLOCK));
	HEX(fcntl(p[1], F_GETFL) & O_DIRECT);
	RES(write(p[1], "first", 5));
	RES(write(p[1], "second packet", 13));
	RES(write(p[1], "3", 1));
	RES(read(p[0], buf, 16));
	RES(read(p[0], buf, 6)); /* the rest of the packet is gone */
	RES(read(p[0], buf, 16));
	RES(read(p[0], buf, 16));
	RES(write(p[1], big, sizeof(big))); /* split at PIPE_BUF */
	RES(read(p[0], big, sizeof(big)));
	RES(read(p[0], big, sizeof(big)));
	RES(read(p[0], big, sizeof(big)));
	RES(read(p[0], big, sizeof(big)));
	int n = 0;
	while (write(p[1], "x", 1) == 1)
		n++;
	NUM(n); /* a packet takes a buffer of its own */
	/* Switched off again. */
	RES(fcntl(p[1], F_SETFL, O_NONBLOCK));
	while (read(p[0], buf, 16) > 0)
		;
	RES(write(p[1], "a", 1));
	RES(write(p[1], "b", 1));
	RES(read(p[0], buf, 16));
	RES(write(p[1], "", 0));
	RES(read(p[0], buf, 16));
	return 0;
}
