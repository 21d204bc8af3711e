/* HTTP/1.1 on one connection: a request, its answer, the next request. */
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "load/runner_state.h"
#include "proxy/h1_parse.h"

enum h1_phase {
	H1_PHASE_HEAD,
	H1_PHASE_LENGTH,
	H1_PHASE_CHUNKED,
	H1_PHASE_CLOSE, /* the body ends with the connection */
};

struct h1 {
	struct call *call; /* NULL: idle */
	enum h1_phase phase;
	bool keep_alive;
	bool heard;	 /* a byte since the call was submitted */
	uint64_t served; /* calls */
	uint64_t left;	 /* of the body */
	struct h1_chunks chunks;
	struct buffer held; /* of a head that is not complete */
	size_t scanned;
};

static bool
h1_open(struct connection *c)
{
	c->codec_state = calloc(1, sizeof(struct h1));
	if (c->codec_state == NULL)
		return false;
	c->runner->per_connection = 1;
	connection_settle(c);
	return true;
}

static unsigned
h1_room(const struct connection *c)
{
	const struct h1 *h = c->codec_state;

	return h->call == NULL;
}

static void
h1_submit(struct connection *c, struct call *call)
{
	struct runner *r = c->runner;
	const struct request *request = &r->trial->requests[call->profile];
	struct h1 *h = c->codec_state;

	CHECK(h->call == NULL);
	h->call = call;
	h->phase = H1_PHASE_HEAD;
	h->heard = false;
	runner_set_idle(c, false);
	if (request->fixed) {
		connection_send(c, buffer_span(&request->h1_whole));
		return;
	}
	r->line.n = 0;
	request_write_h1(request,
	    call->user != NULL ? call->user->number : call->k + 1,
	    call->user != NULL ? &call->user->jar : NULL,
	    call->user != NULL ? clock_wall_us() : 0, &r->line);
	connection_send(c, buffer_span(&r->line));
}

/* The answer is complete; `rest` is what followed it, which must be nothing. */
static void
h1_finish(struct connection *c, struct span rest)
{
	struct h1 *h = c->codec_state;
	struct call *call = h->call;

	h->call = NULL;
	h->served++;
	/* an answer before the whole request went leaves it unfinished */
	if (!h->keep_alive || rest.n > 0 || c->out.n > 0)
		connection_close(c);
	else
		runner_set_idle(c, true);
	runner_answered(c->runner, call);
}

static void
h1_take_fields(struct runner *r, struct call *call, const struct h1_head *head)
{
	const struct judge *j = &r->trial->judge;

	call->answer.status = head->status;
	if (!j->version_header && j->nconditions == 0 && call->user == NULL)
		return;
	for (unsigned i = 0; i < head->nfields; i++)
		runner_field(
		    r, call, head->fields[i].name, head->fields[i].value);
}

/* What follows a final head. */
static void
h1_begin_body(
    struct connection *c, const struct h1_head *head, struct span rest)
{
	struct h1 *h = c->codec_state;

	h->keep_alive = head->keep_alive;
	switch (head->body) {
	case H1_BODY_NONE:
		h1_finish(c, rest);
		break;
	case H1_BODY_LENGTH:
		h->phase = H1_PHASE_LENGTH;
		h->left = head->length;
		break;
	case H1_BODY_CHUNKED:
		h->phase = H1_PHASE_CHUNKED;
		h->chunks = (struct h1_chunks){0};
		break;
	case H1_BODY_CLOSE:
		h->phase = H1_PHASE_CLOSE;
		break;
	}
}

/* The bytes of the head that are there, those that came before included. */
static enum h1_result
h1_parse(struct connection *c, struct span in, struct h1_head *head)
{
	struct h1 *h = c->codec_state;
	enum h1_result result;
	struct span whole = in;

	if (h->held.n > 0) {
		buffer_add(&h->held, in);
		whole = buffer_span(&h->held);
		if (!h1_head_complete(whole, &h->scanned) &&
		    whole.n < RUNNER_HEAD_MAX)
			return H1_MORE;
	}
	result = h1_parse_response(
	    whole, c->runner->trial->requests[h->call->profile].head, head);
	if (result == H1_MORE && whole.n >= RUNNER_HEAD_MAX)
		return H1_BAD;
	if (result == H1_MORE && h->held.n == 0) {
		h->scanned = in.n;
		buffer_add(&h->held, in);
	}
	return h->held.failed ? H1_BAD : result;
}

