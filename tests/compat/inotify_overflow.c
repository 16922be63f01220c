/*
 * inotify(7): overflow of the queue, many watches, a blocking read woken by an event, poll, watches
 * after fork and close.
 */
#include "compat.h"
#include <poll.h>
#include <sys/inotify.h>

int main(void)
{
	static char buf[1 << 20] __attribute__((aligned(8)));
	int in, max, wd, overflow = 0, last_overflow = 0, events = 0, wds[50];
	char name[32];
	ssize_t n;
	pid_t pid;

	tmp_enter();
	max = atoi(get_file("/proc/sys/fs/inotify/max_queued_events"));
	YES(max > 0);
	in = inotify_init1(IN_NONBLOCK);
	put_file("a", "");
	put_file("b", "");
	wd = inotify_add_watch(in, ".", IN_ATTRIB);
	RES(wd);
	for (int i = 0; i < max / 2 + 10 && i < 20000; i++) {
		chmod("a", 0600);
		chmod("b", 0600);
	}
	while ((n = read(in, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n; events++) {
			struct inotify_event *e = (struct inotify_event *)p;

			last_overflow = (e->mask & IN_Q_OVERFLOW) != 0;
			overflow += last_overflow;
			if (last_overflow && (e->wd != -1 || e->len))
				printf("odd overflow event\n");
			p += sizeof(*e) + e->len;
		}
	printf("overflow %d, the last one %d, the queue was full %d\n", overflow, last_overflow,
	       events == max + 1 || max / 2 + 10 > 20000);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		mkdir(name, 0700);
		wds[i] = inotify_add_watch(in, name, IN_CREATE | IN_DELETE_SELF);
	}
	while (read(in, buf, sizeof(buf)) > 0)
		;
	int order = 0;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "d%d/x", i);
		put_file(name, "");
	}
	n = read(in, buf, sizeof(buf));
	events = 0;
	for (char *p = buf; p < buf + n; events++) {
		struct inotify_event *e = (struct inotify_event *)p;

		order += e->wd == wds[events] && !strcmp(e->name, "x");
		p += sizeof(*e) + e->len;
	}
	printf("events %d in order %d\n", events, order);
	struct pollfd pf = {in, POLLIN, 0};
	RES(poll(&pf, 1, 0));
	fcntl(in, F_SETFL, 0);
	pid = fork_child();
	if (pid == 0) {
		msleep(40);
		_exit(open("d7/y", O_CREAT | O_WRONLY, 0600) < 0);
	}
	n = read(in, buf, sizeof(buf));
	struct inotify_event *e = (struct inotify_event *)buf;
	printf("%d %s\n", n > 0 && e->wd == wds[7], e->name);
	reap("creator", pid);
	/* One instance, two processes: an event is read once. */
	fcntl(in, F_SETFL, O_NONBLOCK);
	put_file("d1/z", "");
	IN_CHILD("child", YES(read(in, buf, sizeof(buf)) > 0));
	RES(read(in, buf, sizeof(buf)));
	RES(close(in));
	RES(inotify_add_watch(in, ".", IN_CREATE));
	return 0;
}
