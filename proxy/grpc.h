/*
 * What gRPC says of a call's outcome in the fields of a response (gRPC over
 * HTTP/2, "Responses"). Pure.
 */
#ifndef PROXY_GRPC_H
#define PROXY_GRPC_H

#include <stdbool.h>

#include "proxy/h1_parse.h"

/* Statuses are 0 to 16; this stands for none. */
#define GRPC_NONE (-1)

/* Whether a response head is one of gRPC: Content-Type begins with its name. */
bool grpc_response(const struct h1_head *h);

/*
 * grpc-status of trailers, or of a head that is all there is. GRPC_NONE where
 * it is missing or no status.
 */
int grpc_status(const struct h1_head *h);

#endif
