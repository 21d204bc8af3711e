/* Passing bodies on, and holding readers back. */
#include "proxy/relay.h"

#include "proxy/client.h"
#include "proxy/upstream.h"

bool
relay_request_spliced(struct relay *r, uint64_t n, uint64_t limit)
{
	r->request_bytes += n;
	return limit == 0 || r->request_bytes <= limit;
}

void
relay_response_spliced(struct relay *r, uint64_t n)
{
	r->response_bytes += n;
}

bool
relay_request(struct relay *r, struct span piece, uint64_t limit)
{
	if (!relay_request_spliced(r, piece.n, limit))
		return false;
	if (r->upstream != NULL)
		r->upstream->ops->send_data(r->upstream, piece);
	return true;
}

void
relay_response(struct relay *r, struct span piece)
{
	r->response_bytes += piece.n;
	if (r->client != NULL)
		r->client->ops->send_data(r->client, piece);
}

void
relay_pod_blocked(struct relay *r)
{
	if (r->client != NULL)
		r->client->ops->pause(r->client);
}

void
relay_pod_drained(struct relay *r)
{
	if (r->client != NULL)
		r->client->ops->resume(r->client);
}

void
relay_client_blocked(struct relay *r)
{
	if (r->upstream != NULL)
		r->upstream->ops->pause(r->upstream);
}

void
relay_client_drained(struct relay *r)
{
	if (r->upstream != NULL)
		r->upstream->ops->resume(r->upstream);
}
