/* Growing text for generated files. */
#include "fs/pseudo/pseudo.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No generated file is longer: what a guest can make grow stays bounded. */
#define TEXT_MAX (64UL << 20)

static bool text_room(struct text *t, size_t n)
{
	size_t cap = t->cap ? t->cap : 1024;
	char *s;

	if (t->failed)
		return false;
	while (cap - t->len < n)
		cap *= 2;
	if (cap == t->cap)
		return true;
	s = cap <= TEXT_MAX ? realloc(t->s, cap) : NULL;
	if (!s) {
		t->failed = true;
		return false;
	}
	t->s = s;
	t->cap = cap;
	return true;
}

void text_add_bytes(struct text *t, const void *p, size_t n)
{
	if (!text_room(t, n + 1))
		return;
	memcpy(t->s + t->len, p, n);
	t->len += n;
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && text_room(t, (size_t)n + 1)) {
		vsnprintf(t->s + t->len, (size_t)n + 1, fmt, again);
		t->len += (size_t)n;
	}
	va_end(again);
}

void text_add_mangled(struct text *t, const char *s)
{
	for (; *s; s++) {
		if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\\')
			text_add(t, "\\%03o", (unsigned char)*s);
		else
			text_add_bytes(t, s, 1);
	}
}
