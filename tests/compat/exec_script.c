/*
 * '#!' scripts: the interpreter's one argument, nesting, arguments, the limit of nesting, spaces.
 * execve(2).
 */
#include "compat.h"

static char self[512];

static void script(const char *name, const char *first)
{
	char text[1200];

	snprintf(text, sizeof(text), "#!%s\nrest of the file\n", first);
	put_file(name, text);
	chmod(name, 0755);
}

static void run(const char *path)
{
	pid_t pid;

	printf("-- %s\n", path);
	pid = fork_child();
	if (pid == 0) {
		execve(path, (char *[]){"zero", "one", "two words", NULL}, (char *[]){NULL});
		printf("exec failed: %s\n", err_name(errno));
		_exit(99);
	}
	reap(path, pid);
}

int main(int argc, char **argv)
{
	char line[1100], name[32];
	ssize_t n;

	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			printf("argv[%d] = %s\n", i, argv[i]);
		return argc;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = 0;
	tmp_enter();

	script("plain", self);
	run("./plain");
	snprintf(line, sizeof(line), "%s one argument only", self);
	script("arg", line);
	run("./arg");
	snprintf(line, sizeof(line), "  \t%s \t-x  ", self);
	script("spaces", line);
	run("./spaces");
	script("nested", "./arg inner");
	run("./nested");
	script("self", "./self");
	run("./self");
	/* Five levels of scripts are too many. */
	script("n0", self);
	for (int i = 1; i <= 5; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(line, sizeof(line), "./n%d", i - 1);
		script(name, line);
	}
	run("./n3");
	run("./n4");
	run("./n5");
	/* No newline at the end of the file; no such interpreter; a first line that is too long. */
	put_file("noeol", "#!/bin/cat");
	chmod("noeol", 0755);
	run("./noeol");
	memset(line, 'a', 300);
	strcpy(line + 300, "");
	script("long", line);
	run("./long");
	return 0;
}
