/*
 * What one round of questions about a name found: hosts with ports and
 * weights, and the addresses of each host. Pure; main thread only.
 */
#ifndef CONTROL_NAME_TARGETS_H
#define CONTROL_NAME_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "control/dns_answer.h"

struct address;

/* One question about a host. */
struct part {
	char *host;
	enum dns_type type;
	bool asked, answered;
	enum dns_outcome outcome;
	uint32_t ttl;
	uint8_t (*ips)[16];
	size_t nips;
};

/* Where pods are: SRV gives several. */
struct target {
	size_t part; /* the first about its host; the others follow it */
	uint16_t port, weight;
};

struct targets {
	struct part *parts;
	size_t nparts;
	struct target *list;
	size_t n;
	bool cut; /* there were more of them */
};

void targets_clear(struct targets *t);

/* One more question; NULL without memory. */
struct part *targets_part(
    struct targets *t, const char *host, enum dns_type type);
/* One more host, with its questions unless they are there. -1: no memory. */
int targets_add(struct targets *t, const char *host, enum dns_family family,
    uint16_t port, uint16_t weight);
/*
 * The hosts of the records with the lowest priority. Weights become those of
 * pods, in the same proportion; 0 becomes the least. -1 without memory.
 */
int targets_add_srv(
    struct targets *t, const struct dns_answer *answer, enum dns_family family);
/* The same hosts, nothing of them known. -1 without memory. */
int targets_copy(struct targets *t, const struct targets *from);

/* What a part was answered. -1 without memory. */
int part_take(struct part *p, const struct dns_answer *answer);
/* A part that failed has what it had before. */
void targets_inherit(struct targets *t, struct targets *before);

/*
 * All addresses in order, none twice, at most NAME_ADDRESSES_MAX; *cut when
 * there were more. The caller frees both; -1 without memory.
 */
int targets_addresses(const struct targets *t, struct address **list,
    uint16_t **weights, size_t *n, bool *cut);

#endif
