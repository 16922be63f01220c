/*
 * sendmmsg(2), recvmmsg(2), sendmsg and recvmsg with several vectors, their limits and errors.
 */
#include "compat.h"
#include <limits.h>
#include <sys/socket.h>

int main(void)
{
	char data[4][8] = {"", "", "", ""};
	struct iovec in[4], out[4] = {{"one", 3}, {"two22", 5}, {"", 0}, {"four", 4}},
	                    many[3] = {{"ab", 2}, {"", 0}, {"cd", 2}};
	struct mmsghdr mm[4];
	struct msghdr m = {.msg_iov = many, .msg_iovlen = 3};
	struct timespec ts = {0, 30000000};
	char buf[8] = "";
	int s[2];

	RES(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	memset(mm, 0, sizeof(mm));
	for (int i = 0; i < 4; i++)
		mm[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
	RES(sendmmsg(s[0], mm, 4, 0));
	for (int i = 0; i < 4; i++)
		NUM(mm[i].msg_len);
	memset(mm, 0, sizeof(mm));
	for (int i = 0; i < 4; i++) {
		in[i] = (struct iovec){data[i], 4};
		mm[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
	}
	RES(recvmmsg(s[1], mm, 3, 0, NULL));
	for (int i = 0; i < 3; i++)
		printf("%u %.4s flags %#x\n", mm[i].msg_len, data[i], mm[i].msg_hdr.msg_flags);
	RES(recvmmsg(s[1], mm, 4, MSG_WAITFORONE, NULL));
	RES(recvmmsg(s[1], mm, 4, MSG_DONTWAIT, NULL));
	/* The timeout is looked at only after a datagram. */
	RES(send(s[0], "x", 1, 0));
	ts.tv_nsec = 1;
	RES(recvmmsg(s[1], mm, 4, 0, &ts));
	ts.tv_nsec = 1000000000;
	RES(recvmmsg(s[1], mm, 4, 0, &ts));
	RES(recvmmsg(s[1], bad_ptr(), 1, MSG_DONTWAIT, NULL));
	RES(sendmmsg(s[0], bad_ptr(), 1, 0));
	RES(sendmmsg(s[0], mm, 0, 0));
	RES(sendmmsg(0, mm, 1, 0));

	RES(sendmsg(s[0], &m, 0));
	RES(recv(s[1], buf, 8, 0));
	STR(buf);
	m.msg_iovlen = IOV_MAX + 1;
	RES(sendmsg(s[0], &m, 0));
	m.msg_iovlen = 1;
	m.msg_iov = bad_ptr();
	RES(sendmsg(s[0], &m, 0));
	RES(sendmsg(s[0], bad_ptr(), 0));
	RES(recvmsg(s[0], bad_ptr(), MSG_DONTWAIT));
	m = (struct msghdr){
	    .msg_iov = many, .msg_iovlen = 1, .msg_control = bad_ptr(), .msg_controllen = 64};
	RES(sendmsg(s[0], &m, 0));
	char control[64] = "";
	m.msg_control = control;
	RES(sendmsg(s[0], &m, 0)); /* a header of length 0 */
	RES(sendmsg(0, &m, 0));
	return 0;
}
