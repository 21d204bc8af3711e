/* From the records of a name to addresses of pods. */
#include "control/name_targets.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "router/draw.h"

/* Many ports of hosts that have many addresses: no more than so many of them
 * are looked at. */
#define FOUND_MAX (16u * NAME_ADDRESSES_MAX)

void
targets_clear(struct targets *t)
{
	for (size_t i = 0; i < t->nparts; i++) {
		free(t->parts[i].host);
		free(t->parts[i].ips);
	}
	free(t->parts);
	free(t->list);
	*t = (struct targets){0};
}

struct part *
targets_part(struct targets *t, const char *host, enum dns_type type)
{
	struct part *parts =
	    reallocarray(t->parts, t->nparts + 1, sizeof *parts);
	char *copy = strdup(host);

	if (parts != NULL)
		t->parts = parts;
	if (parts == NULL || copy == NULL) {
		free(copy);
		return NULL;
	}
	parts[t->nparts] = (struct part){.host = copy, .type = type};
	return &parts[t->nparts++];
}

/* The first question about the host, made if need be; -1 without memory. */
static int
find_part(
    struct targets *t, const char *host, enum dns_family family, size_t *found)
{
	size_t first = t->nparts;

	/* those of the same host come one after the other */
	if (t->n > 0 &&
	    strcasecmp(t->parts[t->list[t->n - 1].part].host, host) == 0) {
		*found = t->list[t->n - 1].part;
		return 0;
	}
	*found = first;
	if (family != DNS_FAMILY_IPV6 && targets_part(t, host, DNS_A) == NULL)
		return -1;
	if (family != DNS_FAMILY_IPV4 &&
	    targets_part(t, host, DNS_AAAA) == NULL)
		return -1;
	return 0;
}

int
targets_add(struct targets *t, const char *host, enum dns_family family,
    uint16_t port, uint16_t weight)
{
	struct target *list = reallocarray(t->list, t->n + 1, sizeof *list);
	size_t part;

	if (list == NULL)
		return -1;
	t->list = list;
	if (find_part(t, host, family, &part) < 0)
		return -1;
	list[t->n++] =
	    (struct target){.part = part, .port = port, .weight = weight};
	return 0;
}

/* By priority, then by host, so that a cut is always the same. */
static int
srv_order(const void *va, const void *vb)
{
	const struct dns_srv *a = (*(const struct dns_record *const *)va)->srv;
	const struct dns_srv *b = (*(const struct dns_record *const *)vb)->srv;
	int order = (int)a->priority - (int)b->priority;

	if (order == 0)
		order = strcasecmp(a->target, b->target);
	return order != 0 ? order : (int)a->port - (int)b->port;
}

static uint16_t
pod_weight(uint16_t weight, uint16_t most)
{
	uint32_t w = weight;

	if (most > POD_WEIGHT_MAX)
		w = w * POD_WEIGHT_MAX / most;
	return w > 0 ? (uint16_t)w : 1;
}

static int
add_group(struct targets *t, const struct dns_record *const *records, size_t n,
    enum dns_family family)
{
	uint16_t most = 0;
	size_t group = 0;

	for (; group < n &&
	       records[group]->srv->priority == records[0]->srv->priority;
	     group++)
		if (records[group]->srv->weight > most)
			most = records[group]->srv->weight;
	t->cut = group > NAME_ADDRESSES_MAX;
	for (size_t i = 0; i < group && i < NAME_ADDRESSES_MAX; i++) {
		const struct dns_srv *s = records[i]->srv;

		if (targets_add(t, s->target, family, s->port,
			pod_weight(s->weight, most)) < 0)
			return -1;
	}
	return 0;
}

int
targets_add_srv(
    struct targets *t, const struct dns_answer *answer, enum dns_family family)
{
	const struct dns_record **list =
	    calloc(answer->n + 1, sizeof(struct dns_record *));
	size_t n = 0;
	int rc;

	if (list == NULL)
		return -1;
	for (size_t i = 0; i < answer->n; i++)
		if (answer->records[i].srv->target[0] != '\0' &&
		    answer->records[i].srv->port != 0)
			list[n++] = &answer->records[i];
	if (n > 0)
		qsort(list, n, sizeof(struct dns_record *), srv_order);
	rc = n > 0 ? add_group(t, list, n, family) : 0;
	free(list);
	return rc;
}

int
targets_copy(struct targets *t, const struct targets *from)
{
	/* the SRV question itself comes first, in both */
	const size_t own = t->nparts;

	if (from->n == 0)
		return 0;
	t->list = calloc(from->n, sizeof *t->list);
	if (t->list == NULL)
		return -1;
	for (size_t i = own; i < from->nparts; i++)
		if (targets_part(t, from->parts[i].host, from->parts[i].type) ==
		    NULL)
			return -1;
	memcpy(t->list, from->list, from->n * sizeof *t->list);
	t->n = from->n;
	t->cut = from->cut;
	return 0;
}

