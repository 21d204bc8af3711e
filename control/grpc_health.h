/*
 * The messages of gRPC's health service (grpc.health.v1.Health/Check), each
 * with the five bytes in front that gRPC over HTTP/2 gives a message. Pure.
 */
#ifndef CONTROL_GRPC_HEALTH_H
#define CONTROL_GRPC_HEALTH_H

#include <stddef.h>

#include "base/span.h"
#include "router/health.h"

#define GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"
/* Room for the question about any service. */
#define GRPC_HEALTH_ASK_MAX (HEALTH_GRPC_SERVICE_MAX + 8u)
/* An answer takes eight bytes, unless there is more in it than we know. */
#define GRPC_HEALTH_ANSWER_MAX 1024u

/* The numbers are those of its ServingStatus. */
enum grpc_health {
	GRPC_HEALTH_UNKNOWN,
	GRPC_HEALTH_SERVING,
	GRPC_HEALTH_NOT_SERVING,
	GRPC_HEALTH_SERVICE_UNKNOWN,
	GRPC_HEALTH_MALFORMED, /* not one message of that kind */
};

/*
 * Writes the question about a service of at most HEALTH_GRPC_SERVICE_MAX bytes
 * to buf, and returns its size.
 */
size_t grpc_health_ask(const char *service, char buf[GRPC_HEALTH_ASK_MAX]);

/* The body of an answer; a status that nobody knows is UNKNOWN. */
enum grpc_health grpc_health_read(struct span body);

/* "SERVING" and so on. */
const char *grpc_health_name(enum grpc_health h);

#endif
