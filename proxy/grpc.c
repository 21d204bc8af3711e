/* Finding gRPC's fields; nobody asks unless a service counts them. */
#include "proxy/grpc.h"

#include "proxy/http.h"

#define STATUS_MAX 16u

bool
grpc_response(const struct h1_head *h)
{
	const struct span grpc = SPAN("application/grpc");
	struct span type = http_field_named(h, SPAN("content-type"));

	if (type.n < grpc.n)
		return false;
	type.n = grpc.n;
	return span_eq_nocase(type, grpc);
}

int
grpc_status(const struct h1_head *h)
{
	uint64_t status;

	if (!span_to_u64(http_field_named(h, SPAN("grpc-status")), &status) ||
	    status > STATUS_MAX)
		return GRPC_NONE;
	return (int)status;
}
