/* Whether the process lives, and whether it takes requests. */
#include <event2/buffer.h>
#include <event2/http.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "control/control.h"

static void
answer_ok(struct call *c)
{
	struct evbuffer *out = evbuffer_new();

	if (out != NULL)
		evbuffer_add_printf(out, "ok");
	call_reply(c, HTTP_OK, "text/plain; charset=utf-8", out);
}

void
healthz_get(struct call *c)
{
	answer_ok(c);
}

void
readyz_get(struct call *c)
{
	if (control_ready(call_control(c)))
		answer_ok(c);
	else
		call_error(c, HTTP_SERVUNAVAIL,
		    "not accepting requests: starting or draining");
}
