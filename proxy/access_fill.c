/* From a request's head to the texts of its access entry. */
#include "proxy/access_fill.h"

#include "base/clock.h"
#include "proxy/access_log.h"
#include "proxy/h1_parse.h"
#include "proxy/session.h"
#include "proxy/worker_state.h"

void
access_begin(
    struct access_entry *e, struct worker *w, const struct session *s, char *ip)
{
	memset(e, 0, sizeof *e);
	e->time_us = clock_wall_us() - (clock_now_us() - loop_now(&w->loop));
	e->queue_us = e->connect_us = ACCESS_NONE;
	e->first_byte_us = e->total_us = ACCESS_NONE;
	e->rule = -1;
	e->protocol = ACCESS_UNKNOWN;
	e->chosen = -1;
	e->text[ACCESS_CLIENT] = session_ip(s, ip);
}

enum access_protocol
access_protocol(const struct h1_head *h)
{
	if (h->http2)
		return ACCESS_HTTP_2_0;
	return h->minor == 0 ? ACCESS_HTTP_1_0 : ACCESS_HTTP_1_1;
}

void
access_fill_head(struct access_entry *e, struct worker *w, struct span head)
{
	struct h1_head h;

	h1_head_init(&h, w->fields, w->nfields + WORKER_FIELDS_ADDED);
	if (head.n == 0 || h1_parse_request(head, &h) == H1_BAD)
		return;
	e->text[ACCESS_METHOD] = h.method;
	e->text[ACCESS_TARGET] = h.target;
	e->text[ACCESS_HOST] = h.host;
	for (unsigned i = 0; i < h.nfields; i++) {
		const struct field *f = &h.fields[i];

		if (f->id == FIELD_USER_AGENT)
			e->text[ACCESS_USER_AGENT] = f->value;
		else if (f->id == FIELD_OTHER &&
			 span_eq_nocase(f->name, SPAN("referer")))
			e->text[ACCESS_REFERER] = f->value;
	}
}

void
access_refused(const struct session *s, enum err reason)
{
	struct worker *w = s->worker;
	char ip[INET6_ADDRSTRLEN];
	struct access_entry e;

	if (w->log == NULL)
		return;
	access_begin(&e, w, s, ip);
	e.status = (int16_t)err_status(reason);
	e.text[ACCESS_REASON] = span_of(err_words(reason));
	access_log_put(w->log, &e);
}
