/* Readers of how clients are led to https, and kept there. */
#include <stdio.h>
#include <string.h>

#include "conf/settings.h"
#include "conf/tables.h"

#define DAY	   86400000ull
#define HTTPS_PORT 443u

/* What Strict-Transport-Security says (RFC 6797 6.1). */
struct hsts {
	uint64_t max_age; /* milliseconds */
	bool include_subdomains, preload;
};

const struct option hsts_options[] = {
    {
	.key = "max_age",
	.read = read_seconds,
	.kind = OPT_DURATION,
	.max = 3650 * DAY,
	.help = "For how long browsers come with https only.",
	.required = true,
	OPTION_FIELD(struct hsts, max_age),
    },
    {
	.key = "include_subdomains",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "false",
	.help = "Whether all hosts below this one are meant, too.",
	OPTION_FIELD(struct hsts, include_subdomains),
    },
    {
	.key = "preload",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "false",
	.help = "Whether browsers may know it before the first visit.",
	OPTION_FIELD(struct hsts, preload),
    },
    {.key = NULL},
};

void
read_redirect(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const char *text = option_text(e, o, value);
	struct span rest, scheme;
	uint64_t port = HTTPS_PORT;

	if (text == NULL)
		return;
	rest = span_of(text);
	scheme = span_cut(&rest, ':');
	if (!span_eq(scheme, SPAN("https")) ||
	    (rest.p != NULL && !span_to_u64(rest, &port)) || port == 0 ||
	    port > UINT16_MAX)
		option_refuse(e, o, value);
	else
		*(uint16_t *)field = (uint16_t)port;
}

/* Max-Age of fields is in seconds (RFC 6265 4.1.1, RFC 6797 6.1.1). */
void
read_seconds(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	uint64_t *ms = field;

	option_read_value(e, o, value, field);
	if (*ms % 1000 != 0)
		errors_add(e, value->at,
		    "expected a duration of whole seconds, found \"%s\"",
		    value->text);
}

void
read_hsts(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct hsts h = {0};
	char **text = field;

	option_defaults(e, hsts_options, &h);
	if (value->kind == NODE_MAP)
		option_walk(e, hsts_options, value, &h);
	else if (option_text(e, o, value) != NULL)
		read_seconds(e, &hsts_options[0], value, &h.max_age);
	if (asprintf(text, "max-age=%llu%s%s",
		(unsigned long long)(h.max_age / 1000),
		h.include_subdomains ? "; includeSubDomains" : "",
		h.preload ? "; preload" : "") < 0) {
		*text = NULL;
		errors_no_memory(e);
	}
}

void
check_listener(struct errors *e, const struct node *listener,
    const struct listen_settings *l)
{
	const struct node *tls = node_get(listener, "tls");
	const struct node *hsts = node_get(listener, "hsts");
	const struct node *redirect = node_get(listener, "redirect");

	if (hsts != NULL && tls == NULL)
		errors_add(e, hsts->key->at,
		    "\"hsts\" needs \"tls\": browsers ignore it in clear text");
	if (redirect != NULL && tls != NULL && l->address.len > 0 &&
	    l->redirect_port == address_port(&l->address))
		errors_add(
		    e, redirect->at, "leads to this listener itself, for ever");
}
