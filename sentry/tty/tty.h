/*
 * Terminals: pseudo-terminal pairs (pty(7)) with the standard line discipline
 * (termios(3)) and job control (credentials(7), tty_ioctl(4)).
 *
 * A struct tty is one pair. What the slave's readers get is made by the input
 * side of the line discipline from what the master writes; what the master
 * reads is made by its output side from what the slaves write, with echoes in
 * between. Both sides never block: writers are told -EAGAIN and woken.
 *
 * A hang-up is of open files, not of the terminal: login(1) hangs up on whoever has it and opens
 * it anew.
 *
 * Life: tty_create by an open of ptmx; one reference per open file, one from
 * the devpts table while the master lives, one from a session that it controls.
 */
#pragma once
#include "base/lock.h"
#include "base/ref.h"
#include "base/types.h"
#include "base/waitq.h"
#include <asm/termbits.h>
#include <sys/ioctl.h>

struct file;
struct session;
struct process_group;
struct task;

#define TTY_INPUT  4096 /* N_TTY_BUF_SIZE: the longest canonical line is one less */
#define TTY_OUTPUT 16384

struct tty {
	struct ref ref;
	u32 index; /* of /dev/pts/N */

	struct lock lock; /* RANK_TTY; all below */
	struct termios2 termios;
	struct winsize winsize;
	u32 uid, gid;            /* of the opener of ptmx: who owns the node */
	u32 slaves;              /* open files, hung up or not */
	u64 hangups;             /* so far: a slave opened before the last one is hung up */
	_Atomic bool has_master; /* it is open; without, no slave can be opened */
	bool locked;             /* TIOCSPTLCK: slaves cannot be opened */
	bool other_closed;       /* a slave was open and none is: the master reads EIO */
	bool exclusive;          /* TIOCEXCL */
	bool packet;             /* TIOCPKT */
	u8 packet_events;        /* TIOCPKT_* that the master has not read yet */

	/* Input: ring of characters for readers. */
	u8 in[TTY_INPUT];
	bool in_delim[TTY_INPUT]; /* ends a canonical line (EOF characters are stored as such) */
	bool in_eof[TTY_INPUT];   /* is an EOF character: ends a line, is not read */
	u32 in_head, in_tail; /* free-running: tail..head is readable (canonical: up to in_canon) */
	u32 in_canon;         /* end of the last complete line */
	bool lnext;           /* the next character is taken literally */
	bool erasing;         /* within \.../ of ECHOPRT */

	/* Output: ring of bytes for the master. */
	u8 out[TTY_OUTPUT];
	u32 out_head, out_tail;
	u32 column;   /* of the cursor, for tabs and erasing */
	bool stopped; /* XOFF, or TCXONC */

	struct session *session;  /* that it controls; RANK_TASKS and lock */
	struct process_group *fg; /* foreground group, a reference; RANK_TASKS and lock */

	struct waitq slave_waitq, master_waitq;
};

/* *out with one reference, entered in the devpts table. -ENOSPC, -ENOMEM. */
must_check int tty_create(u32 uid, u32 gid, struct tty **out);
struct tty *tty_get(struct tty *t);
void tty_put(struct tty *t);
/* A hang-up as far as t itself goes: whoever opens it next gets it as new. lock held. */
void tty_renew_locked(struct tty *t);
/* Of the devpts table: +1 or NULL. tty_next: the first with index >= from. */
struct tty *tty_find(u32 index);
struct tty *tty_next(u32 from);

/* ---- files ------------------------------------------------------------- */

/* open(2) of ptmx: a new pair, f becomes its master. */
must_check int tty_open_master(struct file *f);
/* open(2) of a slave; may make it the caller's controlling terminal. -EIO, -EBUSY. */
must_check int tty_open_slave(struct tty *t, struct file *f);
/* Opens /dev/pts/INDEX in the caller's mount namespace. */
must_check int tty_open_by_index(u32 index, u32 flags, struct file **out);
bool file_is_tty(const struct file *f);
/* The pair behind a master or slave file, borrowed; NULL if f is neither. */
struct tty *tty_of_file(const struct file *f);

/* ---- line discipline: lock held --------------------------------------- */

/* What the master writes: returns how many of n were taken. Signals go out after tty_unlock. */
struct tty_signals {
	u32 set; /* bit per signal to the foreground group */
};
size_t ldisc_input(struct tty *t, const u8 *p, size_t n, struct tty_signals *sig);
/* Room that input has for ordinary characters. */
bool ldisc_input_room(const struct tty *t);
/* What a slave writes: bytes of p taken, fewer when the output ring is full or stopped. */
size_t ldisc_output(struct tty *t, const u8 *p, size_t n);
void ldisc_echo(struct tty *t, u8 c);
/* Moves up to n readable characters to buf (one line in canonical mode). *eof: an EOF character
 * ended it. */
size_t ldisc_read(struct tty *t, u8 *buf, size_t n, bool *eof);
bool ldisc_readable(const struct tty *t);
u32 ldisc_available(const struct tty *t);
void ldisc_flush_input(struct tty *t);
/* After ICANON changed: what was typed becomes readable, or waits for a line. */
void ldisc_canon_changed(struct tty *t);
void tty_out_byte(struct tty *t, u8 c);
u32 tty_out_room(const struct tty *t);

/* ---- job control --------------------------------------------------------- */

/*
 * A background process wants to change or write the terminal (sig SIGTTOU), or to read (SIGTTIN):
 * 0 if it may, -ERESTARTSYS after the signal was sent to its group, -EIO if it is orphaned
 * or, for reading, ignores the signal.
 */
must_check int tty_check_background(struct tty *t, int sig);
void tty_signal_foreground(struct tty *t, const struct tty_signals *sig);
/* TIOCSCTTY, TIOCNOTTY, TIOCSPGRP, TIOCGPGRP, TIOCGSID. */
s64 tty_set_controlling(struct tty *t, const struct file *f, bool steal);
s64 tty_drop_controlling(struct tty *t);
s64 tty_set_foreground(struct tty *t, s32 pgid);
s64 tty_foreground(struct tty *t, bool master);
s64 tty_session_id(struct tty *t, bool master);
/* The caller's controlling terminal, +1 or NULL. */
struct tty *tty_controlling(struct task *t);
/* A process is exiting: if it leads its session, the terminal lets go of it, with SIGHUP and
 * SIGCONT. */
void tty_leader_exit(struct task *t);
/*
 * The master is closed, or vhangup(2): the terminal lets go of its session, whose leader gets
 * SIGHUP and SIGCONT, and all slaves that are open have reached their end.
 */
void tty_hangup(struct tty *t);

/* Takes t out of the devpts table: its master is closed. */
void tty_table_leave(struct tty *t);

/* dev.tty.legacy_tiocsti: TIOCSTI at one's own terminal is for everyone. */
extern _Atomic s32 tty_legacy_tiocsti;

s64 tty_ioctl(struct tty *t, struct file *f, bool master, u32 cmd, u64 arg);

/* Registers /dev/tty, ptmx and the pts devices; devpts is an fs_type. */
void tty_devices_register(void);
struct fs_type;
extern const struct fs_type devpts_type;
