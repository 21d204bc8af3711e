/*
 * Tables for people: columns as wide as their widest cell, numbers to the
 * right. Any thread.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

struct table;

/*
 * One column per title; a title that starts with '>' (not printed) has its
 * column aligned to the right. NULL without memory.
 */
struct table *table_new(const char *const *titles, size_t ncolumns);
void table_free(struct table *t);

/* The next cell, row by row; without memory the table stays as it is. */
void table_cell(struct table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Each line indented by so many spaces, no space at its end. */
void table_print(const struct table *t, unsigned indent, FILE *out);

#endif
