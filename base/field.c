/* Knowing header fields by name, and reading cookies. */
#include "base/field.h"

static const struct {
	struct span name;
	enum field_id id;
} names[] = {
#define X(id, name) {{name, sizeof(name) - 1}, FIELD_##id},
    FIELDS(X)
#undef X
};

#define LONGEST	 25u
#define PER_SIZE 5u

/* Candidates by length; filled by the compiler would need C23, so by hand. */
static const unsigned char by_length[LONGEST + 1][PER_SIZE] = {
    /* index into names + 1; 0 ends the row */
    [2] = {FIELD_TE},
    [3] = {FIELD_VIA},
    [4] = {FIELD_DATE, FIELD_HOST},
    [6] = {FIELD_COOKIE, FIELD_EXPECT},
    [7] = {FIELD_TRAILER, FIELD_UPGRADE},
    [9] = {FIELD_FORWARDED},
    [10] = {FIELD_CONNECTION, FIELD_KEEP_ALIVE, FIELD_USER_AGENT},
    [12] = {FIELD_MAX_FORWARDS},
    [14] = {FIELD_CONTENT_LENGTH, FIELD_X_SHUNT_MIRROR},
    [15] = {FIELD_X_FORWARDED_FOR},
    [16] = {FIELD_PROXY_CONNECTION, FIELD_X_FORWARDED_HOST,
	FIELD_X_CLIENT_SUBJECT},
    [17] = {FIELD_TRANSFER_ENCODING, FIELD_X_FORWARDED_PROTO},
    [25] = {FIELD_STRICT_TRANSPORT},
};

static bool
is_ours(unsigned id)
{
	return id == FIELD_X_CLIENT_SUBJECT || id == FIELD_X_SHUNT_MIRROR;
}

/* In any case, with any '-' written as '_'. */
static bool
is_spelling(struct span name, struct span ours)
{
	char dashed[LONGEST];

	if (name.n != ours.n)
		return false;
	for (size_t i = 0; i < name.n; i++)
		dashed[i] = (char)(name.p[i] == '_' ? '-' : name.p[i]);
	return span_eq_nocase((struct span){dashed, name.n}, ours);
}

static bool
is_named(struct span name, unsigned id)
{
	if ((name.p[0] | 0x20) != names[id - 1].name.p[0])
		return false;
	return is_ours(id) ? is_spelling(name, names[id - 1].name)
			   : span_eq_nocase(name, names[id - 1].name);
}

enum field_id
field_lookup(struct span name)
{
	if (name.n > LONGEST)
		return FIELD_OTHER;
	for (unsigned i = 0; i < PER_SIZE; i++) {
		unsigned id = by_length[name.n][i];

		if (id == FIELD_OTHER)
			return FIELD_OTHER;
		if (is_named(name, id))
			return names[id - 1].id;
	}
	return FIELD_OTHER;
}

bool
field_cookie(struct span cookies, struct span name, struct span *value)
{
	while (cookies.p != NULL) {
		struct span pair = span_trim(span_cut(&cookies, ';'));
		struct span rest = pair;
		struct span key = span_cut(&rest, '=');

		if (rest.p != NULL && span_eq(key, name)) {
			*value = rest;
			if (value->n >= 2 && value->p[0] == '"' &&
			    value->p[value->n - 1] == '"') {
				value->p++;
				value->n -= 2;
			}
			return true;
		}
	}
	return false;
}
