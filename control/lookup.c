/*
 * A resolver of its own for each lookup: they are few, and what they ask by is
 * what the config says at that moment.
 */
#include "control/lookup.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "conf/settings.h"
#include "control/resolver.h"

#define LOOKUP_MAGIC 0x100c0001u

struct lookup {
	unsigned magic;
	struct resolver *resolver;
	/* the resolver must be out of the way when its owner ends it */
	struct event end;
	enum dns_family family;
	char host[DNS_NAME_MAX];
	uint16_t port;
	struct address list[LOOKUP_MAX];
	size_t n;
	enum dns_type type;	  /* that is asked for */
	enum dns_outcome outcome; /* DNS_OK: none yet */
	lookup_done *done;
	void *arg;
};

void
lookup_cancel(struct lookup *l)
{
	if (l == NULL)
		return;
	CHECK_OBJ(l, LOOKUP_MAGIC);
	resolver_free(l->resolver);
	event_del(&l->end);
	l->magic = 0;
	free(l);
}

static void
lookup_on_end(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = arg;
	struct address list[LOOKUP_MAX];
	const size_t n = l->n;
	lookup_done *done = l->done;
	void *owner = l->arg;
	char why[64];

	(void)fd;
	(void)what;
	CHECK_OBJ(l, LOOKUP_MAGIC);
	memcpy(list, l->list, sizeof list);
	snprintf(
	    why, sizeof why, "%s", n > 0 ? "" : dns_outcome_words(l->outcome));
	lookup_cancel(l);
	done(owner, list, n, why);
}

static void
take(struct lookup *l, const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->n && l->n < LOOKUP_MAX; i++) {
		const uint8_t *ip = answer->records[i].ip;
		struct address *a = &l->list[l->n++];

		*a = (struct address){.len = 0};
		if (answer->type == DNS_A) {
			struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;

			in->sin_family = AF_INET;
			memcpy(&in->sin_addr, ip, sizeof in->sin_addr);
			a->len = sizeof *in;
		} else {
			struct sockaddr_in6 *in6 =
			    (struct sockaddr_in6 *)&a->sa;

			in6->sin6_family = AF_INET6;
			memcpy(&in6->sin6_addr, ip, sizeof in6->sin6_addr);
			a->len = sizeof *in6;
		}
		address_set_port(a, l->port);
	}
}

static void lookup_ask(struct lookup *l, enum dns_type type);

/* IPv6 is asked for where there is no IPv4. */
static void
lookup_on_answer(void *arg, enum dns_outcome outcome, struct dns_answer *answer)
{
	struct lookup *l = arg;

	CHECK_OBJ(l, LOOKUP_MAGIC);
	if (outcome == DNS_OK)
		take(l, answer);
	dns_answer_clear(answer);
	if (outcome == DNS_CANCELLED)
		return;
	/* that there is no address is known only where nobody has failed */
	if (!dns_failed(l->outcome))
		l->outcome = outcome;
	if (l->n == 0 && l->type == DNS_A && l->family != DNS_FAMILY_IPV4 &&
	    outcome != DNS_NXDOMAIN)
		lookup_ask(l, DNS_AAAA);
	else
		event_active(&l->end, EV_TIMEOUT, 0);
}

static void
lookup_ask(struct lookup *l, enum dns_type type)
{
	l->type = type;
	resolver_ask(l->resolver, l->host, type, true, lookup_on_answer, l);
}

struct lookup *
lookup_begin(struct event_base *base, const struct resolver_settings *settings,
    const char *host, uint16_t port, lookup_done *done, void *arg, char *why,
    size_t why_size)
{
	struct lookup *l = calloc(1, sizeof *l);

	snprintf(why, why_size, "out of memory");
	if (l == NULL)
		return NULL;
	l->magic = LOOKUP_MAGIC;
	l->family = settings->family;
	l->port = port;
	l->done = done;
	l->arg = arg;
	snprintf(l->host, sizeof l->host, "%s", host);
	evtimer_assign(&l->end, base, lookup_on_end, l);
	l->resolver = resolver_new(base, settings, why, why_size);
	if (l->resolver == NULL) {
		lookup_cancel(l);
		return NULL;
	}
	lookup_ask(l, l->family == DNS_FAMILY_IPV6 ? DNS_AAAA : DNS_A);
	return l;
}
