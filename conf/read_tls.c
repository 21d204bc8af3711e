/* The option tables and readers of how listeners are secured. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/certificate.h"
#include "conf/ciphers.h"
#include "conf/settings.h"
#include "conf/tables.h"

#define WHY_MAX 512u

static option_reader read_certificates, read_min_version, read_ciphers,
    read_ciphersuites;

static const char *const client_certificate_words[] = {
    "required", "optional", NULL};

/* In the order of enum certificate_file. */
static const char *const file_keys[CERTIFICATE_FILES] = {
    [CERTIFICATE_CHAIN] = "certificate",
    [CERTIFICATE_KEY] = "key",
    [CERTIFICATE_OCSP] = "ocsp",
};

const struct option certificate_options[] = {
    {
	.key = "certificate",
	.read = read_file_name,
	.type = "the name of a PEM file",
	.help = "The certificate, then those of its issuers.",
	.required = true,
    },
    {
	.key = "key",
	.read = read_file_name,
	.type = "the name of a PEM file",
	.help = "Its private key, RSA or ECDSA, without passphrase.",
	.required = true,
    },
    {
	.key = "ocsp",
	.read = read_file_name,
	.type = "the name of a DER file",
	.absent = "nothing is stapled",
	.help = "An OCSP response about it, to be stapled.",
    },
    {.key = NULL},
};

const struct option tls_options[] = {
    {
	.key = "certificate",
	.read = read_file_name,
	.type = "the name of a PEM file",
	.absent = "certificates has them",
	.help = "The certificate, where it is the only one, then those of "
		"its issuers.",
    },
    {
	.key = "key",
	.read = read_file_name,
	.type = "the name of a PEM file",
	.absent = "certificates has them",
	.help = "Its private key, RSA or ECDSA, without passphrase.",
    },
    {
	.key = "ocsp",
	.read = read_file_name,
	.type = "the name of a DER file",
	.absent = "nothing is stapled",
	.help = "An OCSP response about it, to be stapled.",
    },
    {
	.key = "certificates",
	.read = read_certificates,
	.type = "a list of certificates",
	.absent = "the one of certificate and key",
	.help = "Chosen by the name that the client asks for; the first for "
		"all others.",
	.shape = OPTION_LIST,
	.sub = certificate_options,
    },
    {
	.key = "min_version",
	.read = read_min_version,
	.type = "1.2 or 1.3",
	.fallback = "1.2",
	.help = "Oldest version of TLS that is spoken.",
	OPTION_FIELD(struct tls_settings, min_version),
    },
    {
	.key = "ciphers",
	.read = read_ciphers,
	.type = "a list of ciphers in OpenSSL's syntax",
	.absent = "ECDHE with AES-GCM or ChaCha20",
	.help = "What may be used with TLS 1.2.",
	OPTION_FIELD(struct tls_settings, ciphers),
    },
    {
	.key = "ciphersuites",
	.read = read_ciphersuites,
	.type = "a list of cipher suites in OpenSSL's syntax",
	.absent = "OpenSSL's own",
	.help = "What may be used with TLS 1.3.",
	OPTION_FIELD(struct tls_settings, ciphersuites),
    },
    {
	.key = "client_ca",
	.read = read_trust,
	.type = "the name of a PEM file",
	.absent = "clients are not asked",
	.help = "Clients are asked for a certificate of one of these "
		"authorities.",
	OPTION_FIELD(struct tls_settings, client_ca),
    },
    {
	.key = "client_certificate",
	.read = option_read_word,
	.words = client_certificate_words,
	.fallback = "required",
	.help = "Whether a client without one is let in; with client_ca only.",
	OPTION_FIELD(struct tls_settings, client_optional),
    },
    {.key = NULL},
};

