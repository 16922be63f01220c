/* FIFOs: opening waits for a peer, hang-ups, reopening an anonymous pipe. */
#include "tests/unit/tree.h"
#include "fs/pipe/pipe.h"
#include "fs/pipe/splice.h"

static void init(void)
{
	tree_init();
	pipe_init();
}

TestSuite(fifo, .init = init, .fini = tree_fini, .timeout = 60);

static struct file *opened;
static struct fiber *opener;
static int result;

static void open_it(void *arg)
{
	opener = fiber_self();
	result = 1;
	result = open_name("/f", (u64)arg, &opened);
}

static void start_open(u32 flags)
{
	spawn(open_it, (void *)(u64)flags);
	let_others_run();
}

static void open_body(void)
{
	struct file *r, *w;
	char c;

	check(vfs_mknod((struct path){0}, "/f", S_IFIFO | 0644, 0) == 0);
	check(open_name("/f", O_WRONLY | O_NONBLOCK, &w) == -ENXIO);
	start_open(O_RDONLY);
	check(result == 1);
	w = must_open("/f", O_WRONLY);
	let_others_run();
	check(result == 0);
	r = opened;
	check(put(w, "a", 1) == 1 && take(r, &c, 1) == 1 && c == 'a');
	file_put(w);
	check(take(r, &c, 1) == 0 && file_ready(r) & EPOLLHUP);
	/* A second writer, and the hang-up is over. */
	w = must_open("/f", O_WRONLY);
	check(file_ready(r) == 0 && put(w, "b", 1) == 1 && take(r, &c, 1) == 1);
	file_put(r);
	file_put(w);

	start_open(O_WRONLY);
	check(result == 1);
	r = must_open("/f", O_RDONLY);
	let_others_run();
	check(result == 0);
	file_put(opened);
	file_put(r);
	/* A signal ends the wait, and nothing is left behind. */
	start_open(O_WRONLY);
	fiber_interrupt(opener);
	let_others_run();
	check(result == -ERESTARTSYS);
	check(open_name("/f", O_RDONLY | O_NONBLOCK, &r) == 0);
	/* No writer yet: not hung up, though at the end. */
	check(file_ready(r) == 0 && take(r, &c, 1) == 0);
	w = must_open("/f", O_WRONLY | O_NONBLOCK);
	file_put(w);
	check(file_ready(r) == EPOLLHUP);
	file_put(r);
	w = must_open("/f", O_RDWR);
	check(put(w, "x", 1) == 1 && take(w, &c, 1) == 1);
	file_put(w);
}

Test(fifo, opening_waits_for_a_peer)
{
	as_guest(open_body);
}

static void reopen_body(void)
{
	struct file *p[2], *r;
	char c;

	check(pipe_create(0, p) == 0);
	check(file_create(p[0]->path, p[0]->inode, O_RDONLY, &r) == 0);
	check(fifo_open(p[0]->inode, r) == 0);
	file_put(p[0]);
	check(put(p[1], "a", 1) == 1 && take(r, &c, 1) == 1);
	file_put(p[1]);
	check(take(r, &c, 1) == 0);
	file_put(r);
}

Test(fifo, an_anonymous_pipe_can_be_opened_again)
{
	as_guest(reopen_body);
}

static void files_body(void)
{
	struct file *p[2], *f = must_open("/data", O_RDWR | O_CREAT), *o;
	static char big[100000], back[100000];
	u64 pos = 10;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 3 + i / 4096);
	check(put(f, big, sizeof(big)) == sizeof(big));
	check(pipe_create(0, p) == 0);
	check(splice_files(f, &pos, p[1], NULL, 5000, 0) == 5000 && pos == 5010);
	check(take(p[0], back, 5000) == 5000 && memcmp(back, big + 10, 5000) == 0);
	check(splice_files(f, NULL, p[1], NULL, 10, 0) == 0);
	check(put(p[1], "hello", 5) == 5);
	pos = 3;
	check(splice_files(p[0], NULL, f, &pos, 100, 0) == 5 && pos == 8);
	check(file_read_kernel(f, back, 10, 0) == 10 && memcmp(back + 3, "hello", 5) == 0);
	o = must_open("/out", O_RDWR | O_CREAT);
	pos = 0;
	memcpy(big + 3, "hello", 5);
	check(sendfile_files(o, f, &pos, 1 << 30) == sizeof(big) && pos == sizeof(big));
	check(file_read_kernel(o, back, sizeof(back), 0) == sizeof(back));
	check(memcmp(big, back, sizeof(big)) == 0);
	check(file_seek(f, 50, SEEK_SET) == 50 && sendfile_files(p[1], f, NULL, 20) == 20);
	check(file_seek(f, 0, SEEK_CUR) == 70 && take(p[0], back, 50) == 20);
	check(sendfile_files(p[1], p[0], NULL, 20) == -EINVAL);
	pos = 0;
	check(sendfile_files(p[1], p[0], &pos, 20) == -ESPIPE);
	file_put(o);
	o = must_open("/out", O_RDWR | O_APPEND);
	check(put(p[1], "x", 1) == 1 && splice_files(p[0], NULL, o, NULL, 1, 0) == -EINVAL);
	check(sendfile_files(o, f, &pos, 1) == -EINVAL);
	file_put(o);
	file_put(f);
	file_put(p[0]);
	file_put(p[1]);
}

Test(fifo, splices_with_files)
{
	as_guest(files_body);
}
