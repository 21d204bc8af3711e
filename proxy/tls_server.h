/*
 * What a listener needs to speak TLS: its certificates by name, ALPN,
 * tickets, stapling, client certificates. Immutable, shared by count, any
 * thread.
 */
#ifndef PROXY_TLS_SERVER_H
#define PROXY_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct tls_server;
struct tls_settings;
struct ssl_st;

/*
 * `scope` tells sessions of listeners apart: none is resumed where other
 * clients are let in. One reference; NULL with the reason in why. Main.
 */
struct tls_server *tls_server_new(const struct tls_settings *settings,
    bool http2, const char *scope, char *why, size_t why_size);
struct tls_server *tls_server_hold(struct tls_server *s);
/* NULL is fine. */
void tls_server_drop(struct tls_server *s);

/* A connection's SSL; NULL without memory. */
struct ssl_st *tls_server_ssl(struct tls_server *s);
/* Whether clients are asked for a certificate. */
bool tls_server_asks(const struct tls_server *s);

#endif
