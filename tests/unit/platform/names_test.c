/* Answers about names that the stub gives again: which, to whom, and for how long. */
#include <criterion/criterion.h>
#include "platform/stub/names.c"
#include "tests/unit/platform/stub_double.h"

static struct stub_context *ctx;

/* Contexts lie where they do in a stub, as their place says which answers are theirs. */
static void setup(void)
{
	map_at(STUB_CONTEXTS, 2 * STUB_CONTEXT_SIZE);
	map_at(STUB_NAMES, 2 * STUB_NAMES_STEP);
	map_at(STUB_SHARED, PAGE_ALIGN(sizeof(struct stub_shared)));
	ctx = stub_context_at(STUB_CONTEXTS, 1);
	ctx->direct = 1;
	ctx->thread = 5;
}

TestSuite(names, .init = setup);

/* As marshalled: is it answered? */
static bool asks(struct host_sigcontext *mc, u64 nr, const char *name)
{
	strcpy((char *)ctx->window, name);
	ctx->request.segment[0].len = (u32)strlen(name) + 1;
	ctx->name_call.nr = 0;
	return name_answer(ctx, mc, nr, 1);
}

/* Asks and is told twice, as of the epoch: kept from then on. */
static void learn(u64 nr, const char *name, s64 answer)
{
	struct host_sigcontext mc = {.rsi = 4, .rdx = 100, .r10 = 100};

	for (int i = 0; i < 2; i++) {
		cr_assert(!asks(&mc, nr, name));
		name_keep(ctx, answer, stub_shared()->name_epoch);
	}
}

static bool known(u64 nr, const char *name, s64 answer)
{
	struct host_sigcontext mc = {.rsi = 4, .rdx = 100, .r10 = 100};

	return asks(&mc, nr, name) && (s64)mc.rax == answer;
}

Test(names, an_answer_given_twice_is_given_again)
{
	learn(__NR_readlink, "/usr/lib", -EINVAL);
	cr_expect(known(__NR_readlink, "/usr/lib", -EINVAL));
	cr_expect_eq(ctx->direct_calls, 1);
	cr_expect(!known(__NR_readlink, "/usr/li", -EINVAL));
	cr_expect(!known(__NR_readlink, "/usr/lib/", -EINVAL));
	cr_expect(!known(__NR_stat, "/usr/lib", -EINVAL));
	cr_expect(!known(__NR_readlinkat, "/usr/lib", -EINVAL));
	cr_expect(!known(__NR_open, "/usr/lib", -EINVAL));
}

Test(names, each_call_is_known_by_its_flags)
{
	struct host_sigcontext mc = {.rsi = 1, .rdx = 1, .r10 = 1};

	learn(__NR_access, "/a", 0);
	learn(__NR_faccessat, "/b", 0);
	learn(__NR_faccessat2, "/c", -EACCES);
	learn(__NR_newfstatat, "/d", -ENOENT);
	cr_expect(known(__NR_access, "/a", 0) && known(__NR_faccessat, "/b", 0));
	cr_expect(known(__NR_faccessat2, "/c", -EACCES) && known(__NR_newfstatat, "/d", -ENOENT));
	cr_expect(!asks(&mc, __NR_access, "/a") && !asks(&mc, __NR_faccessat, "/b"));
	cr_expect(!asks(&mc, __NR_faccessat2, "/c") && !asks(&mc, __NR_newfstatat, "/d"));
	mc.rdx = 100;
	cr_expect(!asks(&mc, __NR_faccessat2, "/c"), "the mode is the same, the flags are not");
	/* A size that is none is an error of its own. */
	learn(__NR_readlink, "/e", -EINVAL);
	learn(__NR_readlinkat, "/e", -ENOENT);
	mc.rdx = mc.r10 = 0xffffffff00000000;
	cr_expect(!asks(&mc, __NR_readlink, "/e") && !asks(&mc, __NR_readlinkat, "/e"));
}

