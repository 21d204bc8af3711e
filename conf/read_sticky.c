/* The sticky cookie of a service, and the secret that signs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/pem.h"
#include "conf/tables.h"
#include "router/sticky.h"

#define WHY_MAX 256u
#define DAY	86400000ull

static option_reader read_cookie_name, read_ttl, read_secret;

const struct option sticky_options[] = {
    {
	.key = "cookie",
	.read = read_cookie_name,
	.type = "the name of a cookie, a token of at most 64 bytes",
	.help = "Name of the cookie; services that share a host need "
		"different ones.",
	.required = true,
	OPTION_FIELD(struct sticky, name),
    },
    {
	.key = "ttl",
	.read = read_ttl,
	.kind = OPT_DURATION,
	.min = 1000,
	.max = 365 * DAY,
	.fallback = "1h",
	.help = "How long it holds after a client was last given one; it is "
		"renewed when half of that is over.",
	OPTION_FIELD(struct sticky, ttl_s),
    },
    {
	.key = "secret_file",
	.read = read_secret,
	.type = "the name of a file",
	.absent = "a secret that ends with the process",
	.help = "File of at least 16 bytes that nobody can guess: replicas "
		"with the same one take each other's cookies, and those from "
		"before a restart.",
	OPTION_FIELD(struct sticky, key),
    },
    {
	.key = "pod",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "false",
	.help = "Whether clients stick to the pod, too, as long as it is up.",
	OPTION_FIELD(struct sticky, pod),
    },
    {.key = NULL},
};

static void
read_cookie_name(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	char **name = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (!read_token(text) || strlen(text) > STICKY_NAME_MAX)
		option_refuse(e, o, value);
	else
		*name = read_copy(e, text);
}

/* The cookie speaks of seconds (RFC 6265 4.1.1). */
static void
read_ttl(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct option ms = *o;
	uint64_t ttl = 1000;

	ms.size = sizeof ttl;
	option_read_value(e, &ms, value, &ttl);
	if (ttl % 1000 != 0)
		errors_add(e, value->at,
		    "expected a duration of whole seconds, found \"%s\"",
		    value->text);
	*(uint32_t *)field = (uint32_t)(ttl / 1000);
}

/* Editors, and `openssl rand -hex 32 >FILE`, end the last line. */
static struct span
without_newlines(struct span s)
{
	while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

/* NULL with the reason, which says nothing of the secret, in why. */
static struct sticky_key *
load_key(const char *path, char *why, size_t why_size)
{
	struct bio_st *in = pem_open(path, why, why_size);
	struct sticky_key *key = NULL;
	struct span secret;

	if (in == NULL)
		return NULL;
	secret = without_newlines(pem_bytes(in));
	snprintf(why, why_size, "out of memory");
	if (secret.n < STICKY_SECRET_MIN)
		snprintf(why, why_size,
		    "expected a secret of at least %u bytes, found %zu: %s",
		    STICKY_SECRET_MIN, secret.n, path);
	else
		key = sticky_key_new(secret);
	pem_close(in);
	return key;
}

static void
read_secret(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct sticky_key **key = field;
	char *path = read_file_named(e, o, value), why[WHY_MAX];

	if (path == NULL)
		return;
	*key = load_key(path, why, sizeof why);
	if (*key == NULL)
		read_refuse_file(e, value, why);
	free(path);
}

void
read_sticky(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	if (!option_kind(e, o, value, NODE_MAP))
		return;
	option_defaults(e, o->sub, field);
	option_walk(e, o->sub, value, field);
}
