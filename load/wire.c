/* OpenSSL for the load tester's connections. */
#include "load/wire.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "load/trial.h"

static const unsigned char alpn_h2[] = "\x02h2";
static const unsigned char alpn_h1[] = "\x08http/1.1";
static const unsigned char alpn_both[] = "\x02h2\x08http/1.1";

/* An SSL_CTX and an SSL under names of our own: nobody else knows OpenSSL. */
static SSL_CTX *
maker_ctx(struct wire_maker *m)
{
	return (SSL_CTX *)m;
}

static SSL *
wire_ssl(const struct wire *w)
{
	return (SSL *)w;
}

static bool
is_ip(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET, host, &a) == 1 ||
	       inet_pton(AF_INET6, host, &a) == 1;
}

static bool
set_trust(SSL_CTX *ctx, const struct trial *trial, char *why, size_t why_size)
{
	const char *ca = trial->options.ca, *host = trial->target.host;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

	if (trial->options.insecure) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return true;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (ca != NULL ? SSL_CTX_load_verify_file(ctx, ca) != 1
		       : SSL_CTX_set_default_verify_paths(ctx) != 1) {
		snprintf(why, why_size,
		    "--ca: cannot read certificates from %s",
		    ca != NULL ? ca : "the system's place");
		ERR_clear_error();
		return false;
	}
	return is_ip(host) ? X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1
			   : X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

static void
set_alpn(SSL_CTX *ctx, const struct trial *trial)
{
	switch ((enum load_protocol)trial->options.protocol) {
	case LOAD_PROTOCOL_H1:
		SSL_CTX_set_alpn_protos(ctx, alpn_h1, sizeof alpn_h1 - 1);
		break;
	case LOAD_PROTOCOL_H2:
		SSL_CTX_set_alpn_protos(ctx, alpn_h2, sizeof alpn_h2 - 1);
		break;
	case LOAD_PROTOCOL_AUTO:
		SSL_CTX_set_alpn_protos(ctx, alpn_both, sizeof alpn_both - 1);
		break;
	}
}

struct wire_maker *
wire_maker_new(const struct trial *trial, char *why, size_t why_size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* An end without goodbye is the end: framing tells a cut answer. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	set_alpn(ctx, trial);
	snprintf(why, why_size, "the host is no name for a certificate");
	if (!set_trust(ctx, trial, why, why_size)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (!is_ip(trial->target.host))
		SSL_CTX_set_app_data(ctx, trial->target.host);
	return (struct wire_maker *)ctx;
}

void
wire_maker_free(struct wire_maker *m)
{
	SSL_CTX_free(maker_ctx(m));
}

struct wire *
wire_new(struct wire_maker *m, int fd)
{
	const char *name = SSL_CTX_get_app_data(maker_ctx(m));
	SSL *ssl = SSL_new(maker_ctx(m));

	if (ssl == NULL)
		return NULL;
	if (SSL_set_fd(ssl, fd) != 1 ||
	    (name != NULL && SSL_set_tlsext_host_name(ssl, name) != 1)) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return (struct wire *)ssl;
}

void
wire_free(struct wire *w)
{
	SSL *ssl = wire_ssl(w);

	if (ssl != NULL && SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	ERR_clear_error();
	SSL_free(ssl);
}

static enum wire_result
judge(SSL *ssl, int rc)
{
	int error = SSL_get_error(ssl, rc);

	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return WIRE_WAIT;
	case SSL_ERROR_ZERO_RETURN:
		return WIRE_END;
	default:
		return WIRE_FAILED;
	}
}

static const char *
why_not_shaken(const SSL *ssl)
{
	unsigned long error = ERR_peek_error();
	const char *reason = ERR_reason_error_string(error);

	if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return X509_verify_cert_error_string(
		    SSL_get_verify_result(ssl));
	return reason != NULL ? reason : "the server left";
}

enum wire_result
wire_shake(struct wire *w, char *why, size_t why_size)
{
	SSL *ssl = wire_ssl(w);
	int rc = SSL_do_handshake(ssl);

	if (rc != 1)
		snprintf(why, why_size, "%s", why_not_shaken(ssl));
	return rc == 1 ? WIRE_DONE : judge(ssl, rc);
}

bool
wire_speaks_h2(const struct wire *w)
{
	const unsigned char *name;
	unsigned n;

	SSL_get0_alpn_selected(wire_ssl(w), &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}

enum wire_result
wire_read(struct wire *w, char *p, size_t n, size_t *done)
{
	int rc = SSL_read_ex(wire_ssl(w), p, n, done);

	return rc == 1 ? WIRE_DONE : judge(wire_ssl(w), rc);
}

enum wire_result
wire_write(struct wire *w, const char *p, size_t n, size_t *done)
{
	int rc = SSL_write_ex(wire_ssl(w), p, n, done);

	return rc == 1 ? WIRE_DONE : judge(wire_ssl(w), rc);
}
