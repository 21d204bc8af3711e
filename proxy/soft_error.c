/* Answers that say 200 and mean failure. */
#include "proxy/soft_error.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/h1_parse.h"
#include "proxy/http.h"
#include "router/match.h"

/* What a regex may look back at across the begin of a window. */
#define CONTEXT 64u
#define STEP	(SOFT_ERROR_WINDOW - SOFT_ERROR_MATCH)

static bool
head_fails(const struct match *match, const struct h1_head *h)
{
	const struct request r = {.fields = h->fields, .nfields = h->nfields};

	return match != NULL && match_test(match, &r);
}

static bool
readable(const struct h1_head *h)
{
	const struct span coding =
	    http_field_named(h, SPAN("content-encoding"));

	return h->body != H1_BODY_NONE &&
	       (coding.n == 0 || span_eq_nocase(coding, SPAN("identity")));
}

void
soft_error_begin(
    struct soft_error *s, const struct terms *terms, const struct h1_head *h)
{
	if (head_fails(terms->error_header, h))
		s->reason = REASON_HEADER;
	else if (terms->error_body != NULL && readable(h))
		s->body = terms->error_body;
	s->steps = SOFT_ERROR_STEPS;
}

void
soft_error_forget(struct soft_error *s)
{
	free(s->window);
	s->window = NULL;
	s->body = NULL;
}

static void
decide(struct soft_error *s, bool found)
{
	if (found)
		s->reason = REASON_BODY;
	soft_error_forget(s);
}

/* More follows a full window: what begins in its second half is left to the
 * next one. */
static void
look(struct soft_error *s)
{
	const struct span window = {s->window, s->held};
	const uint32_t behind = s->from + STEP;
	const bool found =
	    pattern_in_window(s->body, window, s->from, behind, &s->steps);

	if (found || s->steps == 0) {
		decide(s, found);
		return;
	}
	s->from = CONTEXT;
	s->held -= behind - CONTEXT;
	memmove(s->window, s->window + behind - CONTEXT, s->held);
}

static void
look_last(struct soft_error *s)
{
	const struct span window = {s->window, s->held};

	decide(s, pattern_in_window(
		      s->body, window, s->from, window.n + 1, &s->steps));
}

/* What there is room for, up to the end of what is looked at. */
static void
take(struct soft_error *s, struct span *piece, size_t room)
{
	size_t n = SOFT_ERROR_BODY - s->seen;

	if (n > room)
		n = room;
	if (n > piece->n)
		n = piece->n;
	memcpy(s->window + s->held, piece->p, n);
	s->held += (uint32_t)n;
	s->seen += (uint32_t)n;
	piece->p += n;
	piece->n -= n;
}

void
soft_error_saw(struct soft_error *s, struct span piece)
{
	if (s->window == NULL &&
	    (s->window = malloc(CONTEXT + SOFT_ERROR_WINDOW)) == NULL) {
		decide(s, false);
		return;
	}
	while (s->body != NULL && piece.n > 0) {
		const size_t room = s->from + SOFT_ERROR_WINDOW - s->held;

		if (room == 0)
			look(s);
		else
			take(s, &piece, room);
		if (s->seen == SOFT_ERROR_BODY)
			look_last(s);
	}
}

enum reason
soft_error_end(struct soft_error *s)
{
	if (s->body != NULL)
		look_last(s);
	return s->reason;
}
