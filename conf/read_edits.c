/* The option table and readers of edits of header fields. */
#include <ctype.h>
#include <string.h>

#include "conf/tables.h"
#include "router/route.h"

static option_reader read_values, read_removals;

const struct option edit_options[] = {
    {
	.key = "set",
	.read = read_values,
	.type = "a map from header names to values",
	.absent = "nothing",
	.help = "Headers that stand for all of the same name.",
    },
    {
	.key = "add",
	.read = read_values,
	.type = "a map from header names to values",
	.absent = "nothing",
	.help = "Headers that are added to those of the same name.",
    },
    {
	.key = "remove",
	.read = read_removals,
	.type = "a list of header names",
	.absent = "nothing",
	.help = "Headers that go.",
    },
    {.key = NULL},
};

bool
read_token(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) &&
		    strchr("!#$%&'*+-.^_`|~", *s) == NULL)
			return false;
	return true;
}

/*
 * Fields that frame a message or concern one hop (RFC 9110 7.6.1) are the
 * proxy's, and Host is the route's to rewrite.
 */
static bool
is_ours(struct span name)
{
	switch (field_lookup(name)) {
	case FIELD_CONNECTION:
	case FIELD_CONTENT_LENGTH:
	case FIELD_HOST:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
	case FIELD_TE:
	case FIELD_TRAILER:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_UPGRADE:
		return true;
	default:
		return false;
	}
}

/* A field value (RFC 9110 5.5), with nothing around it. */
static bool
valid_value(const char *s)
{
	struct span all = span_of(s);

	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' ? *p != '\t' : *p == 0x7f)
			return false;
	return span_trim(all).n == all.n;
}

static void
add_edit(struct errors *e, const struct option *o, const struct node *at,
    enum edit_kind kind, const char *name, const char *value,
    struct edits *edits)
{
	const char *see = strcmp(o->key, "headers") == 0 ? ", see health.host"
							 : ", see rewrite.host";
	char found[OPT_QUOTE_MAX];

	opt_quote(span_of(name), found, sizeof found);
	if (!read_token(name))
		errors_add(e, at->at, "expected the name of a header, found %s",
		    found);
	else if (is_ours(span_of(name)))
		errors_add(e, at->at, "header %s is the proxy's own to write%s",
		    found,
		    field_lookup(span_of(name)) == FIELD_HOST ? see : "");
	else if (edits_name(edits, span_of(name)))
		errors_add(e, at->at, "header %s is named twice", found);
	else if (edits_add(edits, kind, span_of(name), span_of(value)) != 0)
		errors_no_memory(e);
}

static void
read_values(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct option item = {
	    .type = "the value of a header, without control characters and "
		    "white space around it",
	};
	enum edit_kind kind = strcmp(o->key, "set") == 0 ? EDIT_SET : EDIT_ADD;

	if (!option_kind(e, o, value, NODE_MAP))
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		const char *text = option_text(e, &item, m);

		if (text == NULL)
			continue;
		if (!valid_value(text))
			option_refuse(e, &item, m);
		else
			add_edit(e, o, m->key, kind, m->key->text, text, field);
	}
}

static void
read_removals(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const struct option item = {.type = "the name of a header"};

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		const char *text = option_text(e, &item, m);

		if (text != NULL)
			add_edit(e, o, m, EDIT_REMOVE, text, "", field);
	}
}

static void
check_size(
    struct errors *e, const struct node *value, const struct edits *edits)
{
	if (edits->n > EDITS_MAX)
		errors_add(e, value->at,
		    "expected at most %u headers, found %zu", EDITS_MAX,
		    edits->n);
	if (edits->bytes > EDITS_BYTES_MAX)
		errors_add(e, value->at,
		    "expected at most %u bytes of headers, found %zu",
		    EDITS_BYTES_MAX, edits->bytes);
}

void
read_edits(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	if (!option_kind(e, o, value, NODE_MAP))
		return;
	if (value->n == 0)
		errors_add(e, value->at, "expected one of set, add and remove");
	option_walk(e, o->sub, value, field);
	check_size(e, value, field);
}

void
read_fields(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	read_values(e, o, value, field);
	check_size(e, value, field);
}
