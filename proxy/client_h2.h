/* HTTP/2 from a client: its streams are the clients of transactions. */
#ifndef PROXY_CLIENT_H2_H
#define PROXY_CLIENT_H2_H

#include "base/span.h"

struct session;

/*
 * Takes over a session that is not listed, of which some bytes may have been
 * read already, the preface included, and speaks HTTP/2 with it; it is
 * discarded if memory is short.
 */
void client_h2_begin(struct session *s, struct span early);

#endif
