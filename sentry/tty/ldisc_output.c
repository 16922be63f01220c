/* The output side of the line discipline: OPOST processing and echoes. */
#include "sentry/tty/tty.h"

u32 tty_out_room(const struct tty *t)
{
	return TTY_OUTPUT - (t->out_head - t->out_tail);
}

/* Dropped when there is no room: only echoes may be lost, as on Linux. */
void tty_out_byte(struct tty *t, u8 c)
{
	if (tty_out_room(t))
		t->out[t->out_head++ % TTY_OUTPUT] = c;
}

/* The bytes that c becomes; at most 8. Keeps the column (drivers/tty/n_tty.c do_output_char). */
static u32 expand(struct tty *t, u8 c, u8 out[8])
{
	tcflag_t o = t->termios.c_oflag;
	u32 spaces;

	switch (c) {
	case '\n':
		if (o & ONLRET)
			t->column = 0;
		if (o & ONLCR) {
			t->column = 0;
			out[0] = '\r';
			out[1] = '\n';
			return 2;
		}
		break;
	case '\r':
		if ((o & ONOCR) && t->column == 0)
			return 0;
		if (o & OCRNL) {
			c = '\n';
			if (o & ONLRET)
				t->column = 0;
			break;
		}
		t->column = 0;
		break;
	case '\t':
		spaces = 8 - (t->column & 7);
		t->column += spaces;
		if ((o & TABDLY) == XTABS) {
			for (u32 i = 0; i < spaces; i++)
				out[i] = ' ';
			return spaces;
		}
		break;
	case '\b':
		if (t->column)
			t->column--;
		break;
	default:
		if (c >= ' ' && c != 0x7f) {
			if ((o & OLCUC) && c >= 'a' && c <= 'z')
				c -= 'a' - 'A';
			/* Continuation bytes of UTF-8 do not move the cursor. */
			if (!(t->termios.c_iflag & IUTF8) || (c & 0xc0) != 0x80)
				t->column++;
		}
	}
	out[0] = c;
	return 1;
}

static bool output_char(struct tty *t, u8 c)
{
	u32 column = t->column, n;
	u8 out[8];

	if (!(t->termios.c_oflag & OPOST)) {
		if (!tty_out_room(t))
			return false;
		tty_out_byte(t, c);
		return true;
	}
	n = expand(t, c, out);
	if (n > tty_out_room(t)) {
		t->column = column;
		return false;
	}
	for (u32 i = 0; i < n; i++)
		tty_out_byte(t, out[i]);
	return true;
}

size_t ldisc_output(struct tty *t, const u8 *p, size_t n)
{
	size_t done = 0;

	if (t->stopped)
		return 0;
	while (done < n && output_char(t, p[done]))
		done++;
	return done;
}

void ldisc_echo(struct tty *t, u8 c)
{
	output_char(t, c);
}