Test(names, holds_until_the_epoch_ends)
{
	learn(__NR_stat, "/none", -ENOENT);
	cr_expect(known(__NR_stat, "/none", -ENOENT));
	stub_shared()->name_epoch++;
	cr_expect(!known(__NR_stat, "/none", -ENOENT));
	name_keep(ctx, -ENOTDIR, stub_shared()->name_epoch);
	cr_expect(known(__NR_stat, "/none", -ENOTDIR));
	/* What was found before a change is of no use after it. */
	cr_expect(!known(__NR_stat, "/other", -ENOENT));
	name_keep(ctx, -ENOENT, stub_shared()->name_epoch - 1);
	name_keep(ctx, -ENOENT, stub_shared()->name_epoch - 1);
	cr_expect(!known(__NR_stat, "/other", -ENOENT));
}

Test(names, is_for_the_thread_that_was_told)
{
	learn(__NR_stat, "/none", -ENOENT);
	ctx->thread = 6;
	cr_expect(!known(__NR_stat, "/none", -ENOENT));
	ctx->thread = 5;
	cr_expect(known(__NR_stat, "/none", -ENOENT));
	ctx = stub_context_at(STUB_CONTEXTS, 0);
	ctx->direct = 1;
	ctx->thread = 5;
	ctx->names_kept = 1;
	cr_expect(!known(__NR_stat, "/none", -ENOENT));
}

/* As from a reply that has brought attributes, in a window that holds the name, too. */
static void told_stat(u64 size, u32 seen)
{
	struct stub_reply r = {.epoch = stub_shared()->name_epoch,
	                       .attr = {.word = 7, .seen = seen},
	                       .segment = {{GUEST_PAGE, sizeof(struct stat), 256}}};
	struct stat st = {.st_size = (off_t)size};

	memcpy(ctx->window + 256, &st, sizeof(st));
	name_keep_stat(ctx, &r);
}

static void learn_stat(const char *name, u64 size)
{
	struct host_sigcontext mc = {0};

	for (int i = 0; i < 2; i++) {
		cr_assert(!asks(&mc, __NR_stat, name));
		told_stat(size, stub_shared()->told_word[7]);
	}
}

static s64 size_of(const char *name)
{
	struct host_sigcontext mc = {.rsi = GUEST_PAGE};
	struct stat *st = (struct stat *)GUEST_PAGE;

	st->st_size = -1;
	if (!asks(&mc, __NR_stat, name))
		return -1;
	cr_assert_eq(mc.rax, 0);
	return st->st_size;
}

Test(names, attributes_last_while_names_and_they_do)
{
	struct host_sigcontext mc = {.rsi = GUEST_PAGE, .rdx = GUEST_PAGE + 512};

	map_at(GUEST_PAGE, PAGE_SIZE);
	learn_stat("/a", 100);
	cr_expect_eq(ctx->names_kept, 0);
	cr_expect_eq(size_of("/a"), 100);
	cr_expect_eq(size_of("/b"), -1);
	cr_expect(!asks(&mc, __NR_lstat, "/a") && !asks(&mc, __NR_newfstatat, "/a"));
	mc.rsi = 8;
	cr_expect(asks(&mc, __NR_stat, "/a"));
	cr_expect_eq((s64)mc.rax, -EFAULT);
	mc.rsi = STUB_SHARED;
	cr_expect(asks(&mc, __NR_stat, "/a"));
	cr_expect_eq((s64)mc.rax, -EFAULT, "not over the stub's own");
	stub_shared()->told_word[7]++;
	cr_expect_eq(size_of("/a"), -1);
	learn_stat("/a2", 200);
	cr_expect_eq(size_of("/a2"), 200);
	stub_shared()->name_epoch++;
	cr_expect_eq(size_of("/a2"), -1);
	/* The third argument is the buffer there. */
	for (int i = 0; i < 2; i++) {
		cr_assert(!asks(&mc, __NR_newfstatat, "/c"));
		told_stat(300, stub_shared()->told_word[7]);
	}
	cr_expect(asks(&mc, __NR_newfstatat, "/c"));
	cr_expect_eq(((struct stat *)(GUEST_PAGE + 512))->st_size, 300);
}

