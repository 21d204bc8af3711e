/* The orders an HTTP/1.x client takes from its txn; see client.h. */
#ifndef PROXY_CLIENT_H1_SEND_H
#define PROXY_CLIENT_H1_SEND_H

#include "proxy/client.h"

/* Each takes a struct client that is the base of a struct client_h1. */
extern const struct client_ops ch1_ops;

#endif
