/*
 * How a health check asks and reads the answer in one protocol: bytes in,
 * bytes out, no socket. Main only.
 */
#ifndef CONTROL_CHECK_CODEC_H
#define CONTROL_CHECK_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct check_codec;
struct check_wish;
struct fifo;

/* A longer body is not waited for: its head has said what is needed. */
#define CHECK_BODY_MAX (256u * 1024u)
#define CHECK_AGENT    "shunt-health/" SHUNT_VERSION

enum check_read {
	CHECK_READ_MORE,
	CHECK_READ_DONE, /* status is that of the whole answer */
	CHECK_READ_BAD, /* why says what is wrong with it, unless lost is set */
};

struct check_codec_ops {
	/* Takes all of `in`, and may add to `out`. */
	enum check_read (*read)(
	    struct check_codec *c, struct span in, struct fifo *out);
	void (*free)(struct check_codec *c);
};

struct check_codec {
	const struct check_codec_ops *ops;
	int status;	  /* of the final answer; 0 until its head is there */
	int grpc_status;  /* -1 = none was said */
	bool until_close; /* the end of the connection ends the answer */
	const char *why;  /* static words */

	uint64_t seen; /* bytes of the body */
	/* its beginning, as long as somebody wants to look at it */
	char *body;
	size_t nbody, room, most;
	bool lost; /* there was no memory for it, or for what was read */
};

/* The request is in `out`. NULL without memory. */
struct check_codec *check_h1_new(
    const struct check_wish *wish, struct fifo *out);
struct check_codec *check_h2_new(
    const struct check_wish *wish, struct fifo *out);

/*
 * For the codecs.
 */

void check_codec_init(struct check_codec *c, const struct check_codec_ops *ops,
    const struct check_wish *wish);
void check_codec_fini(struct check_codec *c);
/* A piece of the body. */
void check_codec_body(struct check_codec *c, struct span piece);
/* The host that is asked for. */
const char *check_codec_host(const struct check_wish *wish);

#endif
