/*
 * Strict HTTP/1.x parsing (RFC 9112): bytes in, verdict out. Pure: no
 * sockets, no allocation; every span of the result points into the input.
 */
#ifndef PROXY_H1_PARSE_H
#define PROXY_H1_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errs.h"
#include "base/field.h"
#include "base/span.h"

enum h1_result {
	H1_MORE, /* not complete yet */
	H1_DONE,
	H1_BAD, /* head->error says what */
};

enum h1_body {
	H1_BODY_NONE,
	H1_BODY_LENGTH,	 /* head->length bytes */
	H1_BODY_CHUNKED, /* RFC 9112 7.1 */
	H1_BODY_CLOSE,	 /* until the connection closes; responses only */
};

struct h1_head {
	struct span method, target; /* requests */
	int status;		    /* responses */
	struct span reason;	    /* responses, may be empty */
	int minor;		    /* HTTP/1.minor, 0 or 1 */
	bool http2;		    /* it came by HTTP/2; minor is 1 then */
	struct field *fields;	    /* caller's array */
	unsigned nfields, max_fields;
	struct span host; /* requests: value of Host, p == NULL without */
	bool keep_alive;  /* by version and Connection */
	bool close;	  /* Connection: close was said */
	bool connection_upgrade; /* Connection: upgrade was said */
	bool connection_names;	 /* Connection names other fields, too */
	bool expect_continue;
	bool last; /* our own answers: the connection ends behind it */
	enum h1_body body;
	uint64_t length;
	size_t size; /* bytes of the head, blank line included */
	enum err error;
};

/* Sets fields, max_fields; the rest is reset by each parse. */
void h1_head_init(struct h1_head *h, struct field *fields, unsigned max);

/*
 * A request head (RFC 9112 2-3, 6). Leading empty lines are skipped and
 * counted in size. More than max_fields fields is ERR_HEAD_TOO_LARGE.
 */
enum h1_result h1_parse_request(struct span in, struct h1_head *h);

/*
 * A response head (RFC 9112 4, 6.3) to a request; `head_method` when that
 * was HEAD. 1xx and final ones alike: the caller looks at status.
 */
enum h1_result h1_parse_response(
    struct span in, bool head_method, struct h1_head *h);

/*
 * uri-host [ ":" port ] as Host and an absolute target have it (RFC 9110
 * 7.2), not empty. Stricter than the grammar where readers would disagree.
 */
bool h1_valid_host(struct span host);

/*
 * Whether the head is complete, looking only at what is new: *scanned is
 * where the last look ended, 0 at first. Keeps byte-by-byte feeding linear.
 */
bool h1_head_complete(struct span in, size_t *scanned);

/* Where a chunked body stands; zero at its start. */
struct h1_chunks {
	int state;
	uint64_t left;	  /* of this chunk */
	unsigned digits;  /* of this chunk's size */
	unsigned line;	  /* bytes in the current extension or trailer */
	unsigned trailer; /* bytes of the whole trailer section */
	/* the bytes of the trailer section that the last call consumed */
	struct span trailers;
};

/*
 * Consumes from *in up to the next piece of data. DONE with data->n > 0: a
 * piece (call again); DONE with data->n == 0: the body and its trailer
 * section are over. MORE: *in is used up. BAD: framing is broken.
 */
enum h1_result h1_parse_chunked(
    struct h1_chunks *c, struct span *in, struct span *data);

bool h1_chunks_over(const struct h1_chunks *c);

/*
 * A whole trailer section: field lines and the empty line behind them
 * (RFC 9112 7.1.2). Only fields are set.
 */
enum h1_result h1_parse_trailers(struct span in, struct h1_head *h);

#endif
