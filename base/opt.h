/*
 * Values as people write them, in the config file, on the command line and
 * in the API: read, checked against a range, and printed. Pure, any thread.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum opt_kind {
	OPT_BOOL,     /* true false: 1 or 0 */
	OPT_COUNT,    /* 128: a plain integer */
	OPT_DURATION, /* 500ms 10s 5m 1h 14d: milliseconds */
	OPT_SIZE,     /* 0 512 64KiB 1MiB 10GiB: bytes */
	OPT_PERCENT,  /* 50% 0.5%: in 1/OPT_DECIMALS per cent */
	OPT_WEIGHT,   /* 80 0.01: in 1/OPT_DECIMALS */
};

/* Percents and weights are written with at most four decimals. */
#define OPT_DECIMALS	10000u
#define OPT_PERCENT_MAX (100u * OPT_DECIMALS)
/* Room for any value that opt_format() prints. */
#define OPT_TEXT_MAX 32
/* Room for what opt_describe() prints. */
#define OPT_DESCRIPTION_MAX 96
/* The room opt_quote() needs. */
#define OPT_QUOTE_MAX 224

/* False when the text is not of that kind or does not fit 64 bits. */
bool opt_parse(enum opt_kind kind, struct span text, uint64_t *value);

/*
 * The same with a range, inclusive; max == UINT64_MAX means no upper end.
 * On failure why says, in one line, what was expected and what was found.
 */
bool opt_read(enum opt_kind kind, struct span text, uint64_t min, uint64_t max,
    uint64_t *value, char *why, size_t why_size);

/* For people: "a duration from 1ms to 24h". */
void opt_describe(
    enum opt_kind kind, uint64_t min, uint64_t max, char *buf, size_t size);

/* The shortest text that opt_parse() reads as the value. */
void opt_format(enum opt_kind kind, uint64_t value, char *buf, size_t size);

/*
 * The text in double quotes, fit for a message: bytes that do not print are
 * written \xNN, a long text is cut and ends in "...". size is at least
 * OPT_QUOTE_MAX.
 */
void opt_quote(struct span text, char *buf, size_t size);

#endif
