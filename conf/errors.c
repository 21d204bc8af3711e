/* Collecting messages, sorting them by position, printing them. */
#include "conf/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

struct error {
	struct position at;
	size_t serial; /* those of one place stay in the order they came */
	char *message;
};

void
errors_init(struct errors *e, const char *file)
{
	memset(e, 0, sizeof *e);
	e->file = file;
}

void
errors_free(struct errors *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->items[i].message);
	free(e->items);
	errors_init(e, e->file);
}

void
errors_no_memory(struct errors *e)
{
	e->no_memory = true;
}

bool
errors_any(const struct errors *e)
{
	return e->n > 0 || e->no_memory;
}

static bool
errors_grow(struct errors *e)
{
	size_t room = e->room == 0 ? 16 : e->room * 2;
	struct error *items;

	if (e->n < e->room)
		return true;
	items = reallocarray(e->items, room, sizeof *items);
	if (items == NULL)
		return false;
	e->items = items;
	e->room = room;
	return true;
}

void
errors_add(struct errors *e, struct position at, const char *fmt, ...)
{
	va_list ap;
	char *message;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&message, fmt, ap);
	va_end(ap);
	if (n < 0) {
		errors_no_memory(e);
		return;
	}
	if (!errors_grow(e)) {
		free(message);
		errors_no_memory(e);
		return;
	}
	e->items[e->n] = (struct error){at, e->n, message};
	e->n++;
}

static int
error_order(const void *va, const void *vb)
{
	const struct error *a = va, *b = vb;

	if (a->at.line != b->at.line)
		return a->at.line < b->at.line ? -1 : 1;
	if (a->at.column != b->at.column)
		return a->at.column < b->at.column ? -1 : 1;
	return a->serial < b->serial ? -1 : 1;
}

static bool
print_line(struct conf_errors *lines, const char *name, struct position at,
    const char *message)
{
	char *line;

	if (asprintf(&line, "%s:%u:%u: %s", name, at.line, at.column, message) <
	    0)
		return false;
	lines->lines[lines->n++] = line;
	return true;
}

void
errors_print(struct errors *e, struct conf_errors *lines)
{
	lines->n = 0;
	lines->lines = calloc(e->n + 1, sizeof *lines->lines);
	if (lines->lines == NULL)
		return;
	if (e->n > 0)
		qsort(e->items, e->n, sizeof *e->items, error_order);
	for (size_t i = 0; i < e->n; i++)
		if (!print_line(
			lines, e->file, e->items[i].at, e->items[i].message))
			e->no_memory = true;
	if (e->no_memory)
		print_line(lines, e->file, (struct position){1, 1},
		    "out of memory while reading this file");
}

void
conf_errors_free(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		free(errors->lines[i]);
	free(errors->lines);
	*errors = (struct conf_errors){NULL, 0};
}
