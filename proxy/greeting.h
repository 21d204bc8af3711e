/*
 * What a listener offers to who connects: TLS, HTTP/2, a redirect. Immutable,
 * shared by count, any thread; a reload replaces it while the listener and
 * its connections go on.
 */
#ifndef PROXY_GREETING_H
#define PROXY_GREETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct listen_settings;
struct tls_server;

struct greeting {
	_Atomic unsigned holders;
	struct tls_server *tls; /* held; NULL = in clear text */
	bool http2;		/* spoken with who asks for it */
	uint16_t redirect_port; /* 0 = requests are not redirected to https */
	struct span hsts; /* Strict-Transport-Security; empty = not sent */
};

/* One reference; NULL with the reason in why. Main. */
struct greeting *greeting_new(
    const struct listen_settings *settings, char *why, size_t why_size);
struct greeting *greeting_hold(struct greeting *g);
/* NULL is fine. */
void greeting_drop(struct greeting *g);

#endif
