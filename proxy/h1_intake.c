/* Reading bodies, whatever their framing. */
#include "proxy/h1_intake.h"

#include "base/check.h"

void
h1_intake_begin(struct h1_intake *k, const struct h1_head *h)
{
	*k = (struct h1_intake){.body = h->body, .left = h->length};
}

void
h1_intake_end(struct h1_intake *k)
{
	fifo_free(&k->trailers);
}

static enum h1_result
read_length(struct h1_intake *k, struct span *in, struct span *piece)
{
	*piece = (struct span){in->p, in->n < k->left ? in->n : k->left};
	k->left -= piece->n;
	in->p += piece->n;
	in->n -= piece->n;
	return piece->n > 0 || k->left == 0 ? H1_DONE : H1_MORE;
}

static enum h1_result
read_chunked(struct h1_intake *k, struct span *in, struct span *piece)
{
	enum h1_result r = h1_parse_chunked(&k->chunks, in, piece);

	/* nothing but the empty line, as nearly always: not worth keeping */
	if (r == H1_DONE && fifo_empty(&k->trailers) &&
	    k->chunks.trailers.n == 2)
		return r;
	if (k->chunks.trailers.n > 0 &&
	    !fifo_append(&k->trailers, k->chunks.trailers))
		return H1_BAD;
	return r;
}

enum h1_result
h1_intake_read(struct h1_intake *k, struct span *in, struct span *piece)
{
	switch (k->body) {
	case H1_BODY_NONE:
		*piece = SPAN_NONE;
		return H1_DONE;
	case H1_BODY_LENGTH:
		return read_length(k, in, piece);
	case H1_BODY_CHUNKED:
		return read_chunked(k, in, piece);
	case H1_BODY_CLOSE:
		*piece = *in;
		*in = SPAN_NONE;
		return piece->n > 0 ? H1_DONE : H1_MORE;
	}
	WRONG("framing of a body");
}

uint64_t
h1_intake_passable(const struct h1_intake *k)
{
	return k->body == H1_BODY_LENGTH ? k->left : 0;
}

void
h1_intake_pass(struct h1_intake *k, uint64_t n)
{
	CHECK(k->body == H1_BODY_LENGTH && n <= k->left);
	k->left -= n;
}

bool
h1_intake_over(const struct h1_intake *k)
{
	switch (k->body) {
	case H1_BODY_NONE:
		return true;
	case H1_BODY_LENGTH:
		return k->left == 0;
	case H1_BODY_CHUNKED:
		return h1_chunks_over(&k->chunks);
	case H1_BODY_CLOSE:
		return false;
	}
	WRONG("framing of a body");
}

enum h1_result
h1_intake_trailers(const struct h1_intake *k, struct h1_head *h)
{
	struct span section = fifo_span(&k->trailers);

	if (k->body != H1_BODY_CHUNKED)
		return H1_DONE;
	return h1_parse_trailers(section, h);
}
