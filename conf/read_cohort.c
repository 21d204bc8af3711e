/* What makes a cohort of a service. */
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"
#include "router/cohort.h"

#define SECOND 1000u
#define DAY    86400000ull
/* A cookie that we set has to fit beside all else into a head. */
#define COOKIE_NAME_MAX 128u

/* The map, before it is known whether its keys go together. */
struct cohort_entry {
	struct hash_key key;
	uint64_t ttl; /* milliseconds */
};

const struct option cohort_options[] = {
    {
	.key = "header",
	.read = read_hash_name,
	.type = "the name of a header",
	.absent = "",
	.help = "The value of this header field, the first of it.",
	OPTION_FIELD(struct cohort_entry, key),
    },
    {
	.key = "cookie",
	.read = read_hash_name,
	.type = "the name of a cookie",
	.absent = "",
	.help = "The value of this cookie.",
	OPTION_FIELD(struct cohort_entry, key),
    },
    {
	.key = "ttl",
	.read = read_seconds,
	.kind = OPT_DURATION,
	.min = SECOND,
	.max = 3650 * DAY,
	.absent = "only the application sets the cookie",
	.help = "Who has no such cookie is given one by the proxy, for so "
		"long.",
	OPTION_FIELD(struct cohort_entry, ttl),
    },
    {.key = NULL},
};

static void
check_together(struct errors *e, const struct node *map, const char *name)
{
	const struct node *header = node_get(map, "header");
	const struct node *cookie = node_get(map, "cookie");
	const struct node *ttl = node_get(map, "ttl");

	if (header != NULL && cookie != NULL)
		errors_add(e, cookie->key->at,
		    "expected either \"header\" or \"cookie\", found both");
	else if (header == NULL && cookie == NULL)
		errors_add(e, map->at, "missing key \"header\" or \"cookie\"");
	else if (ttl != NULL && cookie == NULL)
		errors_add(e, ttl->key->at,
		    "\"ttl\" needs \"cookie\": a header cannot be given");
	else if (ttl != NULL && strlen(name) > COOKIE_NAME_MAX)
		errors_add(e, cookie->at,
		    "expected the name of a cookie of at most %u bytes with "
		    "\"ttl\", found %zu",
		    COOKIE_NAME_MAX, strlen(name));
}

void
read_cohort(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct cohort_entry entry = {0};
	struct cohort *c = field;
	size_t before = e->n;
	const char *text;

	if (value->kind == NODE_MAP) {
		option_walk(e, o->sub, value, &entry);
		if (e->n == before)
			check_together(e, value,
			    entry.key.name != NULL ? entry.key.name : "");
		free(c->key.name);
		c->key = entry.key;
		c->ttl_s = (uint32_t)(entry.ttl / SECOND);
		return;
	}
	text = option_text(e, o, value);
	if (text == NULL)
		return;
	if (strcmp(text, "client_ip") == 0)
		c->key.on = HASH_ON_CLIENT;
	else if (strcmp(text, "request") != 0)
		option_refuse(e, o, value);
}
