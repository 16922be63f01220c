/*
 * A host's signal frame with an XSAVE area, as the stub finds it when it has trapped; for tests
 * that compile platform/stub/frame.c in.
 */
#pragma once
#include "tests/unit/platform/stub_double.h"

#define EXTENDED 1024u
#define FEATURES 7ULL

static struct host_frame frame;
/* The host's own area: legacy part, header, one more component, magic. */
static _Alignas(64) union {
	struct host_xstate x;
	u8 bytes[EXTENDED];
} fpu;

/* Both afresh. */
static void frame_double_reset(void)
{
	const u32 magic2 = HOST_FP_MAGIC2;

	memset(&frame, 0, sizeof(frame));
	memset(&fpu, 0, sizeof(fpu));
	fpu.x.magic1 = HOST_FP_MAGIC1;
	fpu.x.extended_size = EXTENDED;
	fpu.x.xstate_size = EXTENDED - 4;
	fpu.x.xfeatures = FEATURES;
	fpu.x.header_xfeatures = FEATURES;
	fpu.x.mxcsr = 0x1fa0;
	fpu.x.mxcsr_mask = 0xffff;
	memcpy(fpu.bytes + EXTENDED - 4, &magic2, 4);
	frame.uc.mc.fpstate = (u64)&fpu;
	frame.uc.mc.cs = 0x33;
	frame.uc.mc.eflags = 0x246;
}
