/*
 * poll(2) and select(2): a look at every file first; only if none is ready, and
 * there is time to wait, are waiters hung on their queues. So the ready path
 * allocates nothing for a few files and makes no host call.
 */
#include "fs/epoll/poll.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "base/waitq.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Up to this many entries live on the fiber's stack. */
#define FEW 8

#define ALWAYS (POLLERR | POLLHUP)
/* What select's three sets ask for (fs/select.c). */
#define SELECT_IN  (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_OUT (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SELECT_EX  POLLPRI

/* Asks every file. always: bits that count though nobody asked for them. */
static int look(struct poll_entry *e, unsigned n, u32 always)
{
	int ready = 0;

	for (unsigned i = 0; i < n; i++) {
		if (e[i].file)
			e[i].revents = file_ready(e[i].file) & (e[i].events | always);
		else
			e[i].revents &= POLLNVAL;
		ready += e[i].revents != 0;
	}
	return ready;
}

static struct waitq *queue_of(const struct poll_entry *e)
{
	return e->file && e->file->ops->waitq ? e->file->ops->waitq(e->file) : NULL;
}

static int wait_entries(struct poll_entry *e, unsigned n, u32 always, u64 deadline)
{
	struct wait_fiber few[FEW], *w = few;
	int err = 0, ready = look(e, n, always);

	if (ready || deadline == 0)
		return ready;
	if (n > FEW) {
		w = malloc(n * sizeof(*w));
		if (!w)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++) {
		wait_fiber_init(&w[i]);
		struct waitq *q = queue_of(&e[i]);
		if (q)
			waitq_add(q, &w[i].waiter, e[i].events | ALWAYS);
	}
	while (!(ready = look(e, n, always)) && !err)
		err = fiber_sleep(deadline);
	for (unsigned i = 0; i < n; i++) {
		struct waitq *q = queue_of(&e[i]);
		if (q)
			waitq_remove(q, &w[i].waiter);
	}
	if (w != few)
		free(w);
	if (ready)
		return ready;
	return err == -ETIMEDOUT ? 0 : err;
}

int poll_wait(struct poll_entry *e, unsigned n, u64 deadline)
{
	return wait_entries(e, n, ALWAYS, deadline);
}

/* ---- select --------------------------------------------------------------- */

#define WORD_BITS (8 * sizeof(unsigned long))

/* The three sets of a call; NULL where absent. */
struct select_sets {
	unsigned long *in, *out, *ex;
};

static bool bit_get(const unsigned long *set, unsigned i)
{
	return set && set[i / WORD_BITS] >> (i % WORD_BITS) & 1;
}

static int bit_set(unsigned long *set, unsigned i, bool on)
{
	if (!on)
		return 0;
	set[i / WORD_BITS] |= 1UL << (i % WORD_BITS);
	return 1;
}

static void set_clear(unsigned long *set, unsigned words)
{
	if (set)
		memset(set, 0, words * sizeof(*set));
}

/* The bits of word w in any set that are below n. */
static unsigned long wanted_word(const struct select_sets *s, unsigned w, unsigned n)
{
	unsigned long bits =
	    (s->in ? s->in[w] : 0) | (s->out ? s->out[w] : 0) | (s->ex ? s->ex[w] : 0);

	if ((w + 1) * WORD_BITS > n)
		bits &= (1UL << (n % WORD_BITS)) - 1;
	return bits;
}

/*
 * Linux looks no further than the descriptor table reaches, which is a power of
 * two from 64 on: bits behind it are ignored, closed descriptors before it are
 * -EBADF. The table here has no such size; it is taken from the highest one open.
 */
static unsigned table_size(void)
{
	struct fdtable *t = caller()->files;
	unsigned size = 64;

	for (int fd = fdtable_next(t, 0); fd >= 0; fd = fdtable_next(t, fd + 1))
		while ((unsigned)fd >= size)
			size = max_of(2 * size, 256U);
	return size;
}

/* Takes a reference to every file that is asked for. *k counts them, also on -EBADF. */
static int select_open(const struct select_sets *s, unsigned n, struct poll_entry *e, int *fds,
                       unsigned *k)
{
	for (unsigned w = 0; w * WORD_BITS < n; w++) {
		unsigned long bits = wanted_word(s, w, n);
		for (; bits; bits &= bits - 1) {
			int fd = w * WORD_BITS + __builtin_ctzl(bits);
			struct poll_entry *p = &e[*k];

			*p = (struct poll_entry){0};
			p->events = (bit_get(s->in, fd) ? SELECT_IN : 0) |
			            (bit_get(s->out, fd) ? SELECT_OUT : 0) |
			            (bit_get(s->ex, fd) ? SELECT_EX : 0);
			int err = fd_get(fd, &p->file);
			if (err && (unsigned)fd >= table_size())
				return 0;
			if (err)
				return err;
			fds[(*k)++] = fd;
		}
	}
	return 0;
}

/* Overwrites the sets with what is true. Returns how many bits that are. */
static int select_report(const struct select_sets *s, unsigned n, const struct poll_entry *e,
                         const int *fds, unsigned k)
{
	unsigned words = (n + WORD_BITS - 1) / WORD_BITS;
	int bits = 0;

	/* The question is still in events: the sets themselves may go. */
	set_clear(s->in, words);
	set_clear(s->out, words);
	set_clear(s->ex, words);
	for (unsigned i = 0; i < k; i++) {
		u32 want = e[i].events, got = e[i].revents;
		bits += bit_set(s->in, fds[i], (want & POLLIN) && (got & SELECT_IN));
		bits += bit_set(s->out, fds[i], (want & POLLOUT) && (got & SELECT_OUT));
		bits += bit_set(s->ex, fds[i], (want & POLLPRI) && (got & SELECT_EX));
	}
	return bits;
}

int select_wait(unsigned n, unsigned long *in, unsigned long *out, unsigned long *ex, u64 deadline)
{
	struct select_sets sets = {in, out, ex};
	struct poll_entry few[FEW], *e = few;
	int few_fds[FEW], *fds = few_fds, err;
	unsigned count = 0, k = 0;

	if (n > FDTABLE_MAX)
		return -EINVAL;
	for (unsigned w = 0; w * WORD_BITS < n; w++)
		count += __builtin_popcountl(wanted_word(&sets, w, n));
	if (count > FEW) {
		e = malloc(count * sizeof(*e));
		fds = malloc(count * sizeof(*fds));
	}
	err = e && fds ? select_open(&sets, n, e, fds, &k) : -ENOMEM;
	/* Unlike poll, an error or a hang-up counts only for a set that includes it. */
	if (!err)
		err = wait_entries(e, k, 0, deadline);
	if (err >= 0)
		err = select_report(&sets, n, e, fds, k);
	for (unsigned i = 0; i < k; i++)
		file_put(e[i].file);
	if (e != few)
		free(e);
	if (fds != few_fds)
		free(fds);
	return err;
}
