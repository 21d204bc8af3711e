/* A table of names that pods are resolved from. Any thread. */
#ifndef CLI_NAME_TABLE_H
#define CLI_NAME_TABLE_H

#include <stddef.h>

struct name_view;
struct table;

/* NULL without memory. */
struct table *name_table_new(void);
void name_table_add(
    struct table *t, const char *version, const struct name_view *v);

#endif
