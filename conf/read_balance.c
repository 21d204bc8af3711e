/* The pods of a version with their weights, and how one of them is picked. */
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"
#include "router/balance.h"
#include "router/draw.h"

#define POD_ADDRESS                                                         \
	"an address such as 127.0.0.1:8080, [::1]:8080, app.internal:8080 " \
	"or unix:/run/app.sock"

static option_reader read_hash, read_pod_address;

const struct option pod_options[] = {
    {
	.key = "address",
	.read = read_pod_address,
	.type = POD_ADDRESS,
	.help = "Where it is, or a name that resolves to pods; the same as a "
		"plain address.",
	.required = true,
    },
    {
	.key = "weight",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.min = 1,
	.max = POD_WEIGHT_MAX,
	.fallback = "1",
	.help = "How much it takes of what the version gets, compared with "
		"its other pods.",
	OPTION_FIELD(struct pod_entry, weight),
    },
    {.key = NULL},
};

static const struct option hash_options[] = {
    {
	.key = "header",
	.read = read_hash_name,
	.type = "the name of a header",
	.absent = "",
	.help = "The value of this header field, the first of it.",
    },
    {
	.key = "cookie",
	.read = read_hash_name,
	.type = "the name of a cookie",
	.absent = "",
	.help = "The value of this cookie.",
    },
    {.key = NULL},
};

const struct option balance_options[] = {
    {
	.key = "hash",
	.read = read_hash,
	.type = "client, uri or a map with one of the keys header, cookie",
	.absent = "",
	.help = "Requests that have this in common go to the same pod: the "
		"client's IP address, the path and query, or one of the keys "
		"below.",
	.required = true,
	.shape = OPTION_MAP,
	.sub = hash_options,
	.apart = true,
    },
    {.key = NULL},
};

static void
read_pod_address(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct pod_entry *entry = field;
	struct address *a = &entry->address;
	const char *text = option_text(e, o, value), *fault;
	char found[OPT_QUOTE_MAX];
	bool good;

	if (text == NULL)
		return;
	good = address_parse(span_of(text), a);
	fault =
	    good ? address_peer_fault(a) : address_unix_fault(span_of(text));
	if (good && fault == NULL)
		return;
	memset(a, 0, sizeof *a);
	if (fault == NULL && read_pod_name(e, value, &entry->name))
		return;
	opt_quote(span_of(text), found, sizeof found);
	if (fault != NULL)
		errors_add(e, value->at, "expected %s, found %s", fault, found);
	else
		option_refuse(e, o, value);
}

static void
read_pod(struct errors *e, const struct node *value, struct pod_entry *entry)
{
	const struct option item = {.type = POD_ADDRESS};

	option_defaults(e, pod_options, entry);
	if (value->kind == NODE_MAP)
		option_walk(e, pod_options, value, entry);
	else
		read_pod_address(e, &item, value, entry);
	if (entry->name.text != NULL && entry->name.port == 0 &&
	    node_get(value, "weight") != NULL)
		errors_add(e, node_get(value, "weight")->key->at,
		    "\"weight\" is of no use with SRV records, which have "
		    "weights of their own");
}

/* It gets a place without address, until squeeze_pods(). */
static void
add_pod(struct version_spec *v, struct pod_entry *entry)
{
	v->pods[v->npods] = entry->address;
	v->pod_weights[v->npods++] = (uint16_t)entry->weight;
	if (entry->name.text == NULL) {
		pod_name_clear(&entry->name);
		return;
	}
	entry->name.weight = (uint16_t)entry->weight;
	v->names[v->nnames++] = entry->name;
}

/* A name may become as many pods as there is room for. */
static void
check_room(
    struct errors *e, const struct node *value, const struct version_spec *v)
{
	size_t n =
	    v->npods - v->nnames + v->nnames * (size_t)NAME_ADDRESSES_MAX;

	if (n > PODS_MAX)
		errors_add(e, value->at,
		    "expected at most %u pods, found %zu, %u of them for each "
		    "name",
		    PODS_MAX, n, NAME_ADDRESSES_MAX);
}

void
read_pods(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct version_spec *v = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	if (value->n > PODS_MAX) {
		errors_add(e, value->at, "expected at most %u pods, found %zu",
		    PODS_MAX, value->n);
		return;
	}
	v->pods = read_alloc(e, value, sizeof *v->pods);
	v->pod_weights = read_alloc(e, value, sizeof *v->pod_weights);
	v->names = read_alloc(e, value, sizeof *v->names);
	if (v->pods == NULL || v->pod_weights == NULL || v->names == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		struct pod_entry entry = {0};

		read_pod(e, m, &entry);
		add_pod(v, &entry);
	}
	check_room(e, value, v);
}

/* Names of fields and of cookies are tokens (RFC 9110 5.6.2). */
void
read_hash_name(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct hash_key *k = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (!read_token(text)) {
		option_refuse(e, o, value);
		return;
	}
	k->on = strcmp(o->key, "header") == 0 ? HASH_ON_HEADER : HASH_ON_COOKIE;
	free(k->name);
	k->name = read_copy(e, text);
}

static void
read_hash(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct service_spec *s = field;
	const char *text;

	s->terms.balance = &balance_hash;
	if (value->kind == NODE_MAP && value->n == 1) {
		option_walk(e, o->sub, value, &s->terms.hash);
		return;
	}
	text = option_text(e, o, value);
	if (text == NULL)
		return;
	if (strcmp(text, "client") == 0)
		s->terms.hash.on = HASH_ON_CLIENT;
	else if (strcmp(text, "uri") == 0)
		s->terms.hash.on = HASH_ON_URI;
	else
		option_refuse(e, o, value);
}

void
read_balance(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct service_spec *s = field;
	char names[128], found[OPT_QUOTE_MAX];
	const struct balance_ops *ops;
	const char *text;

	if (value->kind == NODE_MAP) {
		option_walk(e, o->sub, value, s);
		return;
	}
	text = option_text(e, o, value);
	if (text == NULL)
		return;
	ops = balance_find(text);
	if (ops != NULL && ops->hashes) {
		errors_add(e, value->at,
		    "expected what to hash, as in {hash: client}");
	} else if (ops != NULL) {
		s->terms.balance = ops;
	} else {
		balance_names(names, sizeof names);
		opt_quote(span_of(text), found, sizeof found);
		errors_add(
		    e, value->at, "expected one of %s, found %s", names, found);
	}
}
