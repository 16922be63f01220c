/* What the stub answers of open files: which calls, how, and for how long. */
#include <criterion/criterion.h>
#include "platform/stub/files.c"
#include "tests/unit/platform/stub_double.h"

#define FD 6

static struct stub_context *ctx;
static struct stat *buf = (struct stat *)GUEST_PAGE;

static struct file_told *told(u32 fd)
{
	struct file_told *f = &ctx->files[fd % STUB_FILES_TOLD];

	*f = (struct file_told){.fd = fd + 1,
	                        .flags = O_RDWR | O_APPEND,
	                        .of_fd = {.word = 1},
	                        .of_attr = {.word = 2},
	                        .of_flags = {.word = 3},
	                        .st = {.st_size = 100 + fd, .st_mode = S_IFREG | 0644}};
	return f;
}

static void setup(void)
{
	map_at(GUEST_PAGE, PAGE_SIZE);
	map_at(STUB_SHARED, PAGE_ALIGN(sizeof(struct stub_shared)));
	ctx = context_create();
	memset(ctx, 0, sizeof(*ctx));
	told(FD);
}

TestSuite(files, .init = setup);

#define NOT_ANSWERED (-1000)

static s64 call(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	struct host_sigcontext mc = {.rax = 77, .rdi = a, .rsi = b, .rdx = c, .r10 = d};

	if (file_answer(ctx, &mc, nr))
		return (s64)mc.rax;
	cr_assert_eq(mc.rax, 77, "the register is the call's still");
	return NOT_ANSWERED;
}

static s64 ask(u64 fd)
{
	memset(buf, 0x5a, sizeof(*buf));
	return call(__NR_fstat, fd, (u64)buf, 0, 0);
}

static u64 name_at(const char *name)
{
	return (u64)strcpy((char *)GUEST_PAGE + 1000, name);
}

Test(files, fstat_is_what_was_told)
{
	cr_expect_eq(ask(FD), 0);
	cr_expect_eq(buf->st_size, 100 + FD);
	cr_expect_eq(ctx->told_used, 1);
	cr_expect_eq(ask(FD | 1UL << 32), 0, "a descriptor has 32 bits");
	cr_expect_eq(ask(FD + STUB_FILES_TOLD), NOT_ANSWERED);
	cr_expect_eq(ask(FD + 1), NOT_ANSWERED);
	cr_expect_eq(ask(~0U), NOT_ANSWERED);
	told(FD + STUB_FILES_TOLD);
	cr_expect_eq(ask(FD), NOT_ANSWERED, "it has had to make room");
	cr_expect_eq(ask(FD + STUB_FILES_TOLD), 0);
	/* Nothing that is told makes it one of -1. */
	ctx->files[3].fd = 0;
	cr_expect_eq(ask(~0U), NOT_ANSWERED);
}

Test(files, a_buffer_that_is_not_there)
{
	cr_expect_eq(call(__NR_fstat, FD, 0, 0, 0), -EFAULT);
	cr_expect_eq(call(__NR_fstat, FD, GUEST_PAGE + PAGE_SIZE - 8, 0, 0), -EFAULT);
	cr_expect_eq(call(__NR_fstat, FD, STUB_SHARED, 0, 0), -EFAULT);
	cr_expect_eq(call(__NR_fstat, FD, (u64)ctx, 0, 0), 0);
}

Test(files, newfstatat_of_the_descriptor_alone)
{
	u64 empty = name_at(""), st = (u64)buf;

	cr_expect_eq(call(__NR_newfstatat, FD, empty, st, AT_EMPTY_PATH), 0);
	cr_expect_eq(buf->st_size, 100 + FD);
	cr_expect_eq(call(__NR_newfstatat, FD, empty, st, AT_EMPTY_PATH | 1UL << 40), 0);
	cr_expect_eq(call(__NR_newfstatat, FD, empty, 8, AT_EMPTY_PATH), -EFAULT);
	cr_expect_eq(call(__NR_newfstatat, FD, empty, st, 0), NOT_ANSWERED);
	cr_expect_eq(call(__NR_newfstatat, FD, empty, st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW),
	             NOT_ANSWERED);
	cr_expect_eq(call(__NR_newfstatat, FD, 0, st, AT_EMPTY_PATH), NOT_ANSWERED);
	cr_expect_eq(call(__NR_newfstatat, FD, STUB_SHARED, st, AT_EMPTY_PATH), NOT_ANSWERED);
	cr_expect_eq(call(__NR_newfstatat, FD, name_at("x"), st, AT_EMPTY_PATH), NOT_ANSWERED);
	cr_expect_eq(call(__NR_newfstatat, (u32)AT_FDCWD, name_at(""), st, AT_EMPTY_PATH),
	             NOT_ANSWERED);
}

