/*
 * How a health check asks and reads the answer in one protocol: bytes in,
 * bytes out, no socket. Main only.
 */
#ifndef CONTROL_CHECK_CODEC_H
#define CONTROL_CHECK_CODEC_H

#include <stdbool.h>

struct check_codec;
struct check_wish;
struct evbuffer;

/* A longer body is not waited for: its head has said what is needed. */
#define CHECK_BODY_MAX (256u * 1024u)
#define CHECK_AGENT    "shunt-health/" SHUNT_VERSION

enum check_read {
	CHECK_READ_MORE,
	CHECK_READ_DONE, /* status is that of the whole answer */
	CHECK_READ_BAD,	 /* why says what is wrong with it */
};

struct check_codec_ops {
	/* Takes what it can of `in`, and may add to `out`. */
	enum check_read (*read)(
	    struct check_codec *c, struct evbuffer *in, struct evbuffer *out);
	void (*free)(struct check_codec *c);
};

struct check_codec {
	const struct check_codec_ops *ops;
	int status;	  /* of the final answer; 0 until its head is there */
	bool until_close; /* the end of the connection ends the answer */
	const char *why;  /* static words */
};

/* The request is in `out`. NULL without memory. */
struct check_codec *check_h1_new(
    const struct check_wish *wish, struct evbuffer *out);
struct check_codec *check_h2_new(
    const struct check_wish *wish, struct evbuffer *out);

#endif
