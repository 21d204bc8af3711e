/* The client behind proxies: reading X-Forwarded-For from its end. */
#include "proxy/client_address.h"

#include <arpa/inet.h>

/* What follows the address: nothing, or ":port". */
static bool
valid_rest(struct span rest)
{
	uint64_t port;

	if (rest.n == 0)
		return true;
	return rest.p[0] == ':' &&
	       span_to_u64((struct span){rest.p + 1, rest.n - 1}, &port) &&
	       port <= UINT16_MAX;
}

/* The address of "address", "[address]", or of either with a port. */
static bool
without_port(struct span element, struct span *ip)
{
	const char *colon, *end = element.p + element.n, *close;

	if (element.n > 0 && element.p[0] == '[') {
		close = memchr(element.p, ']', element.n);
		if (close == NULL)
			return false;
		*ip = (struct span){
		    element.p + 1, (size_t)(close - element.p) - 1};
		close++;
		return memchr(ip->p, ':', ip->n) != NULL &&
		       valid_rest((struct span){close, (size_t)(end - close)});
	}
	*ip = element;
	colon = element.n > 0 ? memchr(element.p, ':', element.n) : NULL;
	if (colon == NULL ||
	    memchr(colon + 1, ':', (size_t)(end - colon) - 1) != NULL)
		return true;
	ip->n = (size_t)(colon - element.p);
	return valid_rest((struct span){colon, (size_t)(end - colon)});
}

bool
client_address_parse(struct span element, int *family, uint8_t *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN];
	struct span ip;

	if (!without_port(element, &ip) || ip.n >= sizeof text)
		return false;
	memcpy(text, ip.p, ip.n);
	text[ip.n] = '\0';
	if (strlen(text) != ip.n)
		return false;
	*family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(*family, text, address) != 1)
		return false;
	if (*family == AF_INET6 && memcmp(address, mapped, 12) == 0) {
		*family = AF_INET;
		memmove(address, address + 12, 4);
	}
	return true;
}

static void
set_client(struct request *r, int family, const uint8_t *address)
{
	r->family = family;
	memcpy(r->client, address, family == AF_INET ? 4 : 16);
}

/* Cuts the last element off *list, trimmed; false when it is at its end. */
static bool
take_last(struct span *list, struct span *element)
{
	while (list->n > 0) {
		const char *comma = memrchr(list->p, ',', list->n);
		size_t keep = comma != NULL ? (size_t)(comma - list->p) + 1 : 0;

		*element =
		    span_trim((struct span){list->p + keep, list->n - keep});
		list->n = comma != NULL ? keep - 1 : 0;
		if (element->n > 0)
			return true;
	}
	return false;
}

/* Whether the client may still be further left. */
static bool
follow(struct request *r, const struct forward *f, struct span list)
{
	uint8_t address[16];
	struct span element;
	int family;

	while (take_last(&list, &element)) {
		if (!client_address_parse(element, &family, address))
			return false;
		set_client(r, family, address);
		if (!cidr_any_has(f->trusted, f->ntrusted, family, address))
			return false;
	}
	return true;
}

/*
 * Written with '-' only: a proxy that adds the field may not know those that
 * its client wrote with '_'.
 */
static bool
forwarded_for(const struct field *f)
{
	return f->id == FIELD_X_FORWARDED_FOR &&
	       memchr(f->name.p, '_', f->name.n) == NULL;
}

void
client_address_find(
    struct request *r, const struct forward *f, int family, const uint8_t *peer)
{
	bool trusted = cidr_any_has(f->trusted, f->ntrusted, family, peer);

	set_client(r, family, peer);
	for (unsigned i = r->nfields; trusted && i-- > 0;)
		if (forwarded_for(&r->fields[i]))
			trusted = follow(r, f, r->fields[i].value);
}
