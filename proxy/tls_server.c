/* Contexts of a listener: one for each set of certificates a name has. */
#include "proxy/tls_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/check.h"
#include "base/clock.h"
#include "conf/certificate.h"
#include "conf/settings.h"
#include "proxy/tls.h"
#include "proxy/tls_tickets.h"

#define TLS_SERVER_MAGIC 0x71500002u

/* How long a ticket is good for, in seconds; its key lives a little longer. */
#define SESSION_SECONDS 7200

/* Certificates of one name differ in the kind of their key. */
#define KINDS_MAX 4u

/* A name that clients ask for, and one certificate that is good for it. */
struct claim {
	struct span name;
	unsigned certificate;
};

struct context {
	SSL_CTX *ssl;
	struct certificate *certificates[KINDS_MAX]; /* held */
	unsigned n;
};

struct tls_server {
	unsigned magic;
	_Atomic unsigned holders;
	bool http2, asks;
	struct context *contexts; /* the first is for who names no host */
	size_t ncontexts;
	/* sorted; the names are the certificates' */
	struct served {
		struct span name;
		size_t context;
	} * names;
	size_t nnames;
};

static int
span_order(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int
claim_order(const void *va, const void *vb)
{
	const struct claim *a = va, *b = vb;
	int order = span_order(a->name, b->name);

	return order != 0 ? order
			  : (a->certificate > b->certificate) -
				(a->certificate < b->certificate);
}

static int
served_order(const void *va, const void *vb)
{
	const struct served *a = va, *b = vb;

	return span_order(a->name, b->name);
}

static const struct served *
find_name(const struct tls_server *s, struct span name)
{
	struct served key = {.name = name};

	return bsearch(
	    &key, s->names, s->nnames, sizeof s->names[0], served_order);
}

/* Exact, else with "*" for the first label (RFC 6125 6.4.3). */
static const struct served *
find_host(const struct tls_server *s, const char *host)
{
	const char *dot = strchr(host, '.');
	char name[256];
	size_t n = strlen(host);
	const struct served *found;

	if (n >= sizeof name)
		return NULL;
	for (size_t i = 0; i <= n; i++)
		name[i] =
		    (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] | 0x20
							    : host[i]);
	found = find_name(s, (struct span){name, n});
	if (found != NULL || dot == NULL || dot == host)
		return found;
	n -= (size_t)(dot - host) - 1; /* room for the star */
	name[dot - host - 1] = '*';
	return find_name(s, (struct span){name + (dot - host) - 1, n});
}

static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct tls_server *s = arg;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct served *found;

	(void)alert;
	CHECK_OBJ(s, TLS_SERVER_MAGIC);
	if (host == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	found = find_host(s, host);
	if (found == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_SSL_CTX(ssl, s->contexts[found->context].ssl);
	return SSL_TLSEXT_ERR_OK;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n,
    const unsigned char *offered, unsigned noffered, void *arg)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";
	struct tls_server *s = arg;
	unsigned skip = s->http2 ? 0 : 3;

	(void)ssl;
	CHECK_OBJ(s, TLS_SERVER_MAGIC);
	return SSL_select_next_proto((unsigned char **)out, n, ours + skip,
		   sizeof ours - 1 - skip, offered,
		   noffered) == OPENSSL_NPN_NEGOTIATED
		   ? SSL_TLSEXT_ERR_OK
		   : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Staples the response of the certificate that was chosen. */
static int
on_status_request(SSL *ssl, void *arg)
{
	struct tls_server *s = arg;
	const X509 *leaf = SSL_get_certificate(ssl);

	CHECK_OBJ(s, TLS_SERVER_MAGIC);
	for (size_t i = 0; i < s->ncontexts; i++)
		for (unsigned j = 0; j < s->contexts[i].n; j++) {
			struct certificate *c = s->contexts[i].certificates[j];
			struct span response = certificate_ocsp(c);
			void *copy;

			if (certificate_leaf(c) != leaf)
				continue;
			copy = OPENSSL_memdup(response.p, response.n);
			if (response.n == 0 || copy == NULL ||
			    time(NULL) >= certificate_ocsp_until(c)) {
				OPENSSL_free(copy);
				return SSL_TLSEXT_ERR_NOACK;
			}
			SSL_set_tlsext_status_ocsp_resp(
			    ssl, copy, (long)response.n);
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_NOACK;
}

static bool
set_ticket_mac(EVP_MAC_CTX *mac, const struct tls_ticket_key *k)
{
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(
		OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)k->mac, sizeof k->mac),
	    OSSL_PARAM_construct_utf8_string(
		OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
	    OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 2 renew, 0 unknown. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	struct tls_wire *w = SSL_get_app_data(ssl);
	const struct tls_ticket_key *now =
	    tls_tickets_now(w->tickets, clock_now_us());
	const struct tls_ticket_key *k = now;

	if (!encrypt) {
		k = tls_tickets_find(w->tickets, name);
		if (k == NULL)
			return 0;
		return set_ticket_mac(mac, k) &&
			       EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(),
				   NULL, k->cipher, iv) == 1
			   ? k == now ? 1 : 2
			   : -1;
	}
	memcpy(name, k->name, sizeof k->name);
	return RAND_bytes(iv, 16) == 1 && set_ticket_mac(mac, k) &&
		       EVP_EncryptInit_ex(
			   cipher, EVP_aes_256_cbc(), NULL, k->cipher, iv) == 1
		   ? 1
		   : -1;
}

static void
set_callbacks(struct tls_server *s, SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, s);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, s);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_tlsext_status_cb(ctx, on_status_request);
	SSL_CTX_set_tlsext_status_arg(ctx, s);
}

