/*
 * A pipe's inside, shared by pipe.c (object and file), ring.c (bytes), fifo.c
 * (opening and closing) and splice.c (moving bytes between files without a guest).
 *
 * The ring: slots head..tail-1 hold bytes. A writer fills private pages outside
 * every lock and links them under `lock`, so guest memory is never touched under it.
 * A reader that can write straight to its destination copies under `lock`;
 * one that cannot sets `reading` under read_mutex, and then owns the head
 * of the ring while it copies outside the lock. Writers may go on meanwhile: they append
 * behind off + len, which consuming does not change.
 */
#pragma once
#include "base/lock.h"
#include "base/mutex.h"
#include "base/types.h"
#include "base/waitq.h"

struct account;
struct file;
struct inode;
struct uio;

struct pipe_slot {
	u8 *page;
	u32 off, len;
	bool packet; /* one write of a pipe in packet mode: not to be merged with others */
};

#define PIPE_SPARES 2
/* A pipe proves itself with its first writes; one that has failed gets another try after more. */
#define PIPE_PROMPT     8
#define PIPE_PROMPT_MAX 256
#define PIPE_CREDIT_MAX 8u

struct pipe {
	struct mutex read_mutex; /* a reader that copies outside the lock */
	struct lock lock;
	/* Guarded by lock. */
	struct pipe_slot *slots;
	u32 nslots;     /* capacity, a power of two */
	u32 head, tail; /* free-running; used: tail - head */
	u32 reserved;   /* slots promised to a splice that is reading its source */
	u32 readers, writers;
	u32 reader_opens, writer_opens; /* ever; what a blocking open waits for */
	bool reading;
	u64 bytes;
	/* Writes since a waiting reader was put off; how many are to be told of at once. */
	u32 put_off, prompt;
	u32 credit;             /* times that putting off may be in vain */
	u8 *spare[PIPE_SPARES]; /* pages kept for the next write */
	u32 nspare;
	/* Constant. */
	bool anonymous; /* made by pipe(2): opening it again never waits */
	struct account *account;
	/* Guarded by the inode's attr_lock. */
	u32 files;
	struct waitq waitq;
};

/* An open file's view of the pipe. */
struct pipe_end {
	struct pipe *pipe;
	/* writer_opens when a reader opened without waiting: no hang-up before a writer came. */
	u32 writers_seen;
};

/* What a blocking open waits for on the pipe's queue; no file reports this bit. */
#define PIPE_PEER 0x400 /* EPOLLMSG */

extern const struct file_ops pipe_file_ops;

/* A pipe without files. NULL when out of memory. */
struct pipe *pipe_alloc(bool anonymous);
void pipe_free(struct pipe *p);
void pipe_release(struct file *f);

static inline u32 pipe_used_locked(const struct pipe *p)
{
	return p->tail - p->head;
}

static inline bool pipe_full_locked(const struct pipe *p)
{
	return p->tail - p->head + p->reserved >= p->nslots;
}

static inline struct pipe_slot *pipe_slot_at(struct pipe *p, u32 index)
{
	return &p->slots[index & (p->nslots - 1)];
}

/* ring.c: non-blocking transfers, as file_ops have them. A broken pipe raises SIGPIPE. */
must_check ssize_t pipe_ring_write(struct pipe *p, struct uio *src, bool packet);
must_check ssize_t pipe_ring_read(struct pipe *p, struct uio *dst);

/* A page for the ring, from the spares or the heap. */
u8 *pipe_page_get(struct pipe *p);
void pipe_page_put(struct pipe *p, u8 *page);

/*
 * Takes the read side for copying outside the lock. While it is held, slots from
 * head on stay where they are.
 */
void pipe_read_begin(struct pipe *p);
void pipe_read_end(struct pipe *p);
/*
 * Holder of the read side: a copy of the i-th slot from the head, false past the
 * end. Its page stays valid until consumed.
 */
must_check bool pipe_peek(struct pipe *p, u32 i, struct pipe_slot *out);
/* Takes n bytes off the first slot; all of it if it is a packet. */
void pipe_consume(struct pipe *p, u32 n);

/*
 * Promises up to want slots: how many, -EAGAIN when full, -EPIPE without a
 * reader (no signal is raised here). pipe_fill links what came and returns the rest.
 */
must_check int pipe_reserve(struct pipe *p, u32 want);
void pipe_fill(struct pipe *p, struct pipe_slot *slots, u32 n, u32 reserved);

/* -EPIPE with its signal. */
int pipe_broken(void);
