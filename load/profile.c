/* Reading client profiles from the command line. */
#include "load/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "load/load.h"
#include "router/split.h"

#define TOKEN                       \
	"!#$%&'*+-.^_`|~0123456789" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Where an error is told. */
struct reader {
	struct profiles *all;
	char *why;
	size_t why_size;
};

typedef bool read_one(struct reader *r, struct profile *p, struct span text);

static bool
wrong(struct reader *r, const char *expected, struct span found)
{
	char quoted[OPT_QUOTE_MAX];

	opt_quote(found, quoted, sizeof quoted);
	snprintf(
	    r->why, r->why_size, "expected %s, found %s", expected, quoted);
	return false;
}

static bool
is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || strchr(TOKEN, s.p[i]) == NULL)
			return false;
	return s.n > 0;
}

/* What may stand in a field's value (RFC 9110 5.5). */
static bool
is_value(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') ||
		    s.p[i] == 0x7f)
			return false;
	return true;
}

/* A character behind *s of UTF-8 (RFC 3629); 0 when it is none. */
static uint32_t
take_character(struct span *s)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)*s->p;
	size_t more = first < 0x80   ? 0
		      : first < 0xe0 ? 1
		      : first < 0xf0 ? 2
				     : 3;
	uint32_t code = more == 0 ? first : first & (0x3fu >> more);

	if ((more > 0 && first < 0xc0) || first >= 0xf8 || s->n <= more)
		return 0;
	for (size_t i = 1; i <= more; i++) {
		if (((unsigned char)s->p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)s->p[i] & 0x3f);
	}
	s->p += more + 1;
	s->n -= more + 1;
	if (code < least[more] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	return code;
}

/* It becomes a row of tables and a label of metrics. */
static bool
is_name(struct span s)
{
	if (s.n == 0 || s.n > BOARD_NAME_MAX)
		return false;
	while (s.n > 0) {
		uint32_t code = take_character(&s);

		if (code < ' ' || (code >= 0x7f && code < 0xa0))
			return false;
	}
	return true;
}

/* "NAME=SHARE" or "NAME"; *share is UINT64_MAX without. */
static bool
add_profile(struct reader *r, const char *text, bool agent, uint64_t *share)
{
	const char *sign = strrchr(text, '=');
	struct profile *p = &r->all->list[r->all->n];
	struct span name = span_of(text);

	if (r->all->n == BOARD_PROFILES)
		return wrong(r, "at most 64 profiles", name);
	*share = UINT64_MAX;
	if (sign != NULL) {
		name.n = (size_t)(sign - text);
		if (!opt_parse(OPT_PERCENT, span_of(sign + 1), share) ||
		    *share == 0 || *share > OPT_PERCENT_MAX)
			return wrong(
			    r, "NAME=SHARE with a share as 50%", span_of(text));
	}
	if (!is_name(name))
		return wrong(r,
		    "a profile's name of 1 to 64 bytes, UTF-8 that prints",
		    name);
	for (size_t i = 0; i < r->all->n; i++)
		if (span_eq(span_of(r->all->list[i].name), name))
			return wrong(r, "each profile once", name);
	p->name = strndup(name.p, name.n);
	p->agent = agent ? name : SPAN(PROFILE_AGENT);
	p->method = SPAN_NONE;
	r->all->n++;
	return p->name != NULL;
}

/*
 * The shares, as weights of a split; those that are not given divide what is
 * left. All are multiplied by how many these are, so that no division is due.
 */
static bool
settle_shares(struct reader *r, uint64_t shares[BOARD_PROFILES])
{
	struct profiles *all = r->all;
	uint64_t sum = 0, open = 0, scale;
	char text[OPT_TEXT_MAX];

	for (size_t i = 0; i < all->n; i++) {
		if (shares[i] == UINT64_MAX)
			open++;
		else
			sum += shares[i];
	}
	if (open > 0 ? sum >= OPT_PERCENT_MAX : sum != OPT_PERCENT_MAX) {
		opt_format(OPT_PERCENT, sum, text, sizeof text);
		snprintf(r->why, r->why_size,
		    "the shares of the profiles are %s together, expected %s",
		    text,
		    open > 0 ? "less than 100%, as some have none" : "100%");
		return false;
	}
	scale = open > 0 ? open : 1;
	for (size_t i = 0; i < all->n; i++) {
		shares[i] = shares[i] == UINT64_MAX ? OPT_PERCENT_MAX - sum
						    : shares[i] * scale;
		all->list[i].share =
		    (double)shares[i] / (double)(OPT_PERCENT_MAX * scale);
	}
	all->split = split_new(shares, all->n, r->why, r->why_size);
	return all->split != NULL;
}

static bool
read_names(struct reader *r, const struct load_options *o)
{
	uint64_t shares[BOARD_PROFILES];

	for (size_t i = 0; i < o->agents.n; i++)
		if (!add_profile(
			r, o->agents.list[i], true, &shares[r->all->n]))
			return false;
	for (size_t i = 0; i < o->profiles.n; i++)
		if (!add_profile(
			r, o->profiles.list[i], false, &shares[r->all->n]))
			return false;
	if (r->all->n == 0 &&
	    !add_profile(r, PROFILE_DEFAULT, false, &shares[0]))
		return false;
	return settle_shares(r, shares);
}

