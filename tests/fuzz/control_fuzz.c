/*
 * Control data of messages: SCM_RIGHTS and SCM_CREDENTIALS as a guest gives them. Input: the room
 * that the receiver has, and the sender's control data. What is taken must be given back or
 * delivered; what is delivered must stay within its room.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fs/vfs/vfs_fixture.h"
#include "fs/anon/eventfd.h"
#include "net/socket/msg.h"
#include <sys/socket.h>

#define ROOM_MAX 2048
#define CANARY   0x5a

static void send_and_receive(const u8 *control, size_t n, size_t room)
{
	static u8 to[ROOM_MAX + 64];
	struct msg m;
	int err;

	msg_init(&m, NULL, 0);
	m.control = (void *)(uintptr_t)control;
	m.control_len = n;
	err = msg_parse_control(&m);
	must(err <= 0);
	must(!m.files || m.files->n <= MSG_MAX_FILES);
	if (err) {
		msg_destroy(&m);
		return;
	}
	memset(to, CANARY, sizeof(to));
	m.control = room ? to : NULL;
	m.control_len = room;
	m.control_used = 0;
	msg_deliver_control(&m);
	must(m.control_used <= room);
	for (size_t i = m.control_used; i < sizeof(to); i++)
		must(to[i] == CANARY);
	msg_destroy(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	size_t room = input_u16(&in) % (ROOM_MAX + 1);
	u8 *control = malloc(max_of(in.n, (size_t)1)); /* exact, and aligned as the sentry's is */

	must(control);
	if (in.n)
		memcpy(control, in.p, in.n);
	world_begin();
	for (int i = 0; i < 3; i++)
		must(fd_install(must_open(i ? "f" : "/", i ? O_CREAT | O_RDWR : O_RDONLY), false) >=
		     0);
	send_and_receive(control, in.n, room);
	world_end();
	free(control);
	return 0;
}
