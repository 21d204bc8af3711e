/*
 * A body on its way in, of a request or a response: how it is framed, how
 * much is still to come, and its trailer fields. Pure.
 */
#ifndef PROXY_H1_INTAKE_H
#define PROXY_H1_INTAKE_H

#include "proxy/fifo.h"
#include "proxy/h1_parse.h"

struct h1_intake {
	enum h1_body body;
	uint64_t left; /* H1_BODY_LENGTH */
	struct h1_chunks chunks;
	struct fifo trailers; /* of a chunked body, as received */
};

/* For the body that a parsed head announces. */
void h1_intake_begin(struct h1_intake *k, const struct h1_head *h);
/* Lets go of what it collected. */
void h1_intake_end(struct h1_intake *k);

/*
 * Consumes from *in up to the next piece of the body. DONE with piece->n > 0:
 * a piece (call again); DONE with none: the body is over. MORE: *in is used
 * up. BAD: the framing is broken, or memory is short.
 */
enum h1_result h1_intake_read(
    struct h1_intake *k, struct span *in, struct span *piece);

/*
 * Bytes of a body of known length that may pass by unread, 0 when there are
 * none; and that n of them have.
 */
uint64_t h1_intake_passable(const struct h1_intake *k);
void h1_intake_pass(struct h1_intake *k, uint64_t n);

/* Nothing more is needed to know that the body is over. */
bool h1_intake_over(const struct h1_intake *k);

/*
 * The trailer fields of a body that is over, into h (initialised by the
 * caller): DONE with nfields 0 when there are none; BAD when malformed.
 */
enum h1_result h1_intake_trailers(const struct h1_intake *k, struct h1_head *h);

#endif
