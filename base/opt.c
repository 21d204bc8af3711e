/* Reading and printing durations, sizes, percents, weights and counts. */
#include "base/opt.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"

/* A text longer than this is cut when quoted. */
#define QUOTE_BYTES 48u

struct unit {
	const char *name;
	uint64_t factor;
};

/* Smallest first. */
static const struct unit durations[] = {
    {"ms", 1},
    {"s", 1000},
    {"m", 60 * 1000},
    {"h", 60 * 60 * 1000},
    {"d", 24 * 60 * 60 * 1000},
    {NULL, 0},
};

static const struct unit sizes[] = {
    {"", 1},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {NULL, 0},
};

static const struct {
	const char *what;    /* before a range */
	const char *such_as; /* when the text is not of the kind */
} words[] = {
    [OPT_BOOL] = {"true or false", "true or false"},
    [OPT_COUNT] = {"an integer", "an integer"},
    [OPT_DURATION] = {"a duration", "a duration such as 500ms, 10s, 5m or 1h"},
    [OPT_SIZE] = {"a size", "a size such as 64KiB, 1MiB or 10GiB"},
    [OPT_PERCENT] = {"a percentage", "a percentage such as 50% or 0.5%"},
    [OPT_WEIGHT] = {"a weight", "a weight of 0 or more such as 80 or 0.01"},
};

static size_t
leading_digits(struct span s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

static bool
parse_unit(const struct unit *units, struct span s, uint64_t *value)
{
	size_t n = leading_digits(s);
	struct span unit = {s.p + n, s.n - n};
	uint64_t count;

	if (!span_to_u64((struct span){s.p, n}, &count))
		return false;
	for (; units->name != NULL; units++)
		if (span_eq(unit, span_of(units->name)))
			return !__builtin_mul_overflow(
			    count, units->factor, value);
	return false;
}

/* Digits, and perhaps a point and one to four more digits. */
static bool
parse_decimal(struct span s, uint64_t *value)
{
	size_t n = leading_digits(s);
	struct span whole = {s.p, n};
	struct span rest = {s.p + n, s.n - n};
	uint64_t scale = OPT_DECIMALS, part = 0;

	if (!span_to_u64(whole, value) ||
	    __builtin_mul_overflow(*value, scale, value))
		return false;
	if (rest.n == 0)
		return true;
	if (rest.n < 2 || rest.n > 5 || rest.p[0] != '.')
		return false;
	for (size_t i = 1; i < rest.n; i++) {
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return false;
		scale /= 10;
		part += (uint64_t)(rest.p[i] - '0') * scale;
	}
	return !__builtin_add_overflow(*value, part, value);
}

static bool
parse_bool(struct span s, uint64_t *value)
{
	*value = span_eq(s, SPAN("true"));
	return *value == 1 || span_eq(s, SPAN("false"));
}

bool
opt_parse(enum opt_kind kind, struct span text, uint64_t *value)
{
	switch (kind) {
	case OPT_BOOL:
		return parse_bool(text, value);
	case OPT_COUNT:
		return span_to_u64(text, value);
	case OPT_DURATION:
		return parse_unit(durations, text, value);
	case OPT_SIZE:
		return parse_unit(sizes, text, value);
	case OPT_PERCENT:
		if (text.n == 0 || text.p[text.n - 1] != '%')
			return false;
		text.n--;
		return parse_decimal(text, value);
	case OPT_WEIGHT:
		return parse_decimal(text, value);
	}
	WRONG("kind of option");
}

static void
format_unit(const struct unit *units, uint64_t value, char *buf, size_t size)
{
	const struct unit *best = units;

	for (; units->name != NULL; units++)
		if (value >= units->factor && value % units->factor == 0)
			best = units;
	snprintf(buf, size, "%" PRIu64 "%s", value / best->factor, best->name);
}

static void
format_decimal(uint64_t value, const char *unit, char *buf, size_t size)
{
	uint64_t part = value % OPT_DECIMALS;
	int digits = 4;

	if (part == 0) {
		snprintf(
		    buf, size, "%" PRIu64 "%s", value / OPT_DECIMALS, unit);
		return;
	}
	for (; part % 10 == 0; part /= 10)
		digits--;
	snprintf(buf, size, "%" PRIu64 ".%0*" PRIu64 "%s", value / OPT_DECIMALS,
	    digits, part, unit);
}

void
opt_format(enum opt_kind kind, uint64_t value, char *buf, size_t size)
{
	switch (kind) {
	case OPT_BOOL:
		snprintf(buf, size, "%s", value != 0 ? "true" : "false");
		return;
	case OPT_COUNT:
		snprintf(buf, size, "%" PRIu64, value);
		return;
	case OPT_DURATION:
		if (value == 0)
			snprintf(buf, size, "0s");
		else
			format_unit(durations, value, buf, size);
		return;
	case OPT_SIZE:
		format_unit(sizes, value, buf, size);
		return;
	case OPT_PERCENT:
		format_decimal(value, "%", buf, size);
		return;
	case OPT_WEIGHT:
		format_decimal(value, "", buf, size);
		return;
	}
	WRONG("kind of option");
}

void
opt_quote(struct span text, char *buf, size_t size)
{
	size_t n = text.n, used;
	const char *end = "\"";

	if (n > QUOTE_BYTES) {
		/* not in the middle of a UTF-8 character */
		for (n = QUOTE_BYTES; n > 0 && (text.p[n] & 0xc0) == 0x80; n--)
			;
		end = "...\"";
	}
	CHECK(size >= OPT_QUOTE_MAX);
	used = (size_t)snprintf(buf, size, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < 0x20 || c == 0x7f)
			used += (size_t)snprintf(
			    buf + used, size - used, "\\x%02x", c);
		else
			buf[used++] = (char)c;
	}
	snprintf(buf + used, size - used, "%s", end);
}

void
opt_describe(
    enum opt_kind kind, uint64_t min, uint64_t max, char *buf, size_t size)
{
	char low[OPT_TEXT_MAX], high[OPT_TEXT_MAX];

	opt_format(kind, min, low, sizeof low);
	opt_format(kind, max, high, sizeof high);
	if (kind == OPT_BOOL)
		snprintf(buf, size, "%s", words[kind].what);
	else if (max == UINT64_MAX)
		snprintf(buf, size, "%s of at least %s", words[kind].what, low);
	else
		snprintf(
		    buf, size, "%s from %s to %s", words[kind].what, low, high);
}

bool
opt_read(enum opt_kind kind, struct span text, uint64_t min, uint64_t max,
    uint64_t *value, char *why, size_t why_size)
{
	char found[OPT_QUOTE_MAX], range[OPT_DESCRIPTION_MAX];
	bool parsed = opt_parse(kind, text, value);

	if (parsed && *value >= min && *value <= max)
		return true;
	opt_quote(text, found, sizeof found);
	opt_describe(kind, min, max, range, sizeof range);
	snprintf(why, why_size, "expected %s, found %s",
	    parsed || kind == OPT_COUNT ? range : words[kind].such_as, found);
	return false;
}