/* The profile that "[NAME] rest" is for, *text being the rest; else NULL. */
static struct profile *
addressed(struct profiles *all, struct span *text)
{
	for (size_t i = 0; i < all->n; i++) {
		struct span name = span_of(all->list[i].name);

		if (text->n < name.n + 3 || text->p[0] != '[' ||
		    memcmp(text->p + 1, name.p, name.n) != 0 ||
		    memcmp(text->p + 1 + name.n, "] ", 2) != 0)
			continue;
		text->p += name.n + 3;
		text->n -= name.n + 3;
		return &all->list[i];
	}
	return NULL;
}

/* What is for one profile goes before what is for all of them. */
static bool
read_list(struct reader *r, const struct load_words *words, const char *option,
    read_one *read)
{
	char why[512];

	for (int general = 0; general <= 1; general++)
		for (size_t i = 0; i < words->n; i++) {
			struct span text = span_of(words->list[i]);
			struct profile *p = addressed(r->all, &text);
			bool good = true;

			if (general == (p != NULL))
				continue;
			if (p != NULL)
				good = read(r, p, text);
			else
				for (size_t j = 0; j < r->all->n && good; j++)
					good = read(r, &r->all->list[j], text);
			if (good)
				continue;
			snprintf(why, sizeof why, "%s", r->why);
			snprintf(r->why, r->why_size, "%s: %s", option, why);
			return false;
		}
	return true;
}

const struct span *
profile_field(const struct profile *p, struct span name)
{
	for (size_t i = 0; i < p->nfields; i++)
		if (span_eq_nocase(p->fields[i].name, name))
			return &p->fields[i].value;
	return NULL;
}

static bool
read_header(struct reader *r, struct profile *p, struct span text)
{
	static const struct span ours[] = {
	    SPAN("content-length"), SPAN("transfer-encoding"), SPAN("cookie")};
	struct span value = text, name = span_cut(&value, ':');

	if (value.p == NULL || !is_token(name) || !is_value(value))
		return wrong(r,
		    "NAME: VALUE, or [PROFILE] NAME: VALUE with a profile's "
		    "name",
		    text);
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (span_eq_nocase(name, ours[i]))
			return wrong(r,
			    "a field that is not written by other means "
			    "(--body, --cookie)",
			    name);
	if (profile_field(p, name) != NULL)
		return true;
	if (p->nfields == PROFILE_FIELDS_MAX)
		return wrong(r, "at most 64 headers", text);
	p->fields[p->nfields++] =
	    (struct profile_field){name, span_trim(value)};
	return true;
}

static bool
read_cookie(struct reader *r, struct profile *p, struct span text)
{
	struct span rest = text, name = span_cut(&rest, '=');

	if (rest.p == NULL || name.n == 0 || !is_value(text) ||
	    memchr(text.p, ';', text.n) != NULL)
		return wrong(r, "NAME=VALUE, or [PROFILE] NAME=VALUE", text);
	if (p->ncookies == PROFILE_FIELDS_MAX)
		return wrong(r, "at most 64 cookies", text);
	p->cookies[p->ncookies++] = text;
	return true;
}

static bool
read_method(struct reader *r, struct profile *p, struct span text)
{
	if (!is_token(text) || span_eq(text, SPAN("CONNECT")))
		return wrong(r, "a method as GET or [PROFILE] POST", text);
	if (p->method.n == 0)
		p->method = text;
	return true;
}

static bool
read_file(struct reader *r, struct profile *p, const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t n = 0;

	p->file = malloc(PROFILE_BODY_MAX + 1);
	if (f != NULL && p->file != NULL)
		n = fread(p->file, 1, PROFILE_BODY_MAX + 1, f);
	if (f == NULL || p->file == NULL || ferror(f) || n > PROFILE_BODY_MAX) {
		snprintf(r->why, r->why_size, "cannot read %s: %s", path,
		    n > PROFILE_BODY_MAX ? "above 64 MiB" : strerror(errno));
		if (f != NULL)
			fclose(f);
		return false;
	}
	fclose(f);
	p->body = (struct span){p->file, n};
	return true;
}

static bool
read_body(struct reader *r, struct profile *p, struct span text)
{
	if (p->has_body)
		return true;
	p->has_body = true;
	if (text.n > 0 && text.p[0] == '@')
		return read_file(r, p, text.p + 1);
	p->body = text;
	return true;
}

bool
profiles_read(struct profiles *p, const struct load_options *o, char *why,
    size_t why_size)
{
	struct reader r = {p, why, why_size};

	memset(p, 0, sizeof *p);
	if (!read_names(&r, o) ||
	    !read_list(&r, &o->headers, "--header", read_header) ||
	    !read_list(&r, &o->cookies, "--cookie", read_cookie) ||
	    !read_list(&r, &o->methods, "--method", read_method) ||
	    !read_list(&r, &o->bodies, "--body", read_body))
		return false;
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].method.n == 0)
			p->list[i].method =
			    p->list[i].has_body ? SPAN("POST") : SPAN("GET");
	return true;
}

void
profiles_free(struct profiles *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->list[i].name);
		free(p->list[i].file);
	}
	split_drop(p->split);
	p->n = 0;
	p->split = NULL;
}
