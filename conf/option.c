/* Walking option tables: reading maps by them, defaults, printing. */
#include "conf/option.h"

#include <string.h>

#include "base/check.h"
#include "conf/suggest.h"

#define KEYS_MAX       32u
#define LIST_MAX       256u
#define PATH_MAX_BYTES 256u

static size_t
table_keys(const struct option *table, const char **keys)
{
	size_t n = 0;

	for (; table->key != NULL; table++)
		if (table->read != NULL && n < KEYS_MAX)
			keys[n++] = table->key;
	return n;
}

static size_t
count_words(const char *const *words)
{
	size_t n = 0;

	while (words[n] != NULL)
		n++;
	return n;
}

void
option_describe(const struct option *o, char *buf, size_t size)
{
	char list[LIST_MAX];
	const char *keys[KEYS_MAX] = {NULL};
	size_t n;

	if (o->type != NULL) {
		snprintf(buf, size, "%s", o->type);
	} else if (o->words != NULL) {
		suggest_list(
		    o->words, count_words(o->words), list, sizeof list);
		snprintf(buf, size, "one of %s", list);
	} else if (o->shape == OPTION_MAP) {
		n = table_keys(o->sub, keys);
		suggest_list(keys, n, list, sizeof list);
		snprintf(buf, size, "a map with the key%s %s",
		    n == 1 ? "" : "s", list);
	} else {
		opt_describe(o->kind, o->min, o->max, buf, size);
	}
}

bool
option_kind(struct errors *e, const struct option *o, const struct node *value,
    enum node_kind kind)
{
	char expected[LIST_MAX + 64];

	if (value->kind == kind && !node_nothing(value))
		return true;
	if (value->kind == NODE_BROKEN)
		return false;
	option_describe(o, expected, sizeof expected);
	errors_add(e, value->at, "expected %s, found %s", expected,
	    node_kind_name(value));
	return false;
}

const char *
option_text(struct errors *e, const struct option *o, const struct node *value)
{
	return option_kind(e, o, value, NODE_SCALAR) ? value->text : NULL;
}

void
option_refuse(
    struct errors *e, const struct option *o, const struct node *value)
{
	char expected[LIST_MAX + 64], found[OPT_QUOTE_MAX];

	option_describe(o, expected, sizeof expected);
	opt_quote(span_of(value->text), found, sizeof found);
	errors_add(e, value->at, "expected %s, found %s", expected, found);
}

static void
store(const struct option *o, void *field, uint64_t value)
{
	uint32_t small = (uint32_t)value;
	bool flag = value != 0;

	if (o->size == sizeof value)
		memcpy(field, &value, sizeof value);
	else if (o->size == sizeof small)
		memcpy(field, &small, sizeof small);
	else if (o->size == sizeof flag)
		memcpy(field, &flag, sizeof flag);
	else
		WRONG("size of an option's field");
}

void
option_read_value(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const char *text = option_text(e, o, value);
	char why[OPT_QUOTE_MAX + 128];
	uint64_t number;

	if (text == NULL)
		return;
	if (opt_read(o->kind, span_of(text), o->min, o->max, &number, why,
		sizeof why))
		store(o, field, number);
	else
		errors_add(e, value->at, "%s", why);
}

void
option_read_word(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	for (size_t i = 0; o->words[i] != NULL; i++) {
		if (strcmp(text, o->words[i]) == 0) {
			store(o, field, i);
			return;
		}
	}
	option_refuse(e, o, value);
}

void
option_read_map(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	if (option_kind(e, o, value, NODE_MAP))
		option_walk(e, o->sub, value, field);
}

void
option_read_later(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	(void)e, (void)o, (void)value, (void)field;
}

static const struct option *
find_row(const struct option *table, const char *key)
{
	for (; table->key != NULL; table++)
		if (strcmp(table->key, key) == 0)
			return table;
	return NULL;
}

static void
refuse_key(struct errors *e, const struct option *table, const struct node *key)
{
	const char *keys[KEYS_MAX] = {NULL}, *nearest;
	char found[OPT_QUOTE_MAX], list[LIST_MAX];
	size_t n = table_keys(table, keys);

	opt_quote(span_of(key->text), found, sizeof found);
	nearest = suggest_nearest(key->text, keys, n);
	suggest_list(keys, n, list, sizeof list);
	if (nearest != NULL)
		errors_add(e, key->at, "unknown key %s, did you mean \"%s\"?",
		    found, nearest);
	else
		errors_add(
		    e, key->at, "unknown key %s, known: %s", found, list);
}

/* Reads one member; false when its key is of no use. */
static bool
read_member(struct errors *e, const struct option *table,
    const struct node *member, void *target)
{
	const struct option *o = find_row(table, member->key->text);

	if (o == NULL) {
		refuse_key(e, table, member->key);
		return false;
	}
	if (o->read == NULL) {
		errors_add(e, member->key->at,
		    "\"%s\" is not available in this release", o->key);
		return false;
	}
	o->read(e, o, member, (char *)target + o->offset);
	return true;
}

void
option_walk(struct errors *e, const struct option *table,
    const struct node *map, void *target)
{
	const struct option self = {.shape = OPTION_MAP, .sub = table};
	bool all = true;

	if (!option_kind(e, &self, map, NODE_MAP))
		return;
	for (const struct node *m = map->first; m != NULL; m = m->next)
		if (!read_member(e, table, m, target))
			all = false;
	/* a key that is of no use may well be the one that is missing */
	for (; all && table->key != NULL; table++)
		if (table->required && node_get(map, table->key) == NULL)
			errors_add(
			    e, map->at, "missing key \"%s\"", table->key);
}

void
option_defaults(struct errors *e, const struct option *table, void *target)
{
	for (; table->key != NULL; table++) {
		void *field = (char *)target + table->offset;
		struct node value = {
		    .kind = NODE_SCALAR,
		    .quoted = true,
		    .text = table->fallback,
		};

		if (table->read != NULL && table->shape == OPTION_MAP &&
		    !table->apart)
			option_defaults(e, table->sub, field);
		else if (value.text != NULL && value.text[0] != '[')
			table->read(e, table, &value, field);
	}
}

static const char *
print_default(const struct option *o)
{
	if (o->required)
		return "required";
	if (o->fallback != NULL)
		return o->fallback[0] != '\0' ? o->fallback : "\"\"";
	return o->absent != NULL ? o->absent : "";
}

static void
print_below(
    FILE *out, const struct option *table, const char *path, const char *joint)
{
	char prefix[PATH_MAX_BYTES + 16];

	if (table == NULL)
		return;
	snprintf(prefix, sizeof prefix, "%s%s", path, joint);
	option_print(out, table, prefix);
}

void
option_print(FILE *out, const struct option *table, const char *prefix)
{
	static const char *const joints[] = {
	    [OPTION_VALUE] = "",
	    [OPTION_MAP] = ".",
	    [OPTION_LIST] = "[].",
	    [OPTION_NAMED] = ".<name>.",
	};

	for (; table->key != NULL; table++) {
		char path[PATH_MAX_BYTES], type[LIST_MAX + 64];

		if (table->read == NULL)
			continue;
		option_describe(table, type, sizeof type);
		snprintf(path, sizeof path, "%s%s", prefix, table->key);
		fprintf(out, "%s\t%s\t%s\t%s\n", path, type,
		    print_default(table), table->help);
		print_below(out, table->sub, path, joints[table->shape]);
		print_below(out, table->items, path, joints[OPTION_LIST]);
	}
}