static void
h1_take_head(struct connection *c, struct span *in)
{
	struct runner *r = c->runner;
	struct h1 *h = c->codec_state;
	struct h1_head head;
	size_t behind;

	h1_head_init(&head, r->fields, RUNNER_FIELDS);
	switch (h1_parse(c, *in, &head)) {
	case H1_MORE:
		in->n = 0;
		return;
	case H1_BAD:
		connection_fail(c, FAILURE_PROTOCOL);
		return;
	case H1_DONE:
		break;
	}
	/* The head's end is in what came last. */
	behind = (h->held.n > 0 ? h->held.n : in->n) - head.size;
	in->p += in->n - behind;
	in->n = behind;
	if (head.status == 101) {
		connection_fail(c, FAILURE_PROTOCOL);
		return;
	}
	if (head.status >= 200)
		h1_take_fields(r, h->call, &head);
	h->held.n = 0;
	h->scanned = 0;
	if (head.status >= 200)
		h1_begin_body(c, &head, *in);
}

static void
h1_take_length(struct connection *c, struct span *in)
{
	struct h1 *h = c->codec_state;
	struct span piece = *in;

	if (piece.n > h->left)
		piece.n = (size_t)h->left;
	judge_body(&c->runner->trial->judge, &h->call->answer, piece);
	h->left -= piece.n;
	in->p += piece.n;
	in->n -= piece.n;
	if (h->left == 0)
		h1_finish(c, *in);
}

static void
h1_take_chunks(struct connection *c, struct span *in)
{
	struct h1 *h = c->codec_state;
	struct span piece;

	switch (h1_parse_chunked(&h->chunks, in, &piece)) {
	case H1_MORE:
		return;
	case H1_BAD:
		connection_fail(c, FAILURE_PROTOCOL);
		return;
	case H1_DONE:
		break;
	}
	if (piece.n > 0)
		judge_body(&c->runner->trial->judge, &h->call->answer, piece);
	else
		h1_finish(c, *in);
}

static void
h1_receive(struct connection *c, struct span in)
{
	struct h1 *h = c->codec_state;

	while (in.n > 0 && c->state == CONNECTION_OPEN) {
		if (h->call == NULL) {
			/* nobody has asked */
			connection_close(c);
			return;
		}
		h->heard = true;
		switch (h->phase) {
		case H1_PHASE_HEAD:
			h1_take_head(c, &in);
			break;
		case H1_PHASE_LENGTH:
			h1_take_length(c, &in);
			break;
		case H1_PHASE_CHUNKED:
			h1_take_chunks(c, &in);
			break;
		case H1_PHASE_CLOSE:
			judge_body(
			    &c->runner->trial->judge, &h->call->answer, in);
			return;
		}
	}
}

/*
 * The server has closed a connection that it kept, while we sent: clients ask
 * again elsewhere when that changes nothing (RFC 9112 9.3.1). Each time costs a
 * connection that has served, so it ends.
 */
static bool
is_stale(const struct connection *c)
{
	const struct h1 *h = c->codec_state;

	return h->served > 0 && !h->heard &&
	       c->runner->trial->requests[h->call->profile].idempotent;
}

static void
h1_end(struct connection *c)
{
	struct h1 *h = c->codec_state;
	struct call *call = h->call;

	if (call == NULL) {
		connection_close(c);
		return;
	}
	if (is_stale(c)) {
		h->call = NULL;
		connection_close(c);
		runner_resend(c->runner, call);
		return;
	}
	if (h->phase != H1_PHASE_CLOSE) {
		connection_fail(c, FAILURE_RESET);
		return;
	}
	h->keep_alive = false;
	h1_finish(c, SPAN_NONE);
}

static void
h1_fail(struct connection *c, enum failure why)
{
	struct h1 *h = c->codec_state;
	struct call *call = h != NULL ? h->call : NULL;

	if (call == NULL)
		return;
	h->call = NULL;
	runner_failed(c->runner, call, why);
}

/* Nothing else ends an answer that is still to come. */
static void
h1_cancel(struct connection *c, struct call *call)
{
	struct h1 *h = c->codec_state;

	CHECK(h->call == call);
	h->call = NULL;
	connection_close(c);
}

static void
h1_free(struct connection *c)
{
	struct h1 *h = c->codec_state;

	if (h == NULL)
		return;
	buffer_free(&h->held);
	free(h);
}

const struct codec codec_h1 = {
    .open = h1_open,
    .room = h1_room,
    .submit = h1_submit,
    .receive = h1_receive,
    .end = h1_end,
    .cancel = h1_cancel,
    .fail = h1_fail,
    .free = h1_free,
};
