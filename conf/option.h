/*
 * Option rows: for every key of the config its type, range, default and
 * meaning, and the walker that reads a map by a table of them. The tables
 * also print themselves. Main thread only.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/opt.h"
#include "conf/errors.h"
#include "conf/yaml.h"

struct option;

/* Reads a value into the row's field; what is wrong goes to errors. */
typedef void option_reader(struct errors *e, const struct option *o,
    const struct node *value, void *field);

enum option_shape {
	OPTION_VALUE, /* a scalar, or what the reader makes of it */
	OPTION_MAP,   /* a map with the keys of `sub` */
	OPTION_LIST,  /* a list of maps with the keys of `sub` */
	OPTION_NAMED, /* a map from names to maps with the keys of `sub` */
};

/* A table ends with a row whose key is NULL. */
struct option {
	const char *key;
	option_reader *read;  /* NULL: not available in this release */
	const char *help;     /* what it means, one sentence */
	const char *type;     /* what is expected, where rows below don't say */
	const char *fallback; /* the default, as written in the file */
	const char *absent;   /* or what happens without it, in words */
	bool required;
	enum option_shape shape;
	const struct option *sub;
	const struct option *items; /* or a list of maps with these keys */
	/* the target of `sub` is not the field but something that the reader
	 * makes, with its defaults */
	bool apart;
	size_t offset, size; /* of the field in the target */
	/* with option_read_value */
	enum opt_kind kind;
	uint64_t min, max;
	/* with option_read_word; NULL-terminated, the index is stored */
	const char *const *words;
};

#define HOUR 3600000u /* of durations, which are in milliseconds */

#define OPTION_FIELD(type, member) \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

/* Into a bool, uint32_t, unsigned or uint64_t, by `size`. */
option_reader option_read_value;
/* Into a bool or an enum, by `size`. */
option_reader option_read_word;
/* Into the struct that starts at the field, by `sub`. */
option_reader option_read_map;
/* Nothing yet: a later pass reads it, once the names in it are known. */
option_reader option_read_later;

/*
 * Reads a map by a table. Unknown, unavailable and missing keys are errors;
 * a value of the wrong kind too.
 */
void option_walk(struct errors *e, const struct option *table,
    const struct node *map, void *target);

/*
 * Sets the fields to their fallbacks, through OPTION_MAP rows, too. A
 * fallback that is a list is left to the reader of the enclosing map.
 */
void option_defaults(
    struct errors *e, const struct option *table, void *target);

/*
 * The text of a scalar; NULL, and an error with what the row expects, for
 * anything else. Silent for a broken node.
 */
const char *option_text(
    struct errors *e, const struct option *o, const struct node *value);
/* Whether it is of that kind; else an error as above. */
bool option_kind(struct errors *e, const struct option *o,
    const struct node *value, enum node_kind kind);
/* "expected ..., found "..."" at the value. */
void option_refuse(
    struct errors *e, const struct option *o, const struct node *value);
/* What the row expects, in words. */
void option_describe(const struct option *o, char *buf, size_t size);

/*
 * One line per key: its path, then, each after a tab, type, default and
 * meaning. Keys that are not available are left out.
 */
void option_print(FILE *out, const struct option *table, const char *prefix);

#endif