void
read_refuse_file(struct errors *e, const struct node *value, char *why)
{
	for (char *p = why; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	errors_add(e, value->at, "%s", why);
}

void
read_file_name(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const char *text = option_text(e, o, value);

	(void)field;
	if (text != NULL && text[0] == '\0')
		option_refuse(e, o, value);
}

/* NULL where there is no name, be it missing or refused already. */
static const struct node *
file_node(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	if (n == NULL || n->kind != NODE_SCALAR || node_nothing(n) ||
	    n->text[0] == '\0')
		return NULL;
	return n;
}

struct certificate *
read_certificate(struct errors *e, const struct node *map)
{
	const struct node *nodes[CERTIFICATE_FILES];
	char *paths[CERTIFICATE_FILES] = {NULL}, why[WHY_MAX];
	struct certificate *c = NULL;
	enum certificate_file at;

	for (size_t i = 0; i < CERTIFICATE_FILES; i++) {
		nodes[i] = file_node(map, file_keys[i]);
		if (nodes[i] != NULL)
			paths[i] = read_file_path(e, nodes[i]->text);
	}
	if (paths[CERTIFICATE_CHAIN] != NULL &&
	    paths[CERTIFICATE_KEY] != NULL) {
		c = certificate_load((const char *const *)paths,
		    (int64_t)(clock_wall_us() / 1000000), &at, why, sizeof why);
		if (c == NULL)
			read_refuse_file(e, nodes[at], why);
	}
	for (size_t i = 0; i < CERTIFICATE_FILES; i++)
		free(paths[i]);
	return c;
}

bool
read_pair_there(struct errors *e, const struct node *map)
{
	bool there = true;

	for (size_t i = CERTIFICATE_CHAIN; i <= CERTIFICATE_KEY; i++) {
		if (node_get(map, file_keys[i]) != NULL)
			continue;
		errors_add(e, map->at, "missing key \"%s\"", file_keys[i]);
		there = false;
	}
	return there;
}

void
read_trust(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct trust **trust = field;
	char *path = read_file_named(e, o, value), why[WHY_MAX];

	if (path == NULL)
		return;
	*trust = trust_load(path, why, sizeof why);
	if (*trust == NULL)
		read_refuse_file(e, value, why);
	free(path);
}

static void
read_certificates(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct tls_settings *t = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one certificate");
	t->certificates = read_alloc(e, value, sizeof *t->certificates);
	if (t->certificates == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		option_walk(e, certificate_options, m, t);
		t->certificates[t->ncertificates++] = read_certificate(e, m);
	}
}

static void
read_min_version(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	enum tls_version *version = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (strcmp(text, "1.2") == 0)
		*version = TLS_VERSION_1_2;
	else if (strcmp(text, "1.3") == 0)
		*version = TLS_VERSION_1_3;
	else
		option_refuse(e, o, value);
}

static void
read_cipher_list(struct errors *e, const struct option *o,
    const struct node *value, char **list,
    bool (*check)(const char *list, char *why, size_t why_size))
{
	const char *text = option_text(e, o, value);
	char why[WHY_MAX];

	if (text == NULL)
		return;
	if (check(text, why, sizeof why))
		*list = read_copy(e, text);
	else
		errors_add(e, value->at, "%s", why);
}

static void
read_ciphers(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	read_cipher_list(e, o, value, field, ciphers_check);
}

static void
read_ciphersuites(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	read_cipher_list(e, o, value, field, ciphersuites_check);
}

/* A name that a certificate of a listener is good for. */
struct known_name {
	struct span name;
	const char *kind; /* of the key */
	size_t index;	  /* of the certificate */
};

static int
name_order(const void *va, const void *vb)
{
	const struct known_name *a = va, *b = vb;
	size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
	int order = memcmp(a->name.p, b->name.p, n);

	if (order == 0)
		order = (a->name.n > b->name.n) - (a->name.n < b->name.n);
	if (order == 0)
		order = strcmp(a->kind, b->kind);
	if (order == 0)
		order = (a->index > b->index) - (a->index < b->index);
	return order;
}

static size_t
count_names(const struct certificate *c)
{
	size_t n = 0;

	while (c != NULL && certificate_name(c, n).p != NULL)
		n++;
	return n;
}

/* All names of all certificates, sorted. The caller frees. */
static struct known_name *
known_names(struct errors *e, const struct tls_settings *t, size_t *n)
{
	struct known_name *all;
	size_t room = 0;

	*n = 0;
	for (size_t i = 0; i < t->ncertificates; i++)
		room += count_names(t->certificates[i]);
	all = calloc(room + 1, sizeof *all);
	if (all == NULL) {
		errors_no_memory(e);
		return NULL;
	}
	for (size_t i = 0; i < t->ncertificates; i++) {
		const struct certificate *c = t->certificates[i];

		for (size_t k = count_names(c); k > 0; k--)
			all[(*n)++] = (struct known_name){
			    certificate_name(c, k - 1), certificate_kind(c), i};
	}
	qsort(all, *n, sizeof *all, name_order);
	return all;
}

/* Where the i-th certificate of a listener is named. */
static const struct node *
certificate_node(const struct node *tls, size_t i)
{
	const struct node *m = node_get(tls, "certificates");

	if (m == NULL && tls->kind == NODE_MAP)
		return node_get(tls, "certificate");
	m = m != NULL ? m->first : tls->first;
	while (i-- > 0)
		m = m->next;
	return node_get(m, "certificate");
}

/*
 * Which of two certificates for a name is shown has to be plain. One error
 * for each that is too many, however many names it shares.
 */
static void
check_names(
    struct errors *e, const struct node *tls, const struct tls_settings *t)
{
	size_t n = 0;
	struct known_name *all = known_names(e, t, &n), *first = all;
	bool *told = calloc(t->ncertificates + 1, sizeof *told);
	char found[OPT_QUOTE_MAX];

	if (told == NULL)
		errors_no_memory(e);
	for (size_t i = 1; told != NULL && i < n; i++) {
		const struct known_name *here = &all[i];

		if (!span_eq(here->name, first->name) ||
		    strcmp(here->kind, first->kind) != 0) {
			first = &all[i];
			continue;
		}
		if (here->index == first->index || told[here->index])
			continue;
		told[here->index] = true;
		opt_quote(here->name, found, sizeof found);
		errors_add(e, certificate_node(tls, here->index)->at,
		    "there is another certificate for %s with an %s key, on "
		    "line %u",
		    found, here->kind,
		    certificate_node(tls, first->index)->at.line);
	}
	free(told);
	free(all);
}

/* The one certificate that a map names itself; `certificates` has more. */
static void
read_single(struct errors *e, const struct node *map, struct tls_settings *t)
{
	struct certificate **room = calloc(1, sizeof(struct certificate *));

	if (room == NULL) {
		errors_no_memory(e);
		return;
	}
	room[0] = read_certificate(e, map);
	t->certificates = room;
	t->ncertificates = 1;
}

static void
read_tls_map(struct errors *e, const struct node *map, struct tls_settings *t)
{
	const struct node *many = node_get(map, "certificates"), *asked;
	const size_t before = e->n;

	option_walk(e, tls_options, map, t);
	asked = node_get(map, "client_certificate");
	if (asked != NULL && node_get(map, "client_ca") == NULL)
		errors_add(e, asked->key->at,
		    "\"client_certificate\" needs \"client_ca\": clients are "
		    "not asked for one");
	for (size_t i = 0; many != NULL && i < CERTIFICATE_FILES; i++) {
		const struct node *one = node_get(map, file_keys[i]);

		if (one != NULL)
			errors_add(e, one->key->at,
			    "\"%s\" beside \"certificates\": expected it "
			    "there",
			    file_keys[i]);
	}
	/* a key that is of no use may well be the one that is missing */
	if (many == NULL && (e->n > before || read_pair_there(e, map)))
		read_single(e, map, t);
}

void
read_tls(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct tls_settings **tls = field, *t;

	if (value->kind != NODE_LIST && !option_kind(e, o, value, NODE_MAP))
		return;
	t = *tls = calloc(1, sizeof *t);
	if (t == NULL) {
		errors_no_memory(e);
		return;
	}
	option_defaults(e, tls_options, t);
	if (value->kind == NODE_LIST)
		read_certificates(e, o, value, t);
	else
		read_tls_map(e, value, t);
	check_names(e, value, t);
}

void
tls_settings_free(struct tls_settings *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->ncertificates; i++)
		certificate_drop(t->certificates[i]);
	free(t->certificates);
	trust_drop(t->client_ca);
	free(t->ciphers);
	free(t->ciphersuites);
	free(t);
}
