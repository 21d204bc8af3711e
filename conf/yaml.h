/*
 * YAML text to a tree of nodes that know where they stand. Strict where YAML
 * is surprising: one document, no duplicate keys, no anchors, aliases or
 * tags, keys are strings, everything that is not a list or a map is text.
 * Main thread only.
 */
#ifndef CONF_YAML_H
#define CONF_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "conf/errors.h"

#define YAML_DEPTH_MAX 32u
#define YAML_NODES_MAX 1000000u

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
	NODE_BROKEN, /* was reported already: take it silently */
};

struct node {
	enum node_kind kind;
	struct position at;
	bool quoted;	   /* a scalar in quotes or a block scalar */
	const char *text;  /* of a scalar; terminated, no NUL inside */
	struct node *key;  /* of a member of a map: a scalar */
	struct node *next; /* after it in its list or map */
	struct node *first;
	size_t n; /* members of a list or map */
};

struct tree;

/*
 * What is wrong goes to errors. NULL when the text could not be read to its
 * end; a tree with duplicate keys and the like left out otherwise.
 */
struct tree *tree_parse(const char *text, size_t len, struct errors *errors);
void tree_free(struct tree *t);
/* NULL when the file has no content. */
const struct node *tree_root(const struct tree *t);

/* A member of a map by its key; NULL when there is none or it is no map. */
const struct node *node_get(const struct node *map, const char *key);
/* A plain scalar that stands for nothing: empty, ~ or null. */
bool node_nothing(const struct node *n);
/* What was found where another kind was expected: "a list", "a string". */
const char *node_kind_name(const struct node *n);

#endif
