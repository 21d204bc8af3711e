/*
 * The keys of session tickets (RFC 5077, RFC 8446 4.6.1): a ratchet. Each
 * period's secret is a hash of the one before, which is wiped, so keys of the
 * past cannot be had from the present; and all workers, started with the same
 * seed, agree without talking to each other. One thread each.
 */
#ifndef PROXY_TLS_TICKETS_H
#define PROXY_TLS_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

/* Tickets are made with a key for one period and taken for two more. */
#define TLS_TICKETS_PERIOD_US UINT64_C(3600000000)
#define TLS_TICKETS_KEPT      3u
#define TLS_TICKETS_SEED      32u

struct tls_ticket_key {
	uint8_t name[16];
	uint8_t cipher[32]; /* AES-256-CBC */
	uint8_t mac[32];    /* HMAC-SHA-256 */
};

struct tls_tickets {
	uint64_t period; /* of keys[0] */
	uint8_t secret[TLS_TICKETS_SEED];
	struct tls_ticket_key keys[TLS_TICKETS_KEPT]; /* newest first */
	unsigned nkeys;
};

/* The seed is the secret of the period that now_us (monotonic) is in. */
void tls_tickets_init(struct tls_tickets *t,
    const uint8_t seed[TLS_TICKETS_SEED], uint64_t now_us);
/* Forgets keys that are too old; the current one. */
const struct tls_ticket_key *tls_tickets_now(
    struct tls_tickets *t, uint64_t now_us);
/* The key of that name, NULL when it is too old or never was. */
const struct tls_ticket_key *tls_tickets_find(
    const struct tls_tickets *t, const uint8_t name[16]);

#endif
