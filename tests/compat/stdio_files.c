/*
 * The C library's stdio over files: modes, seeking, buffering, append and read, ungetc, temporary
 * files, freopen, big lines, two streams on one pipe. fopen(3).
 */
#include "compat.h"
#include <sys/uio.h>

int main(void)
{
	char line[256], *big = NULL;
	size_t cap = 0;
	FILE *f, *g;
	int p[2], n = 0;

	tmp_enter();
	YES((f = fopen("f", "wx")) != NULL);
	YES(fopen("f", "wx") == NULL && errno == EEXIST);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "line %04d\n", i);
	NUM(ftell(f));
	RES(fclose(f));
	f = fopen("f", "r+");
	RES(fseek(f, 10 * 500, SEEK_SET));
	STR(fgets(line, sizeof(line), f));
	RES(fseek(f, -10, SEEK_END));
	STR(fgets(line, sizeof(line), f));
	YES(fgets(line, sizeof(line), f) == NULL && feof(f));
	rewind(f);
	fputs("LINE", f);
	fflush(f);
	rewind(f);
	STR(fgets(line, sizeof(line), f));
	int c = fgetc(f);
	ungetc('X', f);
	printf("%c %c\n", c, fgetc(f));
	RES(fclose(f));
	f = fopen("f", "a+");
	rewind(f);
	STR(fgets(line, sizeof(line), f));
	fputs("appended\n", f);
	NUM(ftell(f));
	RES(fclose(f));
	f = fopen("f", "r");
	while (fgets(line, sizeof(line), f))
		n++;
	NUM(n);
	RES(fclose(f));
	YES(fopen("f", "zz") == NULL && errno == EINVAL);
	f = fopen("f", "re");
	RES(fcntl(fileno(f), F_GETFD));
	g = freopen("other", "w", f);
	fputs("to the other\n", g);
	RES(fclose(g));
	STR(get_file("other"));
	f = tmpfile();
	fputs("temporary", f);
	rewind(f);
	STR(fgets(line, sizeof(line), f));
	RES(fclose(f));
	f = fopen("big", "w");
	for (int i = 0; i < 100000; i++)
		fputc('b', f);
	fputc('\n', f);
	fclose(f);
	f = fopen("big", "r");
	NUM(getline(&big, &cap, f));
	fclose(f);
	RES(pipe(p));
	f = fdopen(p[1], "w");
	g = fdopen(p[0], "r");
	fprintf(f, "%d %s %x\n", 42, "words", 255);
	fflush(f);
	int a, x;
	char w[16];
	NUM(fscanf(g, "%d %15s %x", &a, w, (unsigned int *)&x));
	printf("%d %s %d\n", a, w, x);
	fclose(f);
	NUM(fgetc(g));
	NUM(fgetc(g));
	f = fopen("/dev/full", "w");
	fputs("lost", f);
	RES(fflush(f));
	RES(fclose(f) == 0 || errno == ENOSPC);
	return 0;
}
