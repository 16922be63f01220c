/* rseq(2): registered by the C library, kept current, errors of a second one. */
#include "compat.h"
#include <sys/rseq.h>

int main(void)
{
	struct rseq mine __attribute__((aligned(32))) = {0};

	YES(__rseq_size > 0);
	struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	YES((int)r->cpu_id >= 0 && r->cpu_id < 4096);
	int agree = 0;
	for (int i = 0; i < 100; i++)
		agree += (int)r->cpu_id == sched_getcpu();
	YES(agree > 50);
	RES(syscall(SYS_rseq, &mine, 32, 0, 0x53053053)); /* one is registered already */
	RES(syscall(SYS_rseq, r, 32, 0, 0x12345678));
	RES(syscall(SYS_rseq, r, 32, 4, 0x53053053));
	RES(syscall(SYS_rseq, &mine, 32, 1, 0x53053053));
	return 0;
}
