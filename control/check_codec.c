/* What the codecs of health checks share: whom they ask, and bodies. */
#include "control/check_codec.h"

#include <stdlib.h>

#include "control/grpc_health.h"
#include "control/pod_check.h"
#include "router/health.h"

#define BODY_ROOM_MIN 1024u

void
check_codec_init(struct check_codec *c, const struct check_codec_ops *ops,
    const struct check_wish *wish)
{
	const struct health_rules *rules = &wish->terms->health;

	c->ops = ops;
	c->grpc_status = -1;
	if (rules->type == HEALTH_GRPC)
		c->most = GRPC_HEALTH_ANSWER_MAX;
	else if (rules->body != NULL)
		c->most = HEALTH_BODY_MAX;
}

void
check_codec_fini(struct check_codec *c)
{
	free(c->body);
	c->body = NULL;
}

void
check_codec_body(struct check_codec *c, struct span piece)
{
	size_t room = c->room > 0 ? c->room : BODY_ROOM_MIN;
	char *body;

	c->seen += piece.n;
	if (piece.n > c->most - c->nbody)
		piece.n = c->most - c->nbody;
	while (room < c->nbody + piece.n)
		room *= 2;
	if (piece.n == 0 || c->lost)
		return;
	if (room > c->room) {
		body = realloc(c->body, room);
		c->lost = body == NULL;
		if (c->lost)
			return;
		c->body = body;
		c->room = room;
	}
	span_put(c->body + c->nbody, piece);
	c->nbody += piece.n;
}

const char *
check_codec_host(const struct check_wish *wish)
{
	if (wish->terms->health.host != NULL)
		return wish->terms->health.host;
	return address_is_unix(wish->address) ? "localhost"
					      : wish->address->text;
}
