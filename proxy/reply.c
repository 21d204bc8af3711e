/* Composing our own answers out of the error table. */
#include "proxy/reply.h"

#include <stdio.h>

#include "base/check.h"
#include "proxy/client.h"
#include "proxy/h1_parse.h"
#include "proxy/http.h"

/* What came behind such a request cannot be trusted, or is not wanted. */
static bool
is_last(int status)
{
	return status == 400 || status == 408 || status == 413 ||
	       status == 414 || status == 431 || status == 505;
}

void
reply_redirect(
    struct client *c, enum err e, bool head_method, struct span location)
{
	struct span body = span_of(err_line(e)); /* static: stays in place */
	char length[24];
	struct field fields[4];
	struct h1_head h;

	CHECK(err_status(e) != 0);
	snprintf(length, sizeof length, "%zu", body.n);
	h1_head_init(&h, fields, 4);
	h.status = err_status(e);
	h.reason = span_of(http_phrase(h.status));
	h.minor = 1;
	h.keep_alive = true;
	h.last = is_last(h.status);
	h.body = head_method ? H1_BODY_NONE : H1_BODY_LENGTH;
	h.length = body.n;
	fields[h.nfields++] = (struct field){
	    SPAN("Content-Type"), SPAN("text/plain"), FIELD_OTHER};
	fields[h.nfields++] = (struct field){
	    SPAN("Content-Length"), span_of(length), FIELD_CONTENT_LENGTH};
	if (h.status == 503)
		fields[h.nfields++] =
		    (struct field){SPAN("Retry-After"), SPAN("1"), FIELD_OTHER};
	if (location.n > 0)
		fields[h.nfields++] =
		    (struct field){SPAN("Location"), location, FIELD_OTHER};
	c->ops->send_head(c, &h);
	if (!head_method)
		c->ops->send_data(c, body);
	c->ops->send_end(c, NULL);
}

void
reply_send(struct client *c, enum err e, bool head_method)
{
	reply_redirect(c, e, head_method, SPAN_NONE);
}
