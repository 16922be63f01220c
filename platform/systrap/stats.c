/*
 * What `moat run --stats` says about the platform: which ways system calls took, who waited how,
 * and the host calls that this cost. Counters of the stubs are the guests' word: they decide
 * nothing.
 */
#include "platform/process_memory.h"
#include "platform/systrap/systrap.h"
#include <stdio.h>

struct systrap_stats systrap_stats;

void systrap_stats_take(const struct systrap_thread *t)
{
	const struct stub_context *c = t->ctx;
	atomic_fetch_add(&systrap_stats.direct_calls, c->direct_calls);
	atomic_fetch_add(&systrap_stats.cpuids, c->cpuids);
	atomic_fetch_add(&systrap_stats.stub_waits, c->waits);
	atomic_fetch_add(&systrap_stats.stub_sleeps, c->sleeps);
	atomic_fetch_add(&systrap_stats.stub_rings, c->rings);
}

#define N(counter) ((unsigned long long)atomic_load(&systrap_stats.counter))

static void print_calls(int fd)
{
	unsigned long long trapped = N(calls) - N(fast_calls), direct = N(direct_calls);
	unsigned long long all = N(calls) + direct;
	dprintf(fd,
	        "system calls by trap         %llu\n"
	        "  by a rewritten site        %llu\n"
	        "  answered by the stub       %llu\n"
	        "  without the sentry or trap %.1f %%\n",
	        trapped, N(fast_calls), direct,
	        all ? 100.0 * (double)(all - trapped) / (double)all : 0.0);
	dprintf(fd, "faults, interrupts           %llu, %llu\n", N(faults), N(interrupts));
	dprintf(fd, "forks, threads               %llu, %llu\n", N(forks), N(clones));
}

static void print_sites(int fd)
{
	dprintf(fd,
	        "call sites rewritten         %llu\n"
	        "  texts mapped rewritten     %llu\n"
	        "  CPUIDs answered            %llu\n"
	        "  refused: undecodable       %llu\n"
	        "  refused: immovable         %llu\n"
	        "  refused: no room           %llu\n"
	        "  refused by the host        %llu\n"
	        "  put back                   %llu\n"
	        "  threads helped over        %llu, %llu\n",
	        N(patched), N(shared), N(cpuids), N(refused[PATCH_UNKNOWN]),
	        N(refused[PATCH_IMMOVABLE]), N(refused[PATCH_NO_ROOM]), N(refused[PATCH_HOST]),
	        N(undone), N(repairs), N(fetches));
}

static void print_waits(int fd)
{
	dprintf(fd,
	        "guest threads' waits, awake  %llu\n"
	        "  asleep                     %llu\n"
	        "  woken by the sentry        %llu\n"
	        "  workers woken by them      %llu\n"
	        "requests seen by lingering   %llu\n",
	        N(stub_waits), N(stub_sleeps), N(wakes), N(stub_rings), N(lingers));
	dprintf(fd,
	        "guest memory: asked for      %llu\n"
	        "  copied by the host         %llu\n"
	        "host calls for guests' maps  %llu\n",
	        N(asks), (unsigned long long)atomic_load(&vm_copies), N(hostops));
}

void systrap_stats_print(int fd)
{
	dprintf(fd, "platform systrap\n");
	print_calls(fd);
	print_sites(fd);
	print_waits(fd);
}