Test(names, attributes_are_kept_of_what_was_asked)
{
	struct host_sigcontext mc = {.rsi = GUEST_PAGE};
	char longest[sizeof(((struct name_stat *)0)->name) + 1];

	map_at(GUEST_PAGE, PAGE_SIZE);
	learn_stat("/a", 1);
	ctx->thread = 6;
	cr_expect_eq(size_of("/a"), -1);
	ctx->thread = 5;
	cr_expect_eq(size_of("/a"), 1);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 2] = 0;
	learn_stat(longest, 2);
	cr_expect_eq(size_of(longest), 2);
	longest[sizeof(longest) - 2] = 'x';
	longest[sizeof(longest) - 1] = 0;
	learn_stat(longest, 3);
	cr_expect_eq(size_of(longest), -1);
	/* Another size, another place, another name in the window. */
	for (int how = 0; how < 3; how++) {
		struct stub_reply r = {.segment = {{GUEST_PAGE, sizeof(struct stat), 256}}};

		if (how == 0)
			r.segment[0].len--;
		if (how == 1)
			r.segment[0].offset = STUB_WINDOW_SIZE - sizeof(struct stat) + 1;
		for (int i = 0; i < 2; i++) {
			cr_assert(!asks(&mc, __NR_stat, "/c"));
			if (how == 2)
				ctx->window[1] = 'd';
			name_keep_stat(ctx, &r);
		}
		cr_expect_eq(size_of("/c"), -1);
		cr_expect_eq(size_of("/d"), -1);
	}
}

Test(names, only_whole_absolute_names)
{
	struct host_sigcontext mc = {0};
	char longest[sizeof(((struct name_answer *)0)->name) + 1];

	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 2] = 0;
	learn(__NR_stat, longest, -ENOENT);
	cr_expect(known(__NR_stat, longest, -ENOENT));
	longest[sizeof(longest) - 2] = 'x';
	longest[sizeof(longest) - 1] = 0;
	learn(__NR_stat, longest, -ENOENT);
	cr_expect(!known(__NR_stat, longest, -ENOENT));
	learn(__NR_stat, "none", -ENOENT);
	cr_expect(!known(__NR_stat, "none", -ENOENT));
	learn(__NR_stat, "", -ENOENT);
	cr_expect(!known(__NR_stat, "", -ENOENT));
	/* Cut off by a fault. */
	learn(__NR_stat, "/ab", -ENOENT);
	ctx->request.segment[0].len = 3;
	cr_expect(!name_answer(ctx, &mc, __NR_stat, 1));
	cr_expect(!name_answer(ctx, &mc, __NR_stat, 0));
}

Test(names, nothing_is_kept_of_another_question)
{
	struct host_sigcontext mc = {0};

	cr_assert(!asks(&mc, __NR_stat, "/one"));
	strcpy((char *)ctx->window, "/two");
	name_keep(ctx, -ENOENT, 0);
	name_keep(ctx, -ENOENT, 0);
	cr_expect(!known(__NR_stat, "/one", -ENOENT) && !known(__NR_stat, "/two", -ENOENT));
	ctx->name_call.nr = 0;
	name_keep(ctx, -ENOENT, 0);
	name_keep(ctx, -ENOENT, 0);
	cr_expect_eq(ctx->names_kept, 0);
	learn(__NR_stat, "/three", -ENOENT);
	cr_expect(!known(__NR_stat, "/two", -ENOENT));
	ctx->direct = 0;
	name_keep(ctx, -ENOENT, 0);
	name_keep(ctx, -ENOENT, 0);
	ctx->direct = 1;
	cr_expect(!known(__NR_stat, "/two", -ENOENT));
}

Test(names, one_question_needs_no_memory)
{
	struct host_sigcontext mc = {0};

	cr_assert(!asks(&mc, __NR_stat, "/once"));
	name_keep(ctx, -ENOENT, 0);
	cr_expect_eq(ctx->names_kept, 0);
	cr_expect(!known(__NR_stat, "/once", -ENOENT));
}