/*
 * TLS 1.2 with forward secrecy and AEAD only, as Mozilla's intermediate
 * profile and RFC 9325 4.2 have it; TLS 1.3 has nothing else.
 */
static bool
set_ciphers(SSL_CTX *ctx, const struct tls_settings *t)
{
	static const char modern[] =
	    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
	    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
	    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

	return SSL_CTX_set_cipher_list(
		   ctx, t->ciphers != NULL ? t->ciphers : modern) &&
	       (t->ciphersuites == NULL ||
		   SSL_CTX_set_ciphersuites(ctx, t->ciphersuites));
}

static bool
set_client_ca(SSL_CTX *ctx, const struct tls_settings *t)
{
	STACK_OF(X509) * ca;

	if (t->client_ca == NULL)
		return true;
	ca = trust_authorities(t->client_ca);
	for (int i = 0; ca != NULL && i < sk_X509_num(ca); i++)
		if (!SSL_CTX_add_client_CA(ctx, sk_X509_value(ca, i)))
			return false;
	SSL_CTX_set_verify(ctx,
	    SSL_VERIFY_PEER |
		(t->client_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
	    NULL);
	return SSL_CTX_set1_verify_cert_store(ctx, trust_store(t->client_ca));
}

/*
 * Sessions are resumed only where the same clients would be let in by a full
 * handshake, too.
 */
static bool
set_scope(SSL_CTX *ctx, const struct tls_settings *t, const char *scope)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	STACK_OF(X509) *ca = NULL;
	bool ok;

	if (t->client_ca != NULL)
		ca = trust_authorities(t->client_ca);
	ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) &&
	     EVP_DigestUpdate(md, scope, strlen(scope)) &&
	     EVP_DigestUpdate(
		 md, &t->client_optional, sizeof t->client_optional);
	for (int i = 0; ok && ca != NULL && i < sk_X509_num(ca); i++)
		ok = X509_digest(
			 sk_X509_value(ca, i), EVP_sha256(), digest, &n) &&
		     EVP_DigestUpdate(md, digest, n);
	ok = ok && EVP_DigestFinal_ex(md, digest, &n) &&
	     SSL_CTX_set_session_id_context(ctx, digest,
		 n < SSL_MAX_SID_CTX_LENGTH ? n : SSL_MAX_SID_CTX_LENGTH);
	EVP_MD_CTX_free(md);
	return ok;
}

static SSL_CTX *
context_ssl(
    struct tls_server *s, const struct tls_settings *t, const char *scope)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
	SSL_CTX_set_dh_auto(ctx, 1);
	set_callbacks(s, ctx);
	if (SSL_CTX_set_min_proto_version(ctx, t->min_version) &&
	    set_ciphers(ctx, t) && set_client_ca(ctx, t) &&
	    set_scope(ctx, t, scope))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static bool
context_add(struct context *c, struct certificate *certificate)
{
	CHECK(c->n < KINDS_MAX);
	if (!SSL_CTX_use_cert_and_key(c->ssl, certificate_leaf(certificate),
		certificate_key(certificate), certificate_issuers(certificate),
		1))
		return false;
	c->certificates[c->n++] = certificate_hold(certificate);
	return true;
}

/* One with just these certificates; false when it cannot be made. */
static bool
context_for(struct tls_server *s, const struct tls_settings *t,
    const char *scope, const unsigned *certificates, unsigned n, size_t *found)
{
	struct context *c;

	for (*found = 0; *found < s->ncontexts; ++*found) {
		unsigned same = 0;

		c = &s->contexts[*found];
		while (same < n && same < c->n &&
		       c->certificates[same] ==
			   t->certificates[certificates[same]])
			same++;
		if (same == n && c->n == n)
			return true;
	}
	c = &s->contexts[s->ncontexts++];
	c->ssl = context_ssl(s, t, scope);
	if (c->ssl == NULL)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!context_add(c, t->certificates[certificates[i]]))
			return false;
	return true;
}

