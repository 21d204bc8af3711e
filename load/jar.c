/* Cookies that come and go. */
#include "load/jar.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US 1000000ull

static size_t
find(const struct jar *j, struct span name)
{
	size_t i = 0;

	while (
	    i < j->n &&
	    !span_eq((struct span){j->list[i].text, j->list[i].name_n}, name))
		i++;
	return i;
}

static void
drop(struct jar *j, size_t i)
{
	free(j->list[i].text);
	j->n--;
	memmove(&j->list[i], &j->list[i + 1], (j->n - i) * sizeof j->list[0]);
}

/* The name of "name=value"; n == 0 when it is none. */
static struct span
pair_name(struct span pair)
{
	struct span rest = pair, name = span_cut(&rest, '=');

	if (rest.p == NULL || pair.n > JAR_COOKIE_MAX)
		return SPAN_NONE;
	for (size_t i = 0; i < pair.n; i++)
		if ((unsigned char)pair.p[i] < ' ' || pair.p[i] == 0x7f ||
		    pair.p[i] == ';')
			return SPAN_NONE;
	return span_trim(name);
}

static bool
same_value(const struct jar_cookie *c, struct span value)
{
	return span_eq(
	    (struct span){c->text + c->name_n + 1, c->n - c->name_n - 1},
	    value);
}

static bool
store(struct jar *j, struct span name, struct span value, uint64_t until_us)
{
	size_t i = find(j, name);
	struct jar_cookie *c = &j->list[i];

	if (i == j->n) {
		if (j->n == JAR_COOKIES_MAX)
			return false;
		*c = (struct jar_cookie){NULL, 0, 0, 0};
	}
	if (c->text == NULL || !same_value(c, value)) {
		char *text = realloc(c->text, name.n + 1 + value.n);

		if (text == NULL)
			return false;
		c->text = text;
		span_put(span_put(span_put(text, name), SPAN("=")), value);
	}
	c->name_n = name.n;
	c->n = name.n + 1 + value.n;
	c->until_us = until_us;
	if (i == j->n)
		j->n++;
	return true;
}

static struct span
pair_value(struct span pair)
{
	span_cut(&pair, '=');
	return span_trim(pair);
}

bool
jar_put(struct jar *j, struct span pair)
{
	struct span name = pair_name(pair);

	return name.n > 0 && store(j, name, pair_value(pair), UINT64_MAX);
}

/* RFC 9110 5.6.7: the one form that servers write. 0: long ago. */
static bool
read_date(struct span text, uint64_t *wall_us)
{
	struct tm tm = {0};
	char date[40];
	const char *end;
	time_t t;

	if (text.n >= sizeof date)
		return false;
	span_put(date, text);
	date[text.n] = '\0';
	end = strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (end == NULL)
		end = strptime(date, "%a, %d-%b-%Y %H:%M:%S GMT", &tm);
	if (end == NULL || *end != '\0')
		return false;
	t = timegm(&tm);
	*wall_us = t > 0 ? (uint64_t)t * SECOND_US : 0;
	return true;
}

/* Max-Age goes before Expires (RFC 6265 5.3). */
static uint64_t
read_end(struct span attributes, uint64_t wall_us)
{
	uint64_t until = UINT64_MAX, seconds;
	bool aged = false;

	while (attributes.p != NULL) {
		struct span value = span_cut(&attributes, ';'), name;

		name = span_trim(span_cut(&value, '='));
		value = span_trim(value);
		if (span_eq_nocase(name, SPAN("max-age")) && value.n > 0) {
			if (value.p[0] == '-')
				until = 0;
			else if (!span_to_u64(value, &seconds))
				continue;
			else if (seconds < UINT32_MAX)
				until = seconds > 0
					    ? wall_us + seconds * SECOND_US
					    : 0;
			aged = true;
		} else if (!aged && span_eq_nocase(name, SPAN("expires"))) {
			read_date(value, &until);
		}
	}
	return until;
}

/* RFC 6265 5.3: what has expired goes first, then the oldest. */
static void
make_room(struct jar *j, uint64_t wall_us)
{
	size_t i = 0;

	while (i < j->n && j->list[i].until_us > wall_us)
		i++;
	drop(j, i < j->n ? i : 0);
}

void
jar_set(struct jar *j, struct span set_cookie, uint64_t wall_us)
{
	struct span rest = set_cookie, pair = span_trim(span_cut(&rest, ';'));
	struct span name = pair_name(pair);
	uint64_t until;
	size_t i;

	if (name.n == 0)
		return;
	until = read_end(rest, wall_us);
	if (until > wall_us) {
		if (j->n == JAR_COOKIES_MAX && find(j, name) == j->n)
			make_room(j, wall_us);
		store(j, name, pair_value(pair), until);
		return;
	}
	i = find(j, name);
	if (i < j->n)
		drop(j, i);
}

bool
jar_empty(const struct jar *j, uint64_t wall_us)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->list[i].until_us > wall_us)
			return false;
	return true;
}

void
jar_write(const struct jar *j, uint64_t wall_us, struct buffer *out)
{
	bool first = true;

	for (size_t i = 0; i < j->n; i++) {
		const struct jar_cookie *c = &j->list[i];

		if (c->until_us <= wall_us)
			continue;
		if (!first)
			buffer_add(out, SPAN("; "));
		buffer_add(out, (struct span){c->text, c->n});
		first = false;
	}
}

void
jar_free(struct jar *j)
{
	for (size_t i = 0; i < j->n; i++)
		free(j->list[i].text);
	j->n = 0;
}
