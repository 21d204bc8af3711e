/* Frames and bodies between nghttp2 and a connection. */
#include "proxy/h2_link.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/conn.h"
#include "proxy/h1_parse.h"

/* Less of a body is cheaper to keep and send with what else the turn brings. */
#define SEND_AT_ONCE 8192u
/* A writer that is this far ahead waits. */
#define WAITING_MAX 32768u
/* Frames are collected in the loop's head buffer; that is large enough. */
#define FRAME_HEADER 9u

/* More than any config may allow. */
#define CONTINUATIONS_MAX 1000000u

/* Trailer fields that were copied, until the body in front of them has left. */
struct h2_trailers {
	unsigned n;
	struct field lines[];
};

static void
on_kick(struct kick *kick)
{
	struct h2_link *k =
	    (struct h2_link *)((char *)kick - offsetof(struct h2_link, kick));
	struct loop *l = k->loop;

	k->kicked = false;
	h2_link_pump(k);
	conn_flush(l); /* what was ordered from others meanwhile */
}

void
h2_link_init(struct h2_link *k, struct loop *l, struct h2_memory *m,
    struct conn *c, void (*pumped)(struct h2_link *k))
{
	*k = (struct h2_link){.loop = l, .conn = c, .pumped = pumped};
	TAILQ_INIT(&k->drained);
	k->pages.memory = m;
}

void
h2_link_rest(struct h2_link *k)
{
	if (!k->pumping && !k->over && !k->blocked &&
	    !nghttp2_session_want_write(k->session))
		h2_pages_trim(&k->pages);
}

void
h2_link_end(struct h2_link *k)
{
	k->over = true;
}

void
h2_link_free(struct h2_link *k)
{
	CHECK(k->over && !k->pumping && !k->receiving);
	if (k->kicked)
		loop_unkick(k->loop, &k->kick);
	k->kicked = false;
	nghttp2_session_del(k->session);
	k->session = NULL;
}

void
h2_link_order(struct h2_link *k)
{
	if (k->kicked)
		return;
	k->kicked = true;
	loop_kick(k->loop, &k->kick, on_kick);
}

/*
 * The loop's head buffer collects frames until conn_flush(); `collected` of
 * them are not ordered yet.
 */
static void
order_collected(struct h2_link *k)
{
	struct loop *l = k->loop;

	if (k->collected > 0)
		conn_write(
		    k->conn, (struct span){l->head + k->used - k->collected,
				 k->collected});
	k->collected = 0;
}

static void
send_collected(struct h2_link *k)
{
	order_collected(k);
	conn_flush(k->loop);
	k->used = 0;
}

static void
collect(struct h2_link *k, struct span bytes)
{
	if (bytes.n > k->loop->head_size - k->used)
		send_collected(k);
	if (k->over)
		return;
	CHECK(bytes.n <= k->loop->head_size); /* a frame is much smaller */
	memcpy(k->loop->head + k->used, bytes.p, bytes.n);
	k->used += bytes.n;
	k->collected += bytes.n;
}

void
h2_link_pump(struct h2_link *k)
{
	const uint8_t *frame;
	ssize_t n;

	if (k->pumping || k->receiving)
		return;
	if (k->over) {
		k->pumped(k);
		return;
	}
	conn_flush(k->loop); /* the head buffer may be on its way */
	k->pumping = true;
	k->used = k->collected = 0;
	while (!k->over && !k->blocked &&
	       (n = nghttp2_session_mem_send(k->session, &frame)) > 0)
		collect(k, (struct span){(const char *)frame, (size_t)n});
	if (!k->over)
		send_collected(k);
	k->pumping = false;
	if (!k->over)
		k->pumped(k);
}

bool
h2_link_feed(struct h2_link *k, struct span in)
{
	ssize_t n;

	CHECK(!k->receiving && !k->pumping);
	k->receiving = true;
	n = nghttp2_session_mem_recv(k->session, (const uint8_t *)in.p, in.n);
	k->receiving = false;
	if (k->over)
		return false;
	if (nghttp2_session_want_write(k->session))
		h2_link_order(k);
	return n >= 0;
}

void
h2_link_blocked(struct h2_link *k)
{
	k->blocked = true;
}

void
h2_link_drained(struct h2_link *k)
{
	k->blocked = false;
	h2_link_order(k);
}

bool
h2_link_done(const struct h2_link *k)
{
	return !nghttp2_session_want_read(k->session) &&
	       !nghttp2_session_want_write(k->session);
}

