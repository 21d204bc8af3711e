/*
 * Writing, signing and reading cookies: VERSION.EPOCH.EXPIRES.POD.MAC. The MAC
 * is over the service's name and everything in front of it, so whatever else
 * may be read from a text with a good one, we have written it.
 */
#include "router/sticky.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/address.h"
#include "base/check.h"

#define KEY_MAGIC 0x571c0001u

/* Of HMAC-SHA256; a cookie has the first half of it, in hexadecimal. */
#define MAC_BYTES 32u
#define MAC_KEPT  16u
#define MAC_TEXT  (2 * MAC_KEPT)
/* What conf takes as a version's name is no longer. */
#define VERSION_MAX 63u

_Static_assert(VERSION_MAX + sizeof ".4294967295" +
		       sizeof ".18446744073709551615" +
		       sizeof ".0123456789abcdef" + 1 + MAC_TEXT <=
		   STICKY_TEXT_MAX,
    "room for a cookie");

struct sticky_key {
	unsigned magic;
	int refs;	    /* main only */
	EVP_MAC_CTX *keyed; /* never written again: each use has a copy */
};

static EVP_MAC_CTX *
make_keyed(struct span secret)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *keyed = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac);
	if (keyed != NULL &&
	    !EVP_MAC_init(
		keyed, (const unsigned char *)secret.p, secret.n, params)) {
		EVP_MAC_CTX_free(keyed);
		return NULL;
	}
	return keyed;
}

struct sticky_key *
sticky_key_new(struct span secret)
{
	struct sticky_key *k = calloc(1, sizeof *k);

	if (k == NULL)
		return NULL;
	k->magic = KEY_MAGIC;
	k->refs = 1;
	k->keyed = make_keyed(secret);
	if (k->keyed == NULL) {
		free(k);
		return NULL;
	}
	return k;
}

struct sticky_key *
sticky_key_hold(struct sticky_key *k)
{
	if (k == NULL)
		return NULL;
	CHECK_OBJ(k, KEY_MAGIC);
	k->refs++;
	return k;
}

void
sticky_key_drop(struct sticky_key *k)
{
	if (k == NULL)
		return;
	CHECK_OBJ(k, KEY_MAGIC);
	CHECK(k->refs > 0);
	if (--k->refs > 0)
		return;
	EVP_MAC_CTX_free(k->keyed);
	k->magic = 0;
	free(k);
}

static bool
add(EVP_MAC_CTX *c, struct span s)
{
	return EVP_MAC_update(c, (const unsigned char *)s.p, s.n);
}

/*
 * Of what it is for, a text without NUL and any other: no two of them are the
 * same bytes. False without memory.
 */
static bool
sign(const struct sticky_key *k, struct span what_for, struct span first,
    struct span second, unsigned char out[MAC_BYTES])
{
	const struct span nul = {"", 1};
	EVP_MAC_CTX *c;
	size_t n = 0;
	bool done;

	CHECK_OBJ(k, KEY_MAGIC);
	c = EVP_MAC_CTX_dup(k->keyed);
	done = c != NULL && add(c, what_for) && add(c, nul) && add(c, first) &&
	       add(c, nul) && add(c, second) &&
	       EVP_MAC_final(c, out, &n, MAC_BYTES);
	EVP_MAC_CTX_free(c);
	return done && n == MAC_BYTES;
}

/* The part of the MAC that cookies have; false without memory. */
static bool
sign_text(const struct sticky_key *k, struct span service, struct span text,
    char out[MAC_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char mac[MAC_BYTES];

	if (!sign(k, SPAN("cookie"), service, text, mac))
		return false;
	for (size_t i = 0; i < MAC_KEPT; i++) {
		*out++ = digits[mac[i] >> 4];
		*out++ = digits[mac[i] & 15];
	}
	return true;
}

size_t
sticky_write(const struct sticky_key *k, struct span service,
    const struct sticky_mark *m, char buf[STICKY_TEXT_MAX])
{
	size_t n;

	if (m->version.n == 0 || m->version.n > VERSION_MAX)
		return 0;
	n = (size_t)snprintf(buf, STICKY_TEXT_MAX,
	    "%.*s.%" PRIu32 ".%" PRIu64 ".%" PRIx64, SPAN_ARG(m->version),
	    m->epoch, m->expires_s, m->pod);
	CHECK(n + 1 + MAC_TEXT <= STICKY_TEXT_MAX);
	if (!sign_text(k, service, (struct span){buf, n}, buf + n + 1))
		return 0;
	buf[n] = '.';
	return n + 1 + MAC_TEXT;
}

/* What follows the last '.' is cut off; false when there is none. */
static bool
cut_last(struct span *text, struct span *last)
{
	size_t n = text->n;

	while (n > 0 && text->p[n - 1] != '.')
		n--;
	if (n == 0)
		return false;
	*last = (struct span){text->p + n, text->n - n};
	text->n = n - 1;
	return true;
}

/* As sticky_write() writes it: at most 16 digits, lower case. */
static bool
read_hex(struct span s, uint64_t *value)
{
	*value = 0;
	if (s.n == 0 || s.n > 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

bool
sticky_read(const struct sticky_key *k, struct span service, struct span text,
    struct sticky_mark *m)
{
	struct span mac, pod, expires, epoch;
	char good[MAC_TEXT];
	uint64_t number;

	if (text.n > STICKY_TEXT_MAX || !cut_last(&text, &mac) ||
	    mac.n != MAC_TEXT || !sign_text(k, service, text, good) ||
	    CRYPTO_memcmp(mac.p, good, MAC_TEXT) != 0)
		return false;
	if (!cut_last(&text, &pod) || !cut_last(&text, &expires) ||
	    !cut_last(&text, &epoch) || !read_hex(pod, &m->pod) ||
	    !span_to_u64(expires, &m->expires_s) ||
	    !span_to_u64(epoch, &number) || number > UINT32_MAX)
		return false;
	m->epoch = (uint32_t)number;
	m->version = text;
	return true;
}

uint64_t
sticky_pod_id(const struct sticky_key *k, const struct address *a)
{
	unsigned char mac[MAC_BYTES];
	uint64_t id = 0;

	if (!sign(k, SPAN("pod"), SPAN_NONE, span_of(a->text), mac))
		return 0;
	for (size_t i = 0; i < sizeof id; i++)
		id = id << 8 | mac[i];
	return id != 0 ? id : 1;
}
