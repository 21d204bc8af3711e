/* OpenSSL under a bufferevent. */
#include "control/check_tls.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "control/pod_check.h"
#include "proxy/tls.h"
#include "proxy/tls_client.h"

struct bufferevent *
check_tls_new(struct event_base *base, int fd, const struct check_wish *wish)
{
	struct tls_client *tls = tls_client_get(
	    wish->tls_clients, wish->tls, wish->protocol == POD_H2);
	SSL *ssl =
	    tls != NULL ? tls_client_ssl(tls, wish->address, NULL) : NULL;

	if (ssl == NULL)
		return NULL;
	/* A status is a status, with or without a close_notify behind it. */
	SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* frees the SSL, too, when it fails */
	return bufferevent_openssl_socket_new(
	    base, fd, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
}

bool
check_tls_speaks_h2(struct bufferevent *b)
{
	const unsigned char *name;
	unsigned n;

	SSL_get0_alpn_selected(bufferevent_openssl_get_ssl(b), &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}

const char *
check_tls_reason(struct bufferevent *b)
{
	return tls_words(
	    bufferevent_openssl_get_ssl(b), bufferevent_get_openssl_error(b));
}

void
check_tls_end(struct bufferevent *b)
{
	SSL *ssl = bufferevent_openssl_get_ssl(b);

	if (SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	ERR_clear_error();
}
