/* Terminal objects and the table of them, which /dev/pts lists. */
#include "sentry/tty/tty.h"
#include "base/bug.h"
#include "base/census.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TTY_MAX 4096 /* /proc/sys/kernel/pty/max */

static CENSUS(tty_census, "terminals");
static struct lock table_lock = LOCK_INIT(RANK_OBJECT);
static struct tty *table[TTY_MAX]; /* one reference each while the master is open */

/* What a new pty has (drivers/tty/tty_io.c tty_std_termios). */
static const struct termios2 initial = {
    .c_iflag = ICRNL | IXON,
    .c_oflag = OPOST | ONLCR,
    .c_cflag = B38400 | CS8 | CREAD,
    .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    .c_cc = {[VINTR] = 3,
             [VQUIT] = 28,
             [VERASE] = 127,
             [VKILL] = 21,
             [VEOF] = 4,
             [VMIN] = 1,
             [VSTART] = 17,
             [VSTOP] = 19,
             [VSUSP] = 26,
             [VREPRINT] = 18,
             [VDISCARD] = 15,
             [VWERASE] = 23,
             [VLNEXT] = 22},
    .c_ispeed = 38400,
    .c_ospeed = 38400,
};

/* tty_ldisc_hangup, __tty_hangup: but for its size and its owner. */
void tty_renew_locked(struct tty *t)
{
	t->hangups++;
	t->termios = initial;
	t->packet_events = 0;
	t->column = 0;
	ldisc_flush_input(t);
}

static int table_enter(struct tty *t)
{
	lock_guard(&table_lock);
	for (u32 i = 0; i < TTY_MAX; i++)
		if (!table[i]) {
			table[i] = t;
			t->index = i;
			return 0;
		}
	return -ENOSPC;
}

int tty_create(u32 uid, u32 gid, struct tty **out)
{
	struct tty *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	ref_init(&t->ref);
	lock_init(&t->lock, RANK_TTY);
	waitq_init(&t->slave_waitq);
	waitq_init(&t->master_waitq);
	t->termios = initial;
	t->locked = true;
	t->uid = uid;
	t->gid = gid;
	err = table_enter(t);
	if (err) {
		waitq_destroy(&t->slave_waitq);
		waitq_destroy(&t->master_waitq);
		free(t);
		return err;
	}
	ref_get(&t->ref);
	census_add(&tty_census, 1);
	*out = t;
	return 0;
}

struct tty *tty_get(struct tty *t)
{
	ref_get(&t->ref);
	return t;
}

void tty_put(struct tty *t)
{
	if (!ref_put(&t->ref))
		return;
	BUG_ON(t->session || t->fg);
	waitq_destroy(&t->slave_waitq);
	waitq_destroy(&t->master_waitq);
	free(t);
	census_add(&tty_census, -1);
}

struct tty *tty_find(u32 index)
{
	lock_guard(&table_lock);
	return index < TTY_MAX && table[index] ? tty_get(table[index]) : NULL;
}

struct tty *tty_next(u32 from)
{
	lock_guard(&table_lock);
	for (u32 i = from; i < TTY_MAX; i++)
		if (table[i])
			return tty_get(table[i]);
	return NULL;
}

/* The name goes with the master. */
void tty_table_leave(struct tty *t)
{
	lock_acquire(&table_lock);
	table[t->index] = NULL;
	lock_release(&table_lock);
	tty_put(t);
}
