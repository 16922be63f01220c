/*
 * The input side of the line discipline: what the master writes becomes what
 * slaves read, with editing, echo and signals (termios(3);
 * drivers/tty/n_tty.c).
 */
#include "sentry/tty/tty.h"
#include <signal.h>

#define DISABLED 0 /* _POSIX_VDISABLE */

static u32 in_used(const struct tty *t)
{
	return t->in_head - t->in_tail;
}

static bool lflag(const struct tty *t, tcflag_t f)
{
	return t->termios.c_lflag & f;
}

static bool is_cc(const struct tty *t, int which, u8 c)
{
	return t->termios.c_cc[which] != DISABLED && t->termios.c_cc[which] == c;
}

bool ldisc_input_room(const struct tty *t)
{
	/* In canonical mode an unfinished line must always be able to be edited and ended. */
	if (lflag(t, ICANON) && t->in_canon == t->in_tail)
		return true;
	return in_used(t) < TTY_INPUT - 1;
}

/* Puts a character where readers find it. False: no room. */
static bool in_put(struct tty *t, u8 c, bool delim, bool eof)
{
	u32 at = t->in_head % TTY_INPUT;

	/* The last place is kept for what ends a line. */
	if (in_used(t) >= TTY_INPUT - (delim ? 0u : 1u))
		return false;
	t->in[at] = c;
	t->in_delim[at] = delim;
	t->in_eof[at] = eof;
	t->in_head++;
	if (delim || !lflag(t, ICANON))
		t->in_canon = t->in_head;
	return true;
}

/* ---- echo ---------------------------------------------------------------- */

static bool shown_as_caret(const struct tty *t, u8 c)
{
	return lflag(t, ECHOCTL) && (c < 32 || c == 127) && c != '\t' && c != '\n';
}

static void echo_char(struct tty *t, u8 c)
{
	if (!lflag(t, ECHO)) {
		if (c == '\n' && lflag(t, ICANON) && lflag(t, ECHONL))
			ldisc_echo(t, c);
		return;
	}
	if (shown_as_caret(t, c)) {
		ldisc_echo(t, '^');
		ldisc_echo(t, c ^ 0100);
	} else {
		ldisc_echo(t, c);
	}
}

static void rub_out_cells(struct tty *t, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		ldisc_echo(t, '\b');
		ldisc_echo(t, ' ');
		ldisc_echo(t, '\b');
	}
}

/* The width of the tab that was the last character: from the column before it. */
static u32 tab_cells(const struct tty *t)
{
	u32 cells = 0;

	for (u32 i = t->in_head; i != t->in_canon;) {
		u8 c = t->in[--i % TTY_INPUT];
		if (c == '\t')
			break;
		cells += shown_as_caret(t, c) ? 2 : 1;
	}
	return 8 - (cells & 7);
}

static bool utf8_continues(const struct tty *t, u8 c)
{
	return (t->termios.c_iflag & IUTF8) && (c & 0xc0) == 0x80;
}

/* Takes back the last character (all bytes of it in UTF-8). False: the line is empty. */
static bool erase_one(struct tty *t)
{
	u8 c;

	if (t->in_head == t->in_canon)
		return false;
	do {
		c = t->in[--t->in_head % TTY_INPUT];
	} while (utf8_continues(t, c) && t->in_head != t->in_canon);
	if (!lflag(t, ECHO))
		return true;
	if (!lflag(t, ECHOE))
		echo_char(t, t->termios.c_cc[VERASE]);
	else if (c == '\t')
		/* Only the cursor goes back: there is nothing to wipe. */
		for (u32 n = tab_cells(t); n; n--)
			ldisc_echo(t, '\b');
	else if (c >= 32 && c != 127)
		rub_out_cells(t, 1);
	else if (shown_as_caret(t, c))
		rub_out_cells(t, 2);
	return true;
}

static bool word_char(u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c >= 0x80;
}

static void erase_word(struct tty *t)
{
	bool seen = false;

	while (t->in_head != t->in_canon) {
		u8 c = t->in[(t->in_head - 1) % TTY_INPUT];
		if (word_char(c))
			seen = true;
		else if (seen)
			break;
		erase_one(t);
	}
}

static void kill_line(struct tty *t)
{
	if (lflag(t, ECHOK) && lflag(t, ECHOKE) && lflag(t, ECHOE)) {
		while (erase_one(t))
			;
		return;
	}
	t->in_head = t->in_canon;
	if (!lflag(t, ECHO))
		return;
	echo_char(t, t->termios.c_cc[VKILL]);
	if (lflag(t, ECHOK))
		ldisc_echo(t, '\n');
}

static void reprint(struct tty *t)
{
	echo_char(t, t->termios.c_cc[VREPRINT]);
	ldisc_echo(t, '\n');
	for (u32 i = t->in_canon; i != t->in_head; i++)
		echo_char(t, t->in[i % TTY_INPUT]);
}

/* ---- one character --------------------------------------------------------- */

void ldisc_flush_input(struct tty *t)
{
	t->in_tail = t->in_canon = t->in_head;
	t->lnext = false;
}

