/* HTTP/1.x from a client: heads and bodies in, framed responses out. */
#ifndef PROXY_CLIENT_H1_H
#define PROXY_CLIENT_H1_H

#include "base/errs.h"
#include "base/span.h"

struct session;

/*
 * Takes over a session that is not listed, of which some bytes may have been
 * read already, and speaks HTTP/1.x with it; it is discarded if memory is
 * short.
 */
void client_h1_begin(struct session *s, struct span early);

/* The same, to say why the connection is refused. */
void client_h1_refuse(struct session *s, enum err reason);

#endif