Test(files, flags_and_terminals)
{
	struct file_told *f = told(FD);

	cr_expect_eq(call(__NR_fcntl, FD, F_GETFL, 0, 0), O_RDWR | O_APPEND);
	cr_expect_eq(call(__NR_fcntl, FD, F_GETFD, 0, 0), 0);
	cr_expect_eq(call(__NR_fcntl, FD, F_SETFD, 2, 0), 0);
	cr_expect_eq(call(__NR_fcntl, FD, F_SETFD, FD_CLOEXEC, 0), NOT_ANSWERED);
	f->cloexec = 1;
	cr_expect_eq(call(__NR_fcntl, FD, F_GETFD, 0, 0), FD_CLOEXEC);
	cr_expect_eq(call(__NR_fcntl, FD, F_SETFD, FD_CLOEXEC | 4, 0), 0);
	cr_expect_eq(call(__NR_fcntl, FD, F_SETFD, 0, 0), NOT_ANSWERED);
	cr_expect_eq(call(__NR_fcntl, FD, F_SETFL, 0, 0), NOT_ANSWERED);
	cr_expect_eq(call(__NR_fcntl, FD, F_DUPFD, 0, 0), NOT_ANSWERED);
	cr_expect_eq(call(__NR_ioctl, FD, TCGETS, 0, 0), -ENOTTY);
	cr_expect_eq(call(__NR_ioctl, FD, TCSETS, 0, 0), NOT_ANSWERED);
	f->flags |= O_PATH;
	cr_expect_eq(call(__NR_ioctl, FD, TCGETS, 0, 0), NOT_ANSWERED);
	cr_expect_eq(call(__NR_fcntl, FD + 1, F_GETFD, 0, 0), NOT_ANSWERED);
}

/* Each word ends what it is of. */
Test(files, holds_until_a_word_moves_on)
{
	struct stub_shared *s = stub_shared();

	s->told_word[2]++;
	cr_expect_eq(ask(FD), NOT_ANSWERED);
	cr_expect_eq(call(__NR_newfstatat, FD, name_at(""), (u64)buf, AT_EMPTY_PATH), NOT_ANSWERED);
	cr_expect_eq(call(__NR_fcntl, FD, F_GETFL, 0, 0), O_RDWR | O_APPEND);
	s->told_word[3]++;
	cr_expect_eq(call(__NR_fcntl, FD, F_GETFL, 0, 0), NOT_ANSWERED);
	cr_expect_eq(call(__NR_fcntl, FD, F_GETFD, 0, 0), 0);
	cr_expect_eq(call(__NR_ioctl, FD, TCGETS, 0, 0), -ENOTTY);
	s->fd_word[1]++;
	cr_expect_eq(call(__NR_fcntl, FD, F_GETFD, 0, 0), NOT_ANSWERED);
	cr_expect_eq(call(__NR_ioctl, FD, TCGETS, 0, 0), NOT_ANSWERED);
	told(FD);
	cr_expect_eq(ask(FD), NOT_ANSWERED);
}

/* A guest may have written to it. */
Test(files, words_beyond_the_last_are_not_looked_for)
{
	struct file_told *f = told(FD);

	f->of_fd.word = f->of_attr.word = ~0u;
	cr_expect_eq(ask(FD), 0);
	stub_shared()->told_word[PLATFORM_TOLD_WORDS - 1]++;
	cr_expect_eq(ask(FD), NOT_ANSWERED);
}
