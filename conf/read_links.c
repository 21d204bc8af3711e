/*
 * What pods speak and how connections to them are secured: `protocol` and
 * `tls` of services and versions.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "conf/certificate.h"
#include "conf/pod_trust.h"
#include "conf/tables.h"

#define WHY_MAX 256u

static option_reader read_tls_name;

const char *const pod_protocol_words[] = {
    [POD_HTTP1] = "h1",
    [POD_H2] = "h2",
    [POD_H2C] = "h2c",
    NULL,
};

/* What a `tls` says, before it is made a struct pod_trust. */
struct pod_keys {
	struct trust *trust;
	char *name;
	bool verify;
};

const struct option pod_tls_options[] = {
    {
	.key = "ca",
	.read = read_trust,
	.type = "the name of a PEM file",
	.absent = "the system's authorities",
	.help = "Authorities that vouch for the pods.",
	OPTION_FIELD(struct pod_keys, trust),
    },
    {
	.key = "name",
	.read = read_tls_name,
	.type = "a host such as shop.internal",
	.absent = "the pod's IP address is verified, no name is sent",
	.help = "Name that pods are asked for (SNI), and that their "
		"certificates must have.",
	OPTION_FIELD(struct pod_keys, name),
    },
    {
	.key = "verify",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "true",
	.help = "Whether the certificates of the pods are verified.",
	OPTION_FIELD(struct pod_keys, verify),
    },
    {
	.key = "certificate",
	.read = read_file_name,
	.type = "the name of a PEM file",
	.absent = "none is shown",
	.help = "Our own certificate for pods that ask, then those of its "
		"issuers.",
    },
    {
	.key = "key",
	.read = read_file_name,
	.type = "the name of a PEM file",
	.absent = "none is shown",
	.help = "Its private key, RSA or ECDSA, without passphrase.",
    },
    {.key = NULL},
};

/* What applies to a service or version. */
struct link {
	enum pod_protocol protocol;
	const struct node *tls_node; /* NULL: no `tls` */
	struct pod_tls *tls;	     /* held */
};

/* SNI is never an IP address (RFC 6066 3). */
static void
read_tls_name(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	char **name = field;
	const char *text = option_text(e, o, value);
	struct in_addr ip;

	if (text == NULL)
		return;
	if (!read_labels(text) || inet_pton(AF_INET, text, &ip) == 1)
		option_refuse(e, o, value);
	else
		*name = read_copy(e, text);
}

/* Takes what it is given. NULL, and an error, without memory. */
static struct pod_tls *
make_pod_tls(struct errors *e, const struct node *at, struct pod_keys keys,
    struct certificate *own)
{
	char why[WHY_MAX];
	struct pod_trust *p;

	if (!keys.verify) {
		trust_drop(keys.trust);
		keys.trust = NULL;
	} else if (keys.trust == NULL) {
		keys.trust = trust_load(NULL, why, sizeof why);
		if (keys.trust == NULL)
			errors_add(
			    e, at->at, "the system's authorities: %s", why);
	}
	p = pod_trust_new(keys.trust, keys.name, own);
	if (p == NULL) {
		errors_no_memory(e);
		return NULL;
	}
	return &p->base;
}

static struct pod_tls *
read_pod_tls(struct errors *e, const struct node *map)
{
	const struct option self = {
	    .shape = OPTION_MAP,
	    .sub = pod_tls_options,
	};
	struct pod_keys keys = {0};
	struct certificate *own = NULL;
	size_t before;

	if (!option_kind(e, &self, map, NODE_MAP))
		return NULL;
	option_defaults(e, pod_tls_options, &keys);
	before = e->n;
	option_walk(e, pod_tls_options, map, &keys);
	if ((node_get(map, "certificate") != NULL ||
		node_get(map, "key") != NULL) &&
	    (e->n > before || read_pair_there(e, map)))
		own = read_certificate(e, map);
	return make_pod_tls(e, map, keys, own);
}

/* What the map says changes the link, and is checked together with it. */
static void
read_link(struct errors *e, const struct node *map, struct link *l)
{
	const struct option row = {
	    .words = pod_protocol_words,
	    .size = sizeof l->protocol,
	};
	const struct node *protocol = node_get(map, "protocol");
	const struct node *tls = node_get(map, "tls");
	const size_t before = e->n;
	bool known;

	if (protocol != NULL)
		option_read_word(e, &row, protocol, &l->protocol);
	known = e->n == before;
	if (tls != NULL) {
		pod_tls_drop(l->tls);
		l->tls_node = tls;
		l->tls = read_pod_tls(e, tls);
	}
	if (!known || l->protocol != POD_H2C || l->tls_node == NULL)
		return;
	if (tls != NULL)
		errors_add(e, tls->key->at,
		    "\"tls\" with protocol h2c: expected h1 or h2, h2c is "
		    "HTTP/2 in clear text");
	else if (protocol != NULL)
		errors_add(e, protocol->at,
		    "h2c is HTTP/2 in clear text, but the service has "
		    "\"tls\", on line %u",
		    l->tls_node->key->at.line);
}

/* HTTP/2 that nobody says more about is secured by the defaults. */
static struct pod_tls *
default_tls(struct errors *e, const struct node *service)
{
	struct pod_keys keys = {0};

	option_defaults(e, pod_tls_options, &keys);
	return make_pod_tls(e, service, keys, NULL);
}

static void
check_names(
    struct errors *e, const struct node *version, const struct version_spec *v)
{
	const struct node *pod =
	    v->npods > 0 ? node_get(version, "pods")->first : NULL;

	for (size_t i = 0; i < v->npods; i++, pod = pod->next)
		if (!pod_trust_suits(v->tls, &v->pods[i]))
			errors_add(e, pod->at,
			    "a Unix socket has no IP address to be verified: "
			    "expected \"name\" or \"verify: false\" in "
			    "\"tls\"");
}

void
resolve_links(
    struct errors *e, const struct node *service, struct service_spec *s)
{
	const struct node *m = node_get(service, "versions");
	struct link all = {POD_HTTP1, NULL, NULL};
	struct pod_tls *fallback = NULL;

	read_link(e, service, &all);
	m = s->nversions > 0 ? m->first : NULL;
	for (size_t i = 0; i < s->nversions; i++, m = m->next) {
		struct version_spec *v = &s->versions[i];
		struct link own = all;

		pod_tls_hold(own.tls);
		read_link(e, m, &own);
		if (own.protocol == POD_H2 && own.tls_node == NULL) {
			if (fallback == NULL)
				fallback = default_tls(e, service);
			own.tls = pod_tls_hold(fallback);
		}
		v->protocol = own.protocol;
		v->tls = own.tls;
		check_names(e, m, v);
	}
	pod_tls_drop(fallback);
	pod_tls_drop(all.tls);
}
