/* Finding gRPC's fields; nobody asks unless a service counts them. */
#include "proxy/grpc.h"

#define STATUS_MAX 16u

/* p == NULL where there is none. */
static struct span
value_of(const struct h1_head *h, struct span name)
{
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].id == FIELD_OTHER &&
		    span_eq_nocase(h->fields[i].name, name))
			return h->fields[i].value;
	return SPAN_NONE;
}

bool
grpc_response(const struct h1_head *h)
{
	const struct span grpc = SPAN("application/grpc");
	struct span type = value_of(h, SPAN("content-type"));

	if (type.n < grpc.n)
		return false;
	type.n = grpc.n;
	return span_eq_nocase(type, grpc);
}

int
grpc_status(const struct h1_head *h)
{
	uint64_t status;

	if (!span_to_u64(value_of(h, SPAN("grpc-status")), &status) ||
	    status > STATUS_MAX)
		return GRPC_NONE;
	return (int)status;
}