void
h2_link_lines(const struct field *lines, unsigned n, nghttp2_nv *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = (nghttp2_nv){
		    .name = (uint8_t *)(uintptr_t)lines[i].name.p,
		    .namelen = lines[i].name.n,
		    .value = (uint8_t *)(uintptr_t)lines[i].value.p,
		    .valuelen = lines[i].value.n,
		    .flags = NGHTTP2_NV_FLAG_NONE,
		};
}

/* Bodies. */

void
h2_body_init(struct h2_body *b, struct h2_link *k, int32_t stream)
{
	*b = (struct h2_body){.link = k, .stream = stream};
}

static void
body_leave_drained(struct h2_body *b)
{
	if (b->is_drained)
		TAILQ_REMOVE(&b->link->drained, b, link_drained);
	b->is_drained = false;
}

void
h2_body_free(struct h2_body *b)
{
	body_leave_drained(b);
	fifo_free(&b->waiting);
	free(b->trailers);
	b->trailers = NULL;
	b->piece = SPAN_NONE;
	b->ended = true;
}

static size_t
body_size(const struct h2_body *b)
{
	return fifo_span(&b->waiting).n + b->piece.n;
}

static void
body_submit_trailers(struct h2_body *b)
{
	struct h2_trailers *t = b->trailers;
	nghttp2_nv *lines = calloc(t->n, sizeof *lines);

	b->trailers = NULL;
	if (lines != NULL) {
		h2_link_lines(t->lines, t->n, lines);
		nghttp2_submit_trailer(
		    b->link->session, b->stream, lines, t->n);
	}
	free(lines);
	free(t);
}

/* How much of the body the next DATA frame takes. */
static ssize_t
on_read(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct h2_body *b = source->ptr;
	size_t have = body_size(b);

	(void)session;
	(void)stream;
	(void)buf;
	(void)arg;
	if (have == 0 && !b->ended) {
		b->asleep = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (have > size)
		return (ssize_t)size;
	if (b->ended) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (b->trailers != NULL) {
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			body_submit_trailers(b);
		}
	}
	return (ssize_t)have;
}

nghttp2_data_provider
h2_body_provider(struct h2_body *b)
{
	b->open = true;
	return (nghttp2_data_provider){
	    .source.ptr = b,
	    .read_callback = on_read,
	};
}

/* Kept bytes are copied behind the frame's header, a borrowed piece is not. */
static void
body_send(struct h2_body *b, size_t n)
{
	struct h2_link *k = b->link;
	struct span kept = fifo_span(&b->waiting), piece;

	b->sent += n;
	if (kept.n > n)
		kept.n = n;
	if (kept.n > 0) {
		collect(k, kept);
		fifo_consume(&b->waiting, kept.n);
		n -= kept.n;
	}
	if (n == 0)
		return;
	order_collected(k);
	if (k->over) /* ordering may send, and fail */
		return;
	piece = (struct span){b->piece.p, n};
	b->piece.p += n;
	b->piece.n -= n;
	conn_write(k->conn, piece);
}

