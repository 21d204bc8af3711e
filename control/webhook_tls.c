/* OpenSSL under a bufferevent, with the authorities that the system has now. */
#include "control/webhook_tls.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "control/dns_answer.h"
#include "proxy/tls.h"

/* The dot that ends a name is none of its (RFC 6066 3). */
static bool
set_host(SSL *ssl, const char *host, bool numeric)
{
	char name[DNS_NAME_MAX];
	size_t n;

	if (numeric)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	snprintf(name, sizeof name, "%s", host);
	n = strlen(name);
	if (n > 1 && name[n - 1] == '.')
		name[n - 1] = '\0';
	return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

static SSL *
make_ssl(const char *host, bool numeric)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;

	if (ctx != NULL && SSL_CTX_set_default_verify_paths(ctx) &&
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION)) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		ssl = SSL_new(ctx);
	}
	SSL_CTX_free(ctx); /* the connection holds it */
	if (ssl != NULL && !set_host(ssl, host, numeric)) {
		SSL_free(ssl);
		ssl = NULL;
	}
	ERR_clear_error();
	return ssl;
}

struct bufferevent *
webhook_tls_new(struct event_base *base, int fd, const char *host, bool numeric)
{
	SSL *ssl = make_ssl(host, numeric);

	if (ssl == NULL)
		return NULL;
	/* a status is a status, with or without a close_notify behind it */
	SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* frees the SSL, too, when it fails */
	return bufferevent_openssl_socket_new(base, fd, ssl,
	    BUFFEREVENT_SSL_CONNECTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
}

const char *
webhook_tls_reason(struct bufferevent *b)
{
	return tls_words(
	    bufferevent_openssl_get_ssl(b), bufferevent_get_openssl_error(b));
}
