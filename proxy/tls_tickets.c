/* The ratchet of ticket keys. */
#include "proxy/tls_tickets.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

/* 32 bytes that follow from the secret and a label, and not the other way. */
static void
derive(
    const uint8_t secret[TLS_TICKETS_SEED], const char *label, uint8_t out[32])
{
	unsigned n = 0;

	CHECK(
	    HMAC(EVP_sha256(), secret, TLS_TICKETS_SEED,
		(const unsigned char *)label, strlen(label), out, &n) != NULL &&
	    n == 32);
}

static void
make_key(struct tls_tickets *t)
{
	struct tls_ticket_key *k = &t->keys[0];
	uint8_t name[32];

	derive(t->secret, "name", name);
	memcpy(k->name, name, sizeof k->name);
	derive(t->secret, "cipher", k->cipher);
	derive(t->secret, "mac", k->mac);
}

void
tls_tickets_init(struct tls_tickets *t, const uint8_t seed[TLS_TICKETS_SEED],
    uint64_t now_us)
{
	memset(t, 0, sizeof *t);
	t->period = now_us / TLS_TICKETS_PERIOD_US;
	memcpy(t->secret, seed, sizeof t->secret);
	t->nkeys = 1;
	make_key(t);
}

static void
advance(struct tls_tickets *t)
{
	uint8_t next[32];

	derive(t->secret, "next", next);
	memcpy(t->secret, next, sizeof t->secret);
	OPENSSL_cleanse(next, sizeof next);
	memmove(&t->keys[1], &t->keys[0],
	    (TLS_TICKETS_KEPT - 1) * sizeof t->keys[0]);
	if (t->nkeys < TLS_TICKETS_KEPT)
		t->nkeys++;
	t->period++;
	make_key(t);
}

const struct tls_ticket_key *
tls_tickets_now(struct tls_tickets *t, uint64_t now_us)
{
	while (t->period < now_us / TLS_TICKETS_PERIOD_US)
		advance(t);
	return &t->keys[0];
}

const struct tls_ticket_key *
tls_tickets_find(const struct tls_tickets *t, const uint8_t name[16])
{
	for (unsigned i = 0; i < t->nkeys; i++)
		if (memcmp(t->keys[i].name, name, 16) == 0)
			return &t->keys[i];
	return NULL;
}
