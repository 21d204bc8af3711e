/* Laying out tables. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"

#define TABLE_MAGIC 0x7ab1e001u

#define GAP 2 /* between columns */

struct table {
	unsigned magic;
	const char *const *titles;
	size_t ncolumns;
	char **cells; /* the rows' cells, without the titles */
	size_t ncells, room;
};

struct table *
table_new(const char *const *titles, size_t ncolumns)
{
	struct table *t = calloc(1, sizeof *t);

	CHECK(ncolumns > 0);
	if (t == NULL)
		return NULL;
	t->magic = TABLE_MAGIC;
	t->titles = titles;
	t->ncolumns = ncolumns;
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	CHECK_OBJ(t, TABLE_MAGIC);
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	free(t->cells);
	t->magic = 0;
	free(t);
}

void
table_cell(struct table *t, const char *fmt, ...)
{
	va_list args;
	char *text;
	int n;

	CHECK_OBJ(t, TABLE_MAGIC);
	if (t->ncells == t->room) {
		size_t room = t->room > 0 ? 2 * t->room : 64;
		char **cells = reallocarray(t->cells, room, sizeof *cells);

		if (cells == NULL)
			return;
		t->cells = cells;
		t->room = room;
	}
	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n >= 0)
		t->cells[t->ncells++] = text;
}

static bool
right_aligned(const struct table *t, size_t column)
{
	return t->titles[column][0] == '>';
}

static const char *
title(const struct table *t, size_t column)
{
	return t->titles[column] + right_aligned(t, column);
}

/* Of the terminal: one for each character of UTF-8. */
static int
columns(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static int
width(const struct table *t, size_t column)
{
	int widest = columns(title(t, column));

	for (size_t i = column; i < t->ncells; i += t->ncolumns)
		if (columns(t->cells[i]) > widest)
			widest = columns(t->cells[i]);
	return widest;
}

/* Spaces are printed only when something follows them. */
static void
print_cell(const struct table *t, size_t column, const char *text, int *pending,
    FILE *out)
{
	int space = width(t, column) - columns(text);

	if (right_aligned(t, column))
		*pending += space;
	if (*text != '\0') {
		fprintf(out, "%*s%s", *pending, "", text);
		*pending = 0;
	}
	if (!right_aligned(t, column))
		*pending += space;
	*pending += GAP;
}

void
table_print(const struct table *t, unsigned indent, FILE *out)
{
	size_t rows = t->ncells / t->ncolumns;

	CHECK_OBJ(t, TABLE_MAGIC);
	for (size_t row = 0; row <= rows; row++) {
		int pending = (int)indent;

		for (size_t i = 0; i < t->ncolumns; i++)
			print_cell(t, i,
			    row == 0 ? title(t, i)
				     : t->cells[(row - 1) * t->ncolumns + i],
			    &pending, out);
		fputc('\n', out);
	}
}
