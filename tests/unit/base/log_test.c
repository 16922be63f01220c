/* Log lines: level, length, rate. */
#include <criterion/criterion.h>
#include "base/host.h"
#include "tests/unit/base/support.h"

static int log_memfd(enum log_level level)
{
	int fd = host_memfd("log", 0);

	cr_assert_geq(fd, 0);
	log_init(fd, level);
	return fd;
}

Test(log, prints_up_to_its_level)
{
	int fd = log_memfd(LOG_WARN);
	char buf[256] = {0};

	log_error("a %d", 1);
	log_warn("b %s", "two");
	log_info("never");
	cr_assert_eq(log_fd(), fd);
	cr_assert_gt(host_pread(fd, buf, sizeof(buf) - 1, 0), 0);
	cr_assert_str_eq(buf, "moat: error: a 1\nmoat: warn: b two\n");
}

Test(log, cuts_a_long_line_at_its_newline)
{
	int fd = log_memfd(LOG_WARN);
	char text[3000], buf[4096];
	ssize_t n;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_warn("%s", text);
	n = host_pread(fd, buf, sizeof(buf), 0);
	cr_assert(n > 900 && n <= 1024);
	cr_assert_eq(buf[n - 1], '\n');
}

Test(log, limits_what_one_place_may_print)
{
	_Atomic u64 place = 0;
	unsigned allowed = 0;

	for (unsigned i = 0; i < 1000; i++)
		allowed += log_allowed(&place);
	/* The second may have turned once on the way. */
	cr_assert(allowed == 10 || allowed == 20, "%u", allowed);
}