/* A DATA frame leaves: its header comes from nghttp2, the rest from us. */
static int
on_send_data(nghttp2_session *session, nghttp2_frame *frame,
    const uint8_t *header, size_t n, nghttp2_data_source *source, void *arg)
{
	struct h2_body *b = source->ptr;
	struct h2_link *k = b->link;

	(void)session;
	(void)frame;
	(void)arg;
	if (k->over)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (k->blocked)
		return NGHTTP2_ERR_WOULDBLOCK;
	/* first, since sending may fail and end all this */
	if (FRAME_HEADER + n > k->loop->head_size - k->used)
		send_collected(k);
	if (k->over)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (body_size(b) < n) /* it was freed: the stream is to be reset */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	collect(k, (struct span){(const char *)header, FRAME_HEADER});
	body_send(b, n);
	if (b->blocked && !b->is_drained && fifo_empty(&b->waiting)) {
		b->is_drained = true;
		TAILQ_INSERT_TAIL(&k->drained, b, link_drained);
	}
	return k->over ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void
set_calls(nghttp2_session_callbacks *all, const struct h2_calls *calls)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(
	    all, calls->begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(all, calls->header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(
	    all, calls->frame_recv);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
	    all, calls->invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
	    all, calls->data);
	nghttp2_session_callbacks_set_on_frame_send_callback(
	    all, calls->frame_send);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(
	    all, calls->frame_not_send);
	nghttp2_session_callbacks_set_on_stream_close_callback(
	    all, calls->stream_close);
	nghttp2_session_callbacks_set_send_data_callback(all, on_send_data);
}

bool
h2_link_open(
    struct h2_link *k, bool server, const struct h2_calls *calls, void *owner)
{
	nghttp2_mem memory = {
	    .mem_user_data = &k->pages,
	    .malloc = h2_pages_malloc,
	    .free = h2_pages_free,
	    .calloc = h2_pages_calloc,
	    .realloc = h2_pages_realloc,
	};
	nghttp2_session_callbacks *all = NULL;
	nghttp2_option *option = NULL;

	if (nghttp2_session_callbacks_new(&all) != 0 ||
	    nghttp2_option_new(&option) != 0)
		goto done;
	set_calls(all, calls);
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	if (server) {
		/* h2_guard counts these, by the config's limits */
		nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
		nghttp2_option_set_stream_reset_rate_limit(
		    option, UINT64_MAX, UINT64_MAX);
		nghttp2_session_server_new3(
		    &k->session, all, owner, option, &memory);
	} else {
		nghttp2_session_client_new3(
		    &k->session, all, owner, option, &memory);
	}
done:
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(all);
	return k->session != NULL;
}

static void
body_wake(struct h2_body *b)
{
	if (b->asleep)
		nghttp2_session_resume_data(b->link->session, b->stream);
	b->asleep = false;
	h2_link_order(b->link);
}

/* Without a copy, as far as the windows go. */
static void
body_send_now(struct h2_body *b, struct span piece)
{
	struct h2_link *k = b->link;

	b->piece = piece;
	body_wake(b);
	h2_link_pump(k);
}

bool
h2_body_add(struct h2_body *b, struct span piece)
{
	struct h2_link *k = b->link;

	if (piece.n == 0 || k->over || b->ended)
		return true;
	if (piece.n >= SEND_AT_ONCE && !k->receiving && !k->pumping &&
	    !k->blocked && b->open) {
		body_send_now(b, piece);
		piece = b->piece;
		b->piece = SPAN_NONE;
		if (k->over || b->ended)
			return true;
	}
	if (!fifo_append(&b->waiting, piece)) {
		nghttp2_submit_rst_stream(k->session, NGHTTP2_FLAG_NONE,
		    b->stream, NGHTTP2_INTERNAL_ERROR);
		h2_link_order(k);
		return true;
	}
	body_wake(b);
	if (fifo_span(&b->waiting).n <=
	    (piece.n >= SEND_AT_ONCE ? 0 : WAITING_MAX))
		return true;
	b->blocked = true;
	return false;
}

static struct h2_trailers *
trailers_new(const struct h1_head *h)
{
	struct h2_trailers *t;
	size_t bytes = 0, room = h->nfields;
	char *p;

	for (unsigned i = 0; i < h->nfields; i++)
		bytes += h->fields[i].name.n + h->fields[i].value.n;
	t = malloc(sizeof *t + room * sizeof t->lines[0] + bytes);
	if (t == NULL)
		return NULL;
	p = (char *)&t->lines[room];
	t->n = h2_write_trailers(h, t->lines, (unsigned)room);
	for (unsigned i = 0; i < t->n; i++) {
		struct field *f = &t->lines[i];

		memcpy(p, f->name.p, f->name.n);
		f->name.p = p;
		p += f->name.n;
		memcpy(p, f->value.p, f->value.n);
		f->value.p = p;
		p += f->value.n;
	}
	return t;
}

void
h2_body_end(struct h2_body *b, const struct h1_head *trailers)
{
	if (b->ended || b->link->over)
		return;
	b->ended = true;
	if (trailers != NULL && trailers->nfields > 0)
		b->trailers = trailers_new(trailers);
	if (b->trailers != NULL && b->trailers->n == 0) {
		free(b->trailers);
		b->trailers = NULL;
	}
	if (b->open)
		body_wake(b);
}

bool
h2_body_waits(const struct h2_body *b)
{
	return !fifo_empty(&b->waiting);
}

struct h2_body *
h2_body_next_drained(struct h2_link *k)
{
	struct h2_body *b = TAILQ_FIRST(&k->drained);

	if (b == NULL)
		return NULL;
	body_leave_drained(b);
	b->blocked = false;
	return b;
}
