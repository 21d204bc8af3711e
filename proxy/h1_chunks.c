/*
 * Chunked bodies (RFC 9112 7.1), a byte at a time between the pieces of
 * data. Extensions are read over, trailer fields handed out, within limits.
 */
#include "proxy/h1_parse.h"

enum {
	CHUNK_SIZE,  /* hex digits */
	CHUNK_BLANK, /* behind them; only an extension may follow */
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER, /* at the start of a line */
	CHUNK_TRAILER_LINE,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_END,
};

#define EXTENSION_MAX 256u
#define TRAILER_MAX   8192u

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of a chunk extension or trailer field: no controls but HTAB. */
static bool
is_text(char c)
{
	return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

static int
after_size(struct h1_chunks *c, char byte)
{
	if (c->digits == 0)
		return -1;
	if (byte == '\r')
		return CHUNK_SIZE_LF;
	/* BWS before an extension (RFC 9112 7.1.1) is tolerated */
	if (byte == ';')
		return CHUNK_EXTENSION;
	return (byte == ' ' || byte == '\t') && ++c->line <= EXTENSION_MAX
		   ? CHUNK_BLANK
		   : -1;
}

static int
in_size(struct h1_chunks *c, char byte)
{
	int digit = hex_digit(byte);

	if (digit < 0)
		return after_size(c, byte);
	/* 15 digits cannot overflow, and nobody sends an exabyte chunk */
	if (++c->digits > 15)
		return -1;
	c->left = c->left << 4 | (unsigned)digit;
	return CHUNK_SIZE;
}

/* The state after one byte outside data; -1 when the byte is not allowed. */
static int
chunk_step(struct h1_chunks *c, char byte)
{
	switch (c->state) {
	case CHUNK_SIZE:
		return in_size(c, byte);
	case CHUNK_BLANK:
		return after_size(c, byte);
	case CHUNK_EXTENSION:
		if (byte == '\r')
			return CHUNK_SIZE_LF;
		return is_text(byte) && ++c->line <= EXTENSION_MAX
			   ? CHUNK_EXTENSION
			   : -1;
	case CHUNK_SIZE_LF:
		c->digits = 0;
		c->line = 0;
		if (byte != '\n')
			return -1;
		return c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
	case CHUNK_DATA_CR:
		return byte == '\r' ? CHUNK_DATA_LF : -1;
	case CHUNK_DATA_LF:
		return byte == '\n' ? CHUNK_SIZE : -1;
	case CHUNK_TRAILER:
		if (byte == '\r')
			return CHUNK_END_LF;
		return is_text(byte) && byte != ' ' && byte != '\t' &&
			       ++c->trailer <= TRAILER_MAX
			   ? CHUNK_TRAILER_LINE
			   : -1;
	case CHUNK_TRAILER_LINE:
		if (byte == '\r')
			return CHUNK_TRAILER_LF;
		return is_text(byte) && ++c->trailer <= TRAILER_MAX
			   ? CHUNK_TRAILER_LINE
			   : -1;
	case CHUNK_TRAILER_LF:
		return byte == '\n' ? CHUNK_TRAILER : -1;
	case CHUNK_END_LF:
		return byte == '\n' ? CHUNK_END : -1;
	default:
		return -1;
	}
}

enum h1_result
h1_parse_chunked(struct h1_chunks *c, struct span *in, struct span *data)
{
	*data = SPAN_NONE;
	c->trailers = (struct span){in->p, 0};
	while (c->state != CHUNK_END) {
		bool trailer = c->state >= CHUNK_TRAILER;

		if (in->n == 0)
			return H1_MORE;
		if (c->state == CHUNK_DATA) {
			*data = (struct span){
			    in->p, in->n < c->left ? in->n : c->left};
			c->left -= data->n;
			in->p += data->n;
			in->n -= data->n;
			if (c->left == 0)
				c->state = CHUNK_DATA_CR;
			return H1_DONE;
		}
		c->state = chunk_step(c, *in->p);
		if (c->state < 0)
			return H1_BAD;
		in->p++;
		in->n--;
		if (trailer)
			c->trailers.n++;
		else
			c->trailers.p = in->p;
	}
	return H1_DONE;
}

bool
h1_chunks_over(const struct h1_chunks *c)
{
	return c->state == CHUNK_END;
}
