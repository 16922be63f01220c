/*
 * The terminal's line discipline. Input: termios, then steps: what is typed, what programs write,
 * reads, changes of mode. The rings must keep their order, what is said to be readable must be, and
 * nobody may read more than was typed.
 */
#include "tests/fuzz/fuzz.h"
#include "sentry/tty/tty.h"

#define PIECE_MAX 512

static struct tty tty;

static void take_modes(struct input *in)
{
	u16 local = input_u16(in);

	tty.termios.c_iflag = input_u16(in);
	tty.termios.c_oflag = input_u16(in);
	tty.termios.c_lflag = local;
	input_bytes(in, tty.termios.c_cc, 18);
}

static void check(void)
{
	u32 used = tty.in_head - tty.in_tail;

	must(used <= TTY_INPUT && tty.in_canon - tty.in_tail <= used);
	must(tty.out_head - tty.out_tail <= TTY_OUTPUT);
	must(ldisc_available(&tty) <= used);
}

static u32 type(struct input *in)
{
	struct tty_signals sig = {0};
	u8 bytes[PIECE_MAX];
	size_t n = input_u16(in) % PIECE_MAX, took;

	/* Few bytes of the input make a long line. */
	memset(bytes, input_u8(in), n);
	if (input_u8(in) & 1)
		input_bytes(in, bytes, min_of(n, (size_t)16));
	took = ldisc_input(&tty, bytes, n, &sig);
	must(took <= n);
	return (u32)took;
}

static u32 read_some(struct input *in)
{
	u8 bytes[PIECE_MAX];
	size_t n = 1 + input_u16(in) % (PIECE_MAX - 1), got;
	bool readable = ldisc_readable(&tty), eof = false;

	got = ldisc_read(&tty, bytes, n, &eof);
	must(got <= n);
	must(!readable || got || eof);
	return (u32)got;
}

static void write_some(struct input *in)
{
	u8 bytes[PIECE_MAX];
	size_t n = input_u16(in) % PIECE_MAX;

	memset(bytes, input_u8(in), n);
	must(ldisc_output(&tty, bytes, n) <= n);
}

static void change_modes(struct input *in)
{
	tcflag_t was = tty.termios.c_lflag;

	take_modes(in);
	if ((was ^ tty.termios.c_lflag) & ICANON)
		ldisc_canon_changed(&tty);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	u32 typed = 0, read = 0;

	memset(&tty, 0, sizeof(tty));
	/* The positions wrap. */
	tty.in_head = tty.in_tail = tty.in_canon = tty.out_head = tty.out_tail = 0u - 1000;
	take_modes(&in);
	while (in.n) {
		switch (input_u8(&in) % 8) {
		case 0:
			change_modes(&in);
			break;
		case 1:
			write_some(&in);
			break;
		case 2:
			/* The master reads. */
			tty.out_tail = tty.out_head;
			break;
		case 3:
		case 4:
			read += read_some(&in);
			break;
		case 5:
			ldisc_flush_input(&tty);
			break;
		default:
			typed += type(&in);
		}
		check();
		/* PARMRK doubles bytes and marks others by three. */
		must(read <= 3 * typed);
	}
	return 0;
}
