/* Reading --version-from and --ok-when, and answers by them. */
#include "load/judge.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/opt.h"
#include "load/load.h"

#define TEXT_MAX 256u

/* Cuts "header:" or "json:" off; false when it is neither. */
static bool
read_place(struct span *text, bool *json)
{
	struct span rest = *text, kind = span_cut(&rest, ':');

	*json = span_eq(kind, SPAN("json"));
	if (rest.p == NULL || rest.n == 0 ||
	    (!*json && !span_eq(kind, SPAN("header"))))
		return false;
	*text = rest;
	return true;
}

/* "200", "200-299"; several with commas. */
static bool
read_statuses(struct judge *j, struct span list)
{
	while (list.p != NULL) {
		struct span last = span_cut(&list, ','), first;
		uint64_t from, to;

		first = span_cut(&last, '-');
		if (!span_to_u64(first, &from) || from < BOARD_STATUS_MIN ||
		    from > BOARD_STATUS_MAX)
			return false;
		to = from;
		if (last.p != NULL && !span_to_u64(last, &to))
			return false;
		if (to < from || to > BOARD_STATUS_MAX)
			return false;
		while (from <= to)
			j->good_status[from++] = true;
	}
	j->status_given = true;
	return true;
}

static bool
read_condition(struct judge *j, struct span text)
{
	struct judge_condition *c = &j->conditions[j->nconditions];
	struct span statuses = text;

	if (span_eq(span_cut(&statuses, '='), SPAN("status")))
		return statuses.p != NULL && read_statuses(j, statuses);
	if (j->nconditions == JUDGE_CONDITIONS_MAX ||
	    !read_place(&text, &c->json))
		return false;
	c->value = text;
	c->key = span_cut(&c->value, '=');
	if (c->value.p == NULL || c->key.n == 0)
		return false;
	j->wants_body |= c->json;
	j->nconditions++;
	return true;
}

static bool
wrong(const char *expected, const char *found, char *why, size_t why_size)
{
	char quoted[OPT_QUOTE_MAX];

	opt_quote(span_of(found), quoted, sizeof quoted);
	snprintf(why, why_size, "%s, found %s", expected, quoted);
	return false;
}

bool
judge_read(struct judge *j, const char *version_from,
    const struct load_words *ok_when, char *why, size_t why_size)
{
	const char *from = version_from != NULL ? version_from : JUDGE_VERSION;

	memset(j, 0, sizeof *j);
	j->version = span_of(from);
	if (strcmp(from, "none") != 0) {
		if (!read_place(&j->version, &j->version_json))
			return wrong("--version-from: expected header:NAME, "
				     "json:FIELD or none",
			    from, why, why_size);
		j->version_header = !j->version_json;
	}
	j->wants_body = j->version_json;
	for (size_t i = 0; i < ok_when->n; i++)
		if (!read_condition(j, span_of(ok_when->list[i])))
			return wrong(
			    "--ok-when: expected status=200-299, "
			    "json:FIELD=VALUE or header:NAME=VALUE, at most "
			    "16",
			    ok_when->list[i], why, why_size);
	for (int status = 200; status < 400 && !j->status_given; status++)
		j->good_status[status] = true;
	return true;
}

void
judge_begin(struct answer *a)
{
	a->status = 0;
	a->version = BOARD_NO_VERSION;
	a->met = 0;
	a->body.n = 0;
}

void
judge_field(const struct judge *j, struct board *b, struct answer *a,
    struct span name, struct span value)
{
	if (j->version_header && name.n == j->version.n &&
	    span_eq_nocase(name, j->version))
		a->version = board_version(b, value);
	for (size_t i = 0; i < j->nconditions; i++) {
		const struct judge_condition *c = &j->conditions[i];

		if (!c->json && span_eq_nocase(name, c->key) &&
		    span_eq(value, c->value))
			a->met |= 1u << i;
	}
}

void
judge_body(const struct judge *j, struct answer *a, struct span piece)
{
	if (!j->wants_body || a->body.n > JUDGE_BODY_MAX)
		return;
	if (piece.n > JUDGE_BODY_MAX + 1 - a->body.n)
		piece.n = JUDGE_BODY_MAX + 1 - a->body.n;
	buffer_add(&a->body, piece);
}

/* The value at "a.b.0", numbers being places in arrays; NULL without. */
static const json_t *
find(const json_t *at, struct span path)
{
	while (at != NULL && path.p != NULL) {
		struct span step = span_cut(&path, '.');
		char key[TEXT_MAX];
		uint64_t place;

		if (step.n >= sizeof key)
			return NULL;
		if (json_is_array(at)) {
			at = span_to_u64(step, &place)
				 ? json_array_get(at, place)
				 : NULL;
			continue;
		}
		*span_put(key, step) = '\0';
		at = json_object_get(at, key);
	}
	return at;
}

/* A plain value as text; false for others. `buf` has TEXT_MAX bytes. */
static bool
as_text(const json_t *value, char *buf, struct span *text)
{
	switch (value != NULL ? json_typeof(value) : JSON_OBJECT) {
	case JSON_STRING:
		*text = (struct span){
		    json_string_value(value), json_string_length(value)};
		return true;
	case JSON_INTEGER:
		snprintf(buf, TEXT_MAX, "%lld",
		    (long long)json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(buf, TEXT_MAX, "%.15g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		snprintf(buf, TEXT_MAX, "%s",
		    json_is_true(value) ? "true" : "false");
		break;
	case JSON_NULL:
		snprintf(buf, TEXT_MAX, "null");
		break;
	default:
		return false;
	}
	*text = span_of(buf);
	return true;
}

static void
read_json(const struct judge *j, struct board *b, const struct buffer *body,
    struct judge_known *found)
{
	char buf[TEXT_MAX];
	struct span text;
	json_t *root = json_loadb(
	    body->p, body->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	found->version = BOARD_NO_VERSION;
	found->met = 0;
	if (root == NULL)
		return;
	if (j->version_json && as_text(find(root, j->version), buf, &text))
		found->version = board_version(b, text);
	for (size_t i = 0; i < j->nconditions; i++) {
		const struct judge_condition *c = &j->conditions[i];

		if (c->json && as_text(find(root, c->key), buf, &text) &&
		    span_eq(text, c->value))
			found->met |= 1u << i;
	}
	json_decref(root);
}

/* What the body says, read anew only where it is not one of the latest. */
static const struct judge_known *
look_up(const struct judge *j, struct board *b, struct judge_memory *m,
    const struct buffer *body)
{
	struct judge_known *k;

	for (unsigned i = 0; i < JUDGE_KNOWN; i++) {
		k = &m->list[i];
		if (k->n == body->n && memcmp(k->body, body->p, k->n) == 0)
			return k;
	}
	k = &m->list[m->next++ % JUDGE_KNOWN];
	read_json(j, b, body, k);
	k->n = body->n <= JUDGE_KNOWN_MAX ? body->n : 0;
	memcpy(k->body, body->p, k->n);
	return k;
}

enum failure
judge_end(const struct judge *j, struct board *b, struct judge_memory *m,
    struct answer *a)
{
	if (j->wants_body && a->body.n > 0 && a->body.n <= JUDGE_BODY_MAX) {
		const struct judge_known *known = look_up(j, b, m, &a->body);

		a->met |= known->met;
		if (j->version_json)
			a->version = known->version;
	}
	if (a->status < BOARD_STATUS_MIN || a->status > BOARD_STATUS_MAX ||
	    !j->good_status[a->status])
		return FAILURE_STATUS;
	if (a->met != (1u << j->nconditions) - 1)
		return FAILURE_BODY;
	return FAILURE_NONE;
}
