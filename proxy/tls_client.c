/* Contexts towards pods, and the sessions that are resumed. */
#include "proxy/tls_client.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/address.h"
#include "base/check.h"
#include "conf/certificate.h"
#include "conf/pod_trust.h"
#include "router/pod.h"

#define TLS_CLIENT_MAGIC 0x71500003u

struct tls_client {
	unsigned magic;
	TAILQ_ENTRY(tls_client) link;
	uint64_t id;		    /* never used twice on a worker */
	struct pod_trust *settings; /* held */
	bool http2;
	SSL_CTX *ssl;
};

/*
 * What a pod's slot keeps. It is resumed only by the client it was made by:
 * another one may trust others.
 */
struct kept_session {
	SSL_SESSION *session;
	uint64_t client;
};

static void
kept_session_free(void *arg)
{
	struct kept_session *k = arg;

	SSL_SESSION_free(k->session);
	free(k);
}

/* A ticket has come. */
static int
on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct pod_slot *slot = SSL_get_app_data(ssl);
	uint64_t id = (uintptr_t)SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct kept_session *k;

	if (slot == NULL)
		return 0;
	k = slot->tls_session;
	if (k == NULL) {
		k = calloc(1, sizeof *k);
		if (k == NULL)
			return 0;
		slot->tls_session = k;
		slot->tls_session_free = kept_session_free;
	}
	SSL_SESSION_free(k->session);
	k->session = session; /* ours now: 1 says so */
	k->client = id;
	return 1;
}

static bool
set_trust(SSL_CTX *ctx, const struct pod_trust *t)
{
	if (t->trust == NULL)
		return true;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return SSL_CTX_set1_verify_cert_store(ctx, trust_store(t->trust));
}

static bool
set_own(SSL_CTX *ctx, const struct certificate *own)
{
	return own == NULL ||
	       SSL_CTX_use_cert_and_key(ctx, certificate_leaf(own),
		   certificate_key(own), certificate_issuers(own), 1);
}

static bool
set_alpn(SSL_CTX *ctx, bool http2)
{
	static const unsigned char h2[] = "\x02h2", h1[] = "\x08http/1.1";

	/* 0 is success here, unlike elsewhere */
	return SSL_CTX_set_alpn_protos(ctx, http2 ? h2 : h1,
		   (http2 ? sizeof h2 : sizeof h1) - 1) == 0;
}

static SSL_CTX *
client_ssl_ctx(struct tls_client *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_new_session);
	SSL_CTX_set_app_data(ctx, (void *)(uintptr_t)c->id);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
	    set_trust(ctx, c->settings) && set_own(ctx, c->settings->own) &&
	    set_alpn(ctx, c->http2))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static void
tls_client_free(struct tls_client *c)
{
	SSL_CTX_free(c->ssl);
	atomic_fetch_sub(&c->settings->base.keepers, 1);
	pod_tls_drop(&c->settings->base);
	c->magic = 0;
	free(c);
}

static struct tls_client *
tls_client_new(struct pod_tls *settings, bool http2, uint64_t id)
{
	struct tls_client *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->magic = TLS_CLIENT_MAGIC;
	c->id = id;
	c->http2 = http2;
	c->settings = (struct pod_trust *)pod_tls_hold(settings);
	atomic_fetch_add(&settings->keepers, 1);
	c->ssl = client_ssl_ctx(c);
	if (c->ssl == NULL) {
		ERR_clear_error();
		tls_client_free(c);
		return NULL;
	}
	return c;
}

struct tls_client *
tls_client_get(struct tls_clients *list, struct pod_tls *settings, bool http2)
{
	struct tls_client *c;

	TAILQ_FOREACH (c, &list->clients, link)
		if (&c->settings->base == settings && c->http2 == http2)
			return c;
	c = tls_client_new(settings, http2, ++list->last_id);
	if (c != NULL)
		TAILQ_INSERT_HEAD(&list->clients, c, link);
	return c;
}

void
tls_clients_prune(struct tls_clients *list)
{
	struct tls_client *c, *next;

	TAILQ_FOREACH_SAFE (c, &list->clients, link, next) {
		CHECK_OBJ(c, TLS_CLIENT_MAGIC);
		if (atomic_load(&c->settings->base.holders) >
		    atomic_load(&c->settings->base.keepers))
			continue;
		TAILQ_REMOVE(&list->clients, c, link);
		tls_client_free(c);
	}
}

void
tls_clients_free(struct tls_clients *list)
{
	struct tls_client *c;

	while ((c = TAILQ_FIRST(&list->clients)) != NULL) {
		TAILQ_REMOVE(&list->clients, c, link);
		tls_client_free(c);
	}
}

/*
 * Whose certificate it must be (RFC 9110 4.3.4): a name, or an address. A
 * Unix socket without a name is nobody's to verify.
 */
static bool
set_identity(SSL *ssl, const struct pod_trust *t, const struct address *a)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (t->name != NULL)
		return SSL_set_tlsext_host_name(ssl, t->name) &&
		       SSL_set1_host(ssl, t->name);
	if (address_is_unix(a))
		return pod_trust_suits(&t->base, a);
	if (a->sa.ss_family == AF_INET6)
		return X509_VERIFY_PARAM_set1_ip(param,
		    ((const struct sockaddr_in6 *)&a->sa)->sin6_addr.s6_addr,
		    16);
	return X509_VERIFY_PARAM_set1_ip(param,
	    (const unsigned char *)&((const struct sockaddr_in *)&a->sa)
		->sin_addr,
	    4);
}

SSL *
tls_client_ssl(
    struct tls_client *c, const struct address *address, struct pod_slot *slot)
{
	struct kept_session *k = slot != NULL ? slot->tls_session : NULL;
	SSL *ssl;

	CHECK_OBJ(c, TLS_CLIENT_MAGIC);
	ssl = SSL_new(c->ssl);
	if (ssl == NULL || !set_identity(ssl, c->settings, address)) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_app_data(ssl, slot);
	if (k != NULL && k->client == c->id &&
	    SSL_SESSION_is_resumable(k->session))
		SSL_set_session(ssl, k->session);
	return ssl;
}
