/* The host gateway: values and -errno, never errno. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sched.h>
#include "base/host.h"
#include "tests/unit/base/support.h"

Test(host, errors_are_returned_and_errno_is_left_alone)
{
	char c;

	errno = 1234;
	cr_assert_eq(host_read(-1, &c, 1), -EBADF);
	cr_assert_eq(host_openat2(AT_FDCWD, "/no/such/file", O_RDONLY, 0, 0), -ENOENT);
	cr_assert_eq(host_readlinkat(AT_FDCWD, "/", &c, 1), -EINVAL);
	cr_assert_eq(errno, 1234);
}

Test(host, file_calls_reach_the_file)
{
	int fd = host_memfd("test", MFD_CLOEXEC), copy;
	struct stat st;
	char buf[8];

	cr_assert_geq(fd, 0);
	cr_assert_eq(host_pwrite(fd, "abcdef", 6, 2), 6);
	cr_assert_eq(host_pread(fd, buf, sizeof(buf), 2), 6);
	cr_assert_eq(memcmp(buf, "abcdef", 6), 0);
	cr_assert_eq(host_fstat(fd, &st), 0);
	cr_assert_eq(st.st_size, 8);
	cr_assert_eq(host_ftruncate(fd, 4096), 0);
	cr_assert_eq(host_lseek(fd, 0, SEEK_END), 4096);
	copy = host_dup(fd);
	cr_assert_gt(copy, fd);
	cr_assert_eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
	cr_assert_eq(host_close(copy), 0);
	cr_assert_eq(host_close(fd), 0);
	cr_assert_eq(host_close(fd), -EBADF);
}

Test(host, a_mapping_is_shared_with_its_file)
{
	int fd = host_memfd("test", MFD_CLOEXEC), err;
	char *p, c;

	cr_assert_eq(host_ftruncate(fd, PAGE_SIZE), 0);
	p = host_map(fd, 0, PAGE_SIZE, true, &err);
	cr_assert_not_null(p);
	p[7] = 'x';
	cr_assert_eq(host_pread(fd, &c, 1, 7), 1);
	cr_assert_eq(c, 'x');
	host_unmap(p, PAGE_SIZE);
	host_close(fd);
	cr_assert_null(host_map(fd, 0, PAGE_SIZE, true, &err));
	cr_assert_eq(err, -EBADF);
}

Test(host, calls_are_counted)
{
	u64 before = host_call_count();

	host_close(-1);
	host_close(-1);
	cr_assert_eq(host_call_count() - before, 2);
}

Test(host, a_futex_wait_ends_by_value_or_time)
{
	_Atomic u32 word = 1;
	struct timespec ts = {.tv_nsec = 1000000};

	cr_assert_eq(host_futex_wait(&word, 0, NULL, false), -EAGAIN);
	cr_assert_eq(host_futex_wait(&word, 1, &ts, false), -ETIMEDOUT);
	cr_assert_eq(host_futex_wake(&word, 1, true), 0);
}

Test(host, random_bytes_fill_the_whole_buffer)
{
	u64 a[64] = {0};
	unsigned zero = 0;

	cr_assert_eq(host_getrandom(a, sizeof(a)), 0);
	for (unsigned i = 0; i < array_size(a); i++)
		zero += a[i] == 0;
	cr_assert_eq(zero, 0);
}

Test(host, a_thread_leaves_a_cpu_until_it_may_be_anywhere)
{
	cpu_set_t before, after;
	unsigned cpu;

	cr_assert_eq(sched_getaffinity(0, sizeof(before), &before), 0);
	if (host_cpu_count() < 2)
		cr_skip_test("one CPU: nowhere to go");
	cpu = host_cpu();
	cr_assert(CPU_ISSET(cpu, &before));
	cr_assert(host_cpu_leave(cpu));
	cr_assert_neq(host_cpu(), cpu);
	cr_assert_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	cr_assert(!CPU_ISSET(cpu, &after));
	host_cpu_any();
	cr_assert_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	cr_assert(CPU_EQUAL(&before, &after));
}

Test(host, leaving_no_cpu_at_all_changes_nothing)
{
	cpu_set_t before, after;

	cr_assert_eq(sched_getaffinity(0, sizeof(before), &before), 0);
	host_cpu_count();
	cr_assert(!host_cpu_leave(~0u));
	cr_assert_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	cr_assert(CPU_EQUAL(&before, &after));
}