/* Every name of every certificate, sorted. NULL without memory. */
static struct claim *
claims_new(const struct tls_settings *t, size_t *n)
{
	struct claim *claims;
	size_t room = 1;
	struct span name;

	for (size_t i = 0; i < t->ncertificates; i++)
		for (size_t j = 0;
		     certificate_name(t->certificates[i], j).p != NULL; j++)
			room++;
	claims = calloc(room, sizeof *claims);
	*n = 0;
	for (size_t i = 0; claims != NULL && i < t->ncertificates; i++)
		for (size_t j = 0;
		     (name = certificate_name(t->certificates[i], j)).p != NULL;
		     j++)
			claims[(*n)++] = (struct claim){name, (unsigned)i};
	if (claims != NULL)
		qsort(claims, *n, sizeof *claims, claim_order);
	return claims;
}

/* The certificates of the name that the first claim is about. */
static unsigned
claim_group(const struct claim *claims, size_t n, unsigned list[KINDS_MAX],
    size_t *used)
{
	unsigned count = 0;

	for (*used = 0; *used < n; ++*used) {
		unsigned c = claims[*used].certificate;

		if (span_order(claims[*used].name, claims[0].name) != 0)
			break;
		if (count < KINDS_MAX && (count == 0 || list[count - 1] != c))
			list[count++] = c;
	}
	return count;
}

static bool
add_names(struct tls_server *s, const struct tls_settings *t, const char *scope,
    const struct claim *claims, size_t n)
{
	unsigned list[KINDS_MAX], count;
	size_t used;

	for (size_t at = 0; at < n; at += used) {
		struct served *name = &s->names[s->nnames];

		count = claim_group(claims + at, n - at, list, &used);
		if (!context_for(s, t, scope, list, count, &name->context))
			return false;
		name->name = claims[at].name;
		s->nnames++;
	}
	return true;
}

/* What is shown to who asks for nothing: the first certificate's first name,
 * in all kinds of keys. */
static bool
add_default(struct tls_server *s, const struct tls_settings *t,
    const char *scope, const struct claim *claims, size_t n)
{
	struct span name = certificate_name(t->certificates[0], 0);
	unsigned list[KINDS_MAX] = {0}, count = 1;
	size_t used, found;

	for (size_t at = 0; name.p != NULL && at < n; at++)
		if (span_order(claims[at].name, name) == 0) {
			count = claim_group(claims + at, n - at, list, &used);
			break;
		}
	return context_for(s, t, scope, list, count, &found);
}

struct tls_server *
tls_server_new(const struct tls_settings *settings, bool http2,
    const char *scope, char *why, size_t why_size)
{
	struct tls_server *s = calloc(1, sizeof *s);
	struct claim *claims = NULL;
	size_t n = 0;
	unsigned long error;

	snprintf(why, why_size, "out of memory");
	if (s == NULL)
		return NULL;
	s->magic = TLS_SERVER_MAGIC;
	s->holders = 1;
	s->http2 = http2;
	s->asks = settings->client_ca != NULL;
	claims = claims_new(settings, &n);
	s->contexts = calloc(n + 1, sizeof *s->contexts);
	s->names = calloc(n + 1, sizeof *s->names);
	if (claims != NULL && s->contexts != NULL && s->names != NULL &&
	    add_default(s, settings, scope, claims, n) &&
	    add_names(s, settings, scope, claims, n)) {
		free(claims);
		return s;
	}
	error = ERR_get_error();
	if (error != 0)
		ERR_error_string_n(error, why, why_size);
	ERR_clear_error();
	free(claims);
	tls_server_drop(s);
	return NULL;
}

struct tls_server *
tls_server_hold(struct tls_server *s)
{
	CHECK_OBJ(s, TLS_SERVER_MAGIC);
	atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);
	return s;
}

static void
context_clear(struct context *c)
{
	SSL_CTX_free(c->ssl);
	for (unsigned i = 0; i < c->n; i++)
		certificate_drop(c->certificates[i]);
}

void
tls_server_drop(struct tls_server *s)
{
	if (s == NULL)
		return;
	CHECK_OBJ(s, TLS_SERVER_MAGIC);
	if (atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) > 1)
		return;
	s->magic = 0;
	for (size_t i = 0; i < s->ncontexts; i++)
		context_clear(&s->contexts[i]);
	free(s->contexts);
	free(s->names);
	free(s);
}

SSL *
tls_server_ssl(struct tls_server *s)
{
	CHECK_OBJ(s, TLS_SERVER_MAGIC);
	return SSL_new(s->contexts[0].ssl);
}

bool
tls_server_asks(const struct tls_server *s)
{
	CHECK_OBJ(s, TLS_SERVER_MAGIC);
	return s->asks;
}
