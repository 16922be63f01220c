/*
 * What travels with a system call: buffers that the call reads are copied to
 * the window before the sentry is asked, as the table of descriptors says; what
 * the sentry wrote to the window is copied to the guest's memory afterwards.
 * A fault on the way in is no error here: the sentry gets fewer bytes and finds
 * out when it wants the rest.
 */
#include "platform/stub/stub.h"

/* Larger buffers are cheaper to fetch by the host's own means than to copy twice. */
#define MARSHAL_MAX 32768u
#define PATH_MAX    4096u

u32 marshal_call(struct stub_context *ctx, const struct host_sigcontext *mc, u64 nr)
{
	struct stub_request *rq = &ctx->request;
	const struct marshal_desc *desc;
	u32 used = 0, count = 0;
	if (nr >= MARSHAL_NR)
		return 0;
	desc = &stub_shared()->marshal[nr];
	/* Most calls have no buffers: one look at all six kinds would need a wider table, so stop
	 * early. */
	const u64 args[6] = {mc->rdi, mc->rsi, mc->rdx, mc->r10, mc->r8, mc->r9};
	for (unsigned i = 0; i < 6; i++) {
		struct marshal_arg arg = desc->arg[i];
		u64 n, got, addr = args[i];
		switch (arg.kind) {
		case MARSHAL_PATH:
			n = PATH_MAX;
			break;
		case MARSHAL_IN_LEN:
			n = args[arg.len_arg % 6];
			break;
		case MARSHAL_IN_SIZE:
		case MARSHAL_INOUT_SIZE:
			n = arg.size;
			break;
		default:
			continue;
		}
		if (n == 0 || addr == 0 || addr >= GUEST_MAX)
			continue;
		n = min_of(n, GUEST_MAX - addr);
		if (arg.kind == MARSHAL_PATH) {
			if (n > STUB_WINDOW_SIZE - used)
				continue;
			got = stub_copy_str(ctx->window + used, (void *)addr, n);
		} else {
			if (n > MARSHAL_MAX || n > STUB_WINDOW_SIZE - used)
				continue;
			got = stub_copy(ctx->window + used, (void *)addr, n);
		}
		rq->segment[count++] = (struct stub_segment){addr, (u32)got, used};
		used = (used + (u32)got + 63) & ~63u;
	}
	return count;
}

bool marshal_deliver(const struct stub_context *ctx, const struct stub_reply *reply)
{
	u32 count = min_of(reply->segments, (u32)STUB_OUT_SEGMENTS);
	for (u32 i = 0; i < count; i++) {
		struct stub_segment s = reply->segment[i];
		if (!guest_range(s.addr, s.len) || s.offset > STUB_WINDOW_SIZE ||
		    s.len > STUB_WINDOW_SIZE - s.offset)
			return false;
		if (stub_copy((void *)s.addr, ctx->window + s.offset, s.len) != s.len)
			return false;
	}
	return true;
}
