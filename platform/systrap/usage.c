/*
 * CPU time of guest threads, as the host counts it.
 *
 * Of a whole stub the sentry can ask the host itself: the CPU clock of any
 * process may be read. Of one thread only its own process may ask, so the stub does,
 * for a thread that stands still; by itself with a call that is likely to be the thread's last. It
 * may lie; what it says is only shown to guests.
 */
#include "platform/process_clock.h"
#include "platform/systrap/systrap.h"
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

u64 space_cpu_time(struct platform_space *s)
{
	return s->pid ? process_cpu_time(s->pid) : 0;
}

static bool plausible(const struct timeval *tv)
{
	return tv->tv_sec >= 0 && tv->tv_sec < (1LL << 32) && tv->tv_usec >= 0 &&
	       tv->tv_usec < 1000000;
}

static int ask(struct systrap_thread *t, struct rusage *out)
{
	s64 result;
	/* The answer takes the start of the window. */
	guestmem_flush(t);
	t->ins = 0;
	result = exchange_verb(t, VERB_USAGE);
	if (result)
		return result == -ESRCH ? -ESRCH : -EIO;
	memcpy(out, t->ctx->window, sizeof(*out));
	return 0;
}

int thread_usage(struct platform_thread *pt, struct rusage *out)
{
	struct systrap_thread *t = systrap_thread(pt);
	int err = 0;

	if (t->usage_told)
		memcpy(out, &t->ctx->request.usage, sizeof(*out));
	else
		err = ask(t, out);
	if (err)
		return err;
	if (!plausible(&out->ru_utime) || !plausible(&out->ru_stime))
		return -EIO;
	return 0;
}
