/* `resolver`: which name servers are asked for names of pods, and how often. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/settings.h"
#include "conf/tables.h"

#define DNS_PORT    53u
#define SERVERS_MAX 16u
#define SERVER_TYPE                                                        \
	"the address of a name server such as 10.0.0.2, 10.0.0.2:5353 or " \
	"[fd00::2]:53"

/* clang-format off */
#define RESOLVER(field, least, most)                              \
	.read = option_read_value, .min = (least), .max = (most), \
	OPTION_FIELD(struct resolver_settings, field)
/* clang-format on */

static option_reader read_servers, read_empty;

static const char *const family_words[] = {
    [DNS_FAMILY_BOTH] = "both",
    [DNS_FAMILY_IPV4] = "ipv4",
    [DNS_FAMILY_IPV6] = "ipv6",
    NULL,
};

const struct option resolver_options[] = {
    {
	.key = "servers",
	.read = read_servers,
	.type = "a list of 1 to 16 name servers",
	.absent = "those of /etc/resolv.conf",
	.help = "Name servers that are asked, the next one when one does not "
		"answer; port 53 unless named.",
    },
    {
	.key = "timeout",
	RESOLVER(timeout_ms, 1, 60000),
	.kind = OPT_DURATION,
	.fallback = "1s",
	.help = "How long a name server may take to answer; twice as long in "
		"each further round.",
    },
    {
	.key = "tries",
	RESOLVER(tries, 1, 10),
	.kind = OPT_COUNT,
	.fallback = "3",
	.help = "Rounds over the name servers before a question has failed.",
    },
    {
	.key = "family",
	.read = option_read_word,
	.words = family_words,
	.fallback = "both",
	.help = "Which addresses are asked for: A and AAAA records, or one of "
		"them.",
	OPTION_FIELD(struct resolver_settings, family),
    },
    {
	.key = "min_ttl",
	RESOLVER(min_ttl_ms, 100, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "1s",
	.help = "A name is asked for again when the TTL of its answer is "
		"over, but not sooner than this.",
    },
    {
	.key = "max_ttl",
	RESOLVER(max_ttl_ms, 100, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "5m",
	.help = "And not later than this.",
    },
    {
	.key = "backoff",
	RESOLVER(backoff_ms, 100, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "1s",
	.help = "After a failure a name is asked for again in this time; each "
		"next time it is twice as long.",
    },
    {
	.key = "max_backoff",
	RESOLVER(max_backoff_ms, 100, 24 * HOUR),
	.kind = OPT_DURATION,
	.fallback = "30s",
	.help = "In what time at most.",
    },
    {
	.key = "empty",
	.read = read_empty,
	.type = "keep, or a duration from 0s to 1d",
	.fallback = "keep",
	.help = "What an answer without addresses does: the last one is kept, "
		"for ever or for this time.",
	OPTION_FIELD(struct resolver_settings, empty_ms),
    },
    {.key = NULL},
};

/* "10.0.0.2" or "10.0.0.2:5353". */
static bool
parse_server(const char *text, struct address *a)
{
	char with_port[INET6_ADDRSTRLEN + 16];
	uint8_t ip[16];
	int n = -1;

	if (strncmp(text, ADDRESS_UNIX, sizeof ADDRESS_UNIX - 1) == 0)
		return false;
	if (address_parse(span_of(text), a))
		return true;
	if (inet_pton(AF_INET, text, ip) == 1)
		n = snprintf(
		    with_port, sizeof with_port, "%s:%u", text, DNS_PORT);
	else if (inet_pton(AF_INET6, text, ip) == 1)
		n = snprintf(
		    with_port, sizeof with_port, "[%s]:%u", text, DNS_PORT);
	return n > 0 && (size_t)n < sizeof with_port &&
	       address_parse(span_of(with_port), a);
}

static void
read_servers(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const struct option item = {.type = SERVER_TYPE};
	struct resolver_settings *r = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	if (value->n == 0 || value->n > SERVERS_MAX) {
		errors_add(e, value->at,
		    "expected 1 to %u name servers, found %zu", SERVERS_MAX,
		    value->n);
		return;
	}
	r->servers = read_alloc(e, value, sizeof *r->servers);
	if (r->servers == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next) {
		const char *text = option_text(e, &item, m);

		if (text != NULL &&
		    !parse_server(text, &r->servers[r->nservers++]))
			option_refuse(e, &item, m);
	}
}

static void
read_empty(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const char *text = option_text(e, o, value);
	uint32_t *ms = field;
	uint64_t n;

	if (text == NULL)
		return;
	if (strcmp(text, "keep") == 0)
		*ms = DNS_EMPTY_KEPT;
	else if (opt_parse(OPT_DURATION, span_of(text), &n) && n <= 24 * HOUR)
		*ms = (uint32_t)n;
	else
		option_refuse(e, o, value);
}

/*
 * The end of a range is raised by a long beginning, and the other way round,
 * unless the file has both.
 */
static void
check_range(struct errors *e, const struct node *map, const char *from,
    uint32_t *least, const char *to, uint32_t *most)
{
	const struct node *max = node_get(map, to);

	if (*least <= *most)
		return;
	if (max != NULL && node_get(map, from) != NULL)
		errors_add(e, max->at,
		    "expected at least what \"%s\" says, found \"%s\"", from,
		    max->text);
	if (max != NULL)
		*least = *most;
	else
		*most = *least;
}

void
read_resolver(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct resolver_settings *r = field;
	const size_t before = e->n;

	option_read_map(e, o, value, field);
	if (value->kind != NODE_MAP || e->n != before)
		return;
	check_range(
	    e, value, "min_ttl", &r->min_ttl_ms, "max_ttl", &r->max_ttl_ms);
	check_range(e, value, "backoff", &r->backoff_ms, "max_backoff",
	    &r->max_backoff_ms);
}