static bool take_signal(struct tty *t, u8 c, struct tty_signals *sig)
{
	int signo;

	if (!lflag(t, ISIG))
		return false;
	if (is_cc(t, VINTR, c))
		signo = SIGINT;
	else if (is_cc(t, VQUIT, c))
		signo = SIGQUIT;
	else if (is_cc(t, VSUSP, c))
		signo = SIGTSTP;
	else
		return false;
	if (!lflag(t, NOFLSH)) {
		ldisc_flush_input(t);
		t->out_tail = t->out_head;
		t->packet_events |= TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE;
	}
	t->stopped = t->stopped && !(t->termios.c_iflag & IXON);
	if (lflag(t, ECHO))
		echo_char(t, c);
	sig->set |= 1u << signo;
	return true;
}

/* XON/XOFF. IXANY: any character starts output again. */
static bool take_flow(struct tty *t, u8 c)
{
	if (!(t->termios.c_iflag & IXON))
		return false;
	if (is_cc(t, VSTART, c)) {
		t->stopped = false;
		return true;
	}
	if (is_cc(t, VSTOP, c)) {
		t->stopped = true;
		return true;
	}
	if (t->stopped && (t->termios.c_iflag & IXANY))
		t->stopped = false;
	return false;
}

/* Editing of a canonical line. False: c is an ordinary character of it. */
static bool take_edit(struct tty *t, u8 c)
{
	bool ext = lflag(t, IEXTEN);

	if (is_cc(t, VERASE, c))
		erase_one(t);
	else if (is_cc(t, VKILL, c))
		kill_line(t);
	else if (ext && is_cc(t, VWERASE, c))
		erase_word(t);
	else if (ext && is_cc(t, VREPRINT, c) && lflag(t, ECHO))
		reprint(t);
	else if (ext && is_cc(t, VLNEXT, c)) {
		t->lnext = true;
		if (lflag(t, ECHO) && lflag(t, ECHOCTL)) {
			ldisc_echo(t, '^');
			ldisc_echo(t, '\b');
		}
	} else if (c == '\n') {
		echo_char(t, c);
		in_put(t, c, true, false);
	} else if (is_cc(t, VEOF, c)) {
		in_put(t, c, true, true);
	} else if (is_cc(t, VEOL, c) || (ext && is_cc(t, VEOL2, c))) {
		if (lflag(t, ECHO))
			echo_char(t, c);
		in_put(t, c, true, false);
	} else {
		return false;
	}
	return true;
}

static void input_char(struct tty *t, u8 c, struct tty_signals *sig)
{
	tcflag_t i = t->termios.c_iflag;

	if (t->lnext) {
		t->lnext = false;
	} else {
		if (i & ISTRIP)
			c &= 0x7f;
		if ((i & IUCLC) && lflag(t, IEXTEN) && c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (take_flow(t, c) || take_signal(t, c, sig))
			return;
		if (c == '\r') {
			if (i & IGNCR)
				return;
			if (i & ICRNL)
				c = '\n';
		} else if (c == '\n' && (i & INLCR)) {
			c = '\r';
		}
		if (lflag(t, ICANON) && take_edit(t, c))
			return;
	}
	/* A full line rings the bell and takes no more but its end. */
	if (!in_put(t, c, false, false)) {
		if (i & IMAXBEL)
			tty_out_byte(t, '\a');
		return;
	}
	echo_char(t, c);
}

size_t ldisc_input(struct tty *t, const u8 *p, size_t n, struct tty_signals *sig)
{
	size_t done = 0;

	while (done < n && ldisc_input_room(t))
		input_char(t, p[done++], sig);
	return done;
}

/* ---- reading ----------------------------------------------------------- */

bool ldisc_readable(const struct tty *t)
{
	u32 min;

	if (lflag(t, ICANON))
		return t->in_canon != t->in_tail;
	min = t->termios.c_cc[VTIME] ? 1 : t->termios.c_cc[VMIN];
	return in_used(t) >= (min ? min : 1);
}

u32 ldisc_available(const struct tty *t)
{
	u32 n = 0;

	if (!lflag(t, ICANON))
		return in_used(t);
	for (u32 i = t->in_tail; i != t->in_canon; i++)
		n += !t->in_eof[i % TTY_INPUT];
	return n;
}

size_t ldisc_read(struct tty *t, u8 *buf, size_t n, bool *eof)
{
	bool canon = lflag(t, ICANON);
	u32 end = canon ? t->in_canon : t->in_head;
	size_t done = 0;

	*eof = false;
	while (t->in_tail != end) {
		u32 at = t->in_tail % TTY_INPUT;

		if (canon && t->in_eof[at]) {
			t->in_tail++;
			*eof = true;
			break;
		}
		if (done == n)
			break;
		buf[done++] = t->in[at];
		t->in_tail++;
		if (canon && t->in_delim[at])
			break;
	}
	if (!canon)
		t->in_canon = t->in_tail;
	/* A buffer that ends just before an EOF character takes it along (n_tty.c,
	 * canon_copy_from_read_buf). */
	if (canon && !*eof && done == n && n && t->in_tail != end &&
	    !t->in_delim[(t->in_tail - 1) % TTY_INPUT] && t->in_eof[t->in_tail % TTY_INPUT])
		t->in_tail++;
	return done;
}

void ldisc_canon_changed(struct tty *t)
{
	if (!lflag(t, ICANON)) {
		t->in_canon = t->in_head;
		return;
	}
	/* What had been typed is one readable piece, ended as if by EOF. */
	t->in_canon = t->in_head;
	if (t->in_head != t->in_tail)
		t->in_delim[(t->in_head - 1) % TTY_INPUT] = true;
}
