/* Drives libyaml's parser and builds the tree. */
#include "conf/yaml.h"

#include <stdalign.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/opt.h"

/* Enough for a small file. */
#define TREE_FIRST_BYTES 4096u
/* Never reached by YAML_NODES_MAX nodes of a file of CONF_FILE_MAX bytes. */
#define TREE_BYTES_MAX (512u << 20)

struct tree {
	struct arena arena;
	struct node *root;
	size_t nnodes;
	alignas(max_align_t) char first[TREE_FIRST_BYTES];
};

struct loader {
	yaml_parser_t parser;
	struct tree *tree;
	struct errors *errors;
};

static struct node *load_node(
    struct loader *l, yaml_event_t *event, unsigned depth);

static struct position
mark_position(yaml_mark_t mark)
{
	return (struct position){
	    (unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

/* libyaml gives the place of a bad byte as an offset. */
static struct position
offset_position(const char *text, size_t offset)
{
	struct position at = {1, 1};

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			at.line++;
			at.column = 1;
		} else if ((text[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return at;
}

static void
report_syntax(struct loader *l)
{
	const yaml_parser_t *p = &l->parser;

	if (p->error == YAML_MEMORY_ERROR)
		errors_no_memory(l->errors);
	else if (p->error == YAML_READER_ERROR)
		errors_add(l->errors,
		    offset_position(
			(const char *)p->input.string.start, p->problem_offset),
		    "not YAML: %s", p->problem);
	else
		errors_add(l->errors, mark_position(p->problem_mark),
		    "not YAML: %s%s%s", p->problem,
		    p->context != NULL ? " " : "",
		    p->context != NULL ? p->context : "");
}

static bool
next_event(struct loader *l, yaml_event_t *event)
{
	if (yaml_parser_parse(&l->parser, event))
		return true;
	report_syntax(l);
	return false;
}

/* NULL, reported, when the tree has grown too large. */
static struct node *
node_new(struct loader *l, enum node_kind kind, struct position at)
{
	struct node *n;

	if (l->tree->nnodes++ >= YAML_NODES_MAX) {
		errors_add(
		    l->errors, at, "more than %u values", YAML_NODES_MAX);
		return NULL;
	}
	n = arena_alloc(&l->tree->arena, sizeof *n);
	if (n == NULL) {
		errors_no_memory(l->errors);
		return NULL;
	}
	*n = (struct node){.kind = kind, .at = at};
	return n;
}

static void
refuse_decoration(struct loader *l, struct position at,
    const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		errors_add(l->errors, at, "anchors are not supported");
	if (tag != NULL)
		errors_add(l->errors, at, "tags are not supported");
}

static struct node *
load_scalar(struct loader *l, const yaml_event_t *event)
{
	struct position at = mark_position(event->start_mark);
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct node *n = node_new(l, NODE_SCALAR, at);

	if (n == NULL)
		return NULL;
	refuse_decoration(
	    l, at, event->data.scalar.anchor, event->data.scalar.tag);
	if (memchr(value, '\0', len) != NULL) {
		errors_add(l->errors, at, "a NUL character in a string");
		n->kind = NODE_BROKEN;
	}
	n->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	/* with the terminator that libyaml keeps behind the value */
	n->text = arena_copy(&l->tree->arena, (struct span){value, len + 1}).p;
	if (n->text == NULL) {
		errors_no_memory(l->errors);
		return NULL;
	}
	return n;
}

static bool
load_list(struct loader *l, struct node *list, unsigned depth)
{
	struct node **end = &list->first;
	yaml_event_t event;

	for (;;) {
		if (!next_event(l, &event))
			return false;
		if (event.type == YAML_SEQUENCE_END_EVENT)
			break;
		*end = load_node(l, &event, depth + 1);
		if (*end == NULL)
			return false;
		end = &(*end)->next;
		list->n++;
	}
	yaml_event_delete(&event);
	return true;
}

static int
key_order(const void *va, const void *vb)
{
	const struct node *a = *(struct node *const *)va;
	const struct node *b = *(struct node *const *)vb;
	int order = strcmp(a->key->text, b->key->text);

	if (order != 0)
		return order;
	if (a->key->at.line != b->key->at.line)
		return a->key->at.line < b->key->at.line ? -1 : 1;
	return a->key->at.column < b->key->at.column ? -1 : 1;
}

/* Takes the key from those members whose key came before. */
static void
find_duplicates(struct loader *l, struct node **sorted, size_t n)
{
	const struct node *first = sorted[0];

	for (size_t i = 1; i < n; i++) {
		struct node *m = sorted[i];
		char quoted[OPT_QUOTE_MAX];

		if (strcmp(m->key->text, first->key->text) != 0) {
			first = m;
			continue;
		}
		opt_quote(span_of(m->key->text), quoted, sizeof quoted);
		errors_add(l->errors, m->key->at,
		    "duplicate key %s, first on line %u", quoted,
		    first->key->at.line);
		m->key = NULL;
	}
}

static bool
drop_duplicates(struct loader *l, struct node *map)
{
	struct node **sorted, **link = &map->first;
	size_t n = 0;

	if (map->n < 2)
		return true;
	sorted = calloc(map->n, sizeof *sorted);
	if (sorted == NULL) {
		errors_no_memory(l->errors);
		return false;
	}
	for (struct node *m = map->first; m != NULL; m = m->next)
		sorted[n++] = m;
	qsort(sorted, n, sizeof *sorted, key_order);
	find_duplicates(l, sorted, n);
	free(sorted);
	while (*link != NULL) {
		if ((*link)->key != NULL) {
			link = &(*link)->next;
			continue;
		}
		*link = (*link)->next;
		map->n--;
	}
	return true;
}

static bool
load_map(struct loader *l, struct node *map, unsigned depth)
{
	struct node **end = &map->first, *key, *value;
	yaml_event_t event;

	for (;;) {
		if (!next_event(l, &event))
			return false;
		if (event.type == YAML_MAPPING_END_EVENT)
			break;
		key = load_node(l, &event, depth + 1);
		if (key == NULL || !next_event(l, &event))
			return false;
		value = load_node(l, &event, depth + 1);
		if (value == NULL)
			return false;
		if (key->kind == NODE_LIST || key->kind == NODE_MAP)
			errors_add(l->errors, key->at,
			    "expected a key, found %s", node_kind_name(key));
		if (key->kind != NODE_SCALAR)
			continue;
		value->key = key;
		*end = value;
		end = &value->next;
		map->n++;
	}
	yaml_event_delete(&event);
	return drop_duplicates(l, map);
}

static struct node *
load_members(struct loader *l, const yaml_event_t *event, unsigned depth)
{
	bool map = event->type == YAML_MAPPING_START_EVENT;
	struct position at = mark_position(event->start_mark);
	struct node *n = node_new(l, map ? NODE_MAP : NODE_LIST, at);

	if (n == NULL)
		return NULL;
	if (depth >= YAML_DEPTH_MAX) {
		errors_add(
		    l->errors, at, "nested more than %u deep", YAML_DEPTH_MAX);
		return NULL;
	}
	if (map)
		refuse_decoration(l, at, event->data.mapping_start.anchor,
		    event->data.mapping_start.tag);
	else
		refuse_decoration(l, at, event->data.sequence_start.anchor,
		    event->data.sequence_start.tag);
	if (map ? !load_map(l, n, depth) : !load_list(l, n, depth))
		return NULL;
	return n;
}

/* Consumes the event. NULL, reported, when there is no going on. */
static struct node *
load_node(struct loader *l, yaml_event_t *event, unsigned depth)
{
	struct position at = mark_position(event->start_mark);
	struct node *n;

	if (event->type == YAML_SCALAR_EVENT) {
		n = load_scalar(l, event);
	} else if (event->type == YAML_ALIAS_EVENT) {
		errors_add(l->errors, at, "aliases are not supported");
		n = node_new(l, NODE_BROKEN, at);
	} else {
		n = load_members(l, event, depth);
	}
	yaml_event_delete(event);
	return n;
}

/* Stream start, then nothing, or one document and no other. */
static bool
load_stream(struct loader *l)
{
	yaml_event_t event;

	for (;;) {
		struct position at;
		yaml_event_type_t type;

		if (!next_event(l, &event))
			return false;
		at = mark_position(event.start_mark);
		type = event.type;
		if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT ||
		    type == YAML_SEQUENCE_START_EVENT ||
		    type == YAML_MAPPING_START_EVENT) {
			l->tree->root = load_node(l, &event, 0);
			if (l->tree->root == NULL)
				return false;
			continue;
		}
		yaml_event_delete(&event);
		if (type == YAML_STREAM_END_EVENT)
			return true;
		if (type == YAML_DOCUMENT_START_EVENT &&
		    l->tree->root != NULL) {
			errors_add(l->errors, at,
			    "expected one document, found another");
			return false;
		}
	}
}

struct tree *
tree_parse(const char *text, size_t len, struct errors *errors)
{
	struct loader l = {.errors = errors};
	bool loaded;

	l.tree = calloc(1, sizeof *l.tree);
	if (l.tree == NULL || !yaml_parser_initialize(&l.parser)) {
		free(l.tree);
		errors_no_memory(errors);
		return NULL;
	}
	arena_init(&l.tree->arena, l.tree->first, sizeof l.tree->first,
	    TREE_BYTES_MAX);
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &l.parser, (const unsigned char *)text, len);
	loaded = load_stream(&l);
	yaml_parser_delete(&l.parser);
	if (!loaded) {
		tree_free(l.tree);
		return NULL;
	}
	return l.tree;
}

void
tree_free(struct tree *t)
{
	if (t == NULL)
		return;
	arena_reset(&t->arena);
	free(t);
}

const struct node *
tree_root(const struct tree *t)
{
	return t->root;
}

const struct node *
node_get(const struct node *map, const char *key)
{
	if (map == NULL || map->kind != NODE_MAP)
		return NULL;
	for (const struct node *m = map->first; m != NULL; m = m->next)
		if (strcmp(m->key->text, key) == 0)
			return m;
	return NULL;
}

bool
node_nothing(const struct node *n)
{
	return n->kind == NODE_SCALAR && !n->quoted &&
	       (n->text[0] == '\0' || strcmp(n->text, "~") == 0 ||
		   strcmp(n->text, "null") == 0);
}

const char *
node_kind_name(const struct node *n)
{
	if (n->kind == NODE_LIST)
		return "a list";
	if (n->kind == NODE_MAP)
		return "a map";
	return node_nothing(n) ? "nothing" : "a string";
}