static int
ip_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof *((struct part *)NULL)->ips);
}

int
part_take(struct part *p, const struct dns_answer *answer)
{
	p->ttl = answer->ttl;
	if (p->type == DNS_SRV || answer->n == 0)
		return 0;
	p->ips = calloc(answer->n, sizeof *p->ips);
	if (p->ips == NULL)
		return -1;
	for (size_t i = 0; i < answer->n; i++)
		memcpy(p->ips[i], answer->records[i].ip, sizeof p->ips[i]);
	p->nips = answer->n;
	/* servers rotate them; a cut is to be the same each time */
	qsort(p->ips, p->nips, sizeof *p->ips, ip_order);
	return 0;
}

void
targets_inherit(struct targets *t, struct targets *before)
{
	size_t at = 0;

	for (size_t i = 0; i < t->nparts; i++) {
		struct part *p = &t->parts[i];

		if (!dns_failed(p->outcome))
			continue;
		/* both are in the same order, mostly */
		for (size_t k = 0; k < before->nparts; k++) {
			struct part *b =
			    &before->parts[(at + k) % before->nparts];

			if (b->type != p->type ||
			    strcasecmp(b->host, p->host) != 0)
				continue;
			p->ips = b->ips;
			p->nips = b->nips;
			b->ips = NULL;
			b->nips = 0;
			at = (at + k + 1) % before->nparts;
			break;
		}
	}
}

/* An address with what it weighs, to be sorted. */
struct found {
	struct address address;
	uint16_t weight;
};

static int
found_order(const void *va, const void *vb)
{
	const struct found *a = va, *b = vb;

	if (a->address.len != b->address.len)
		return a->address.len < b->address.len ? -1 : 1;
	return memcmp(&a->address.sa, &b->address.sa, a->address.len);
}

/* False for one that is nowhere to connect to, such as 0.0.0.0. */
static bool
make_address(
    enum dns_type type, const uint8_t *ip, uint16_t port, struct address *a)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;
	struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;
	const size_t n = type == DNS_A ? 4 : 16;

	*a = (struct address){.len = type == DNS_A ? sizeof *in : sizeof *in6};
	if (type == DNS_A) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, ip, n);
	} else {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, ip, n);
	}
	if (address_peer_fault(a) != NULL)
		return false;
	address_set_port(a, port);
	return true;
}

/* How many questions there are about the host of this one. */
static size_t
parts_of(const struct targets *t, size_t first)
{
	size_t n = 1;

	while (first + n < t->nparts &&
	       strcasecmp(t->parts[first + n].host, t->parts[first].host) == 0)
		n++;
	return n;
}

/* At most so many. */
static size_t
find_all(const struct targets *t, struct found *all, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct target *to = &t->list[i];
		const size_t end = to->part + parts_of(t, to->part);

		for (size_t k = to->part; k < end; k++) {
			const struct part *p = &t->parts[k];

			for (size_t j = 0; j < p->nips && n < most; j++)
				if (make_address(p->type, p->ips[j], to->port,
					&all[n].address))
					all[n++].weight = to->weight;
		}
	}
	return n;
}

static size_t
count_all(const struct targets *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const size_t first = t->list[i].part;

		for (size_t k = 0; k < parts_of(t, first); k++)
			n += t->parts[first + k].nips;
	}
	return n;
}

/* Sorted ones without those that are there twice; how many are left. */
static size_t
drop_duplicates(struct found *all, size_t found)
{
	size_t n = 0;

	for (size_t i = 0; i < found; i++)
		if (n == 0 || !address_eq(&all[i].address, &all[n - 1].address))
			all[n++] = all[i];
	return n;
}

int
targets_addresses(const struct targets *t, struct address **list,
    uint16_t **weights, size_t *n, bool *cut)
{
	const size_t count = count_all(t);
	const size_t room = count < FOUND_MAX ? count : FOUND_MAX;
	struct found *all = calloc(room + 1, sizeof *all);
	size_t found;

	*list = NULL;
	*weights = NULL;
	if (all == NULL)
		return -1;
	found = find_all(t, all, room);
	qsort(all, found, sizeof *all, found_order);
	found = drop_duplicates(all, found);
	*cut = t->cut || count > FOUND_MAX || found > NAME_ADDRESSES_MAX;
	*n = found < NAME_ADDRESSES_MAX ? found : NAME_ADDRESSES_MAX;
	*list = calloc(*n + 1, sizeof **list);
	*weights = calloc(*n + 1, sizeof **weights);
	for (size_t i = 0; *list != NULL && *weights != NULL && i < *n; i++) {
		(*list)[i] = all[i].address;
		(*weights)[i] = all[i].weight;
	}
	free(all);
	if (*list != NULL && *weights != NULL)
		return 0;
	free(*list);
	free(*weights);
	return -1;
}
